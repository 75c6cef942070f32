"""The loop inside: put files, run code, hand back what changed, say that it is done.

Invariant: whatever the code does, the loop either answers or the process ends; it never answers twice.
"""

from __future__ import annotations

import binascii
import os
import sys

from tracer1_agents.sandboxes.inside.files import Files
from tracer1_agents.sandboxes.inside.interpreter import Interpreter, flush
from tracer1_agents.sandboxes.inside.protocol import Channel, Desk

TYPE_CHECKING = False  # `typing` would have to be loaded for it
if TYPE_CHECKING:
    from collections.abc import Callable

_CHUNK = 512 * 1024


def serve(channel: Channel, work: str, confine: Callable[[dict[str, int]], None]) -> None:
    """Set up from the first request, then answer until the host goes away.

    Args:
        channel: To the host.
        work: The working folder.
        confine: Lowers the process's limits before any foreign code runs.
    """
    setup = channel.receive()
    if setup is None:
        return
    limits: dict[str, int] = setup["limits"]
    sys.path.extend(setup["paths"])
    confine(limits)
    interpreter, desk = Interpreter(limits["value_bytes"]), Desk(channel)
    for name in setup["calls"]:
        interpreter.define(name, desk.function(name))
    channel.send({"op": "ready"})
    _answer(channel, interpreter, desk, Files(work, limits), limits["files"])


def _answer(channel: Channel, interpreter: Interpreter, desk: Desk, files: Files, most_files: int) -> None:
    owner = os.getpid()
    while (request := channel.receive()) is not None:
        if request["op"] == "put":
            data = binascii.a2b_base64(request["data"])
            files.put(request["path"], data, start=request["start"], last=request["last"])
        elif request["op"] == "run":
            desk.open()
            outcome = interpreter.run(request["code"])
            flush()
            if os.getpid() != owner:
                # The code forked and its child came back here: only the parent may answer.
                os._exit(0)
            desk.close()
            if request["files"]:
                _send_files(channel, files, most_files)
            channel.send({"op": "done", **outcome})


def _send_files(channel: Channel, files: Files, limit: int) -> None:
    """Hand changed files to the host in chunks; what cannot be carried either way is named with its reason."""
    for path, reason in files.refused().items():
        channel.send({"op": "drop", "path": path, "reason": reason, "way": "in"})
    changed = files.changed()
    dropped = dict.fromkeys(changed[limit:], f"more than {limit} files")
    for path in changed[:limit]:
        try:
            data = files.read(path)
        except (OSError, MemoryError) as error:
            dropped[path] = str(error)
            continue
        for start in range(0, max(len(data), 1), _CHUNK):
            chunk = binascii.b2a_base64(data[start : start + _CHUNK], newline=False).decode()
            channel.send({"op": "file", "path": path, "data": chunk, "last": start + _CHUNK >= len(data)})
    for path, reason in dropped.items():
        channel.send({"op": "drop", "path": path, "reason": reason, "way": "out"})
