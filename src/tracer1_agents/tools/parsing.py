"""The process behind `confined`: reads one file a request with whatever library its kind needs, or solves an equation.

Its limits are set before the first request and only shrink. An alarm ends it when a file takes too long and the host is
no longer there to end it. Libraries print to standard output, so that the answers have a descriptor of their own.
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.errors import MissingExtraError
from tracer1_agents.tools.archives import unpack
from tracer1_agents.tools.charsets import decode_page
from tracer1_agents.tools.decoding import write_picture
from tracer1_agents.tools.equations import find_roots
from tracer1_agents.tools.markup import visible_text
from tracer1_agents.tools.office import read_docx, read_pdf, read_pptx
from tracer1_agents.tools.plain_text import read_text, tidy
from tracer1_agents.tools.tables import parse_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_GRACE: Final = 5  # seconds that the host has to end us before we do
_NO_MEMORY: Final = 3  # exit status


def read_json(path: Path) -> str:
    """A JSON file on one line."""
    try:
        return json.dumps(json.loads(read_text(path)), ensure_ascii=False)
    except RecursionError as error:
        msg = "it is nested too deeply"
        raise ValueError(msg) from error


READERS: Final[Mapping[str, Callable[..., Any]]] = {
    "text": lambda path: tidy(read_text(path)),
    "html": lambda path: visible_text(decode_page(path.read_bytes(), None, markup=True)),
    "json": read_json,
    "pdf": read_pdf,
    "docx": read_docx,
    "pptx": read_pptx,
    "tables": lambda path, kind: [asdict(table) for table in parse_tables(path, kind)],
    "zip": lambda path, root: unpack(path, Path(root)),
    "picture": write_picture,
}
JOBS: Final[Mapping[str, Callable[..., Any]]] = {"solve": find_roots}


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Serve one request; a file that cannot be read is an answer too.

    Args:
        request: `reader`, `path`, and what else that reader takes; or `job` and its arguments.
    """
    if "job" in request:
        work = JOBS[request.pop("job")]
    else:
        work = partial(READERS[request.pop("reader")], Path(request.pop("path")))
    try:
        return {"value": work(**request)}
    except MissingExtraError as error:
        return {"missing": str(error)}
    except MemoryError:
        return {"error": "it needs more memory than it may take", "ended": True}
    except RecursionError:
        return {"error": "it is nested too deeply"}
    except Exception as error:  # noqa: BLE001  (parsers raise anything on hostile bytes)
        return {"error": str(error) or type(error).__name__}


def main(limits: Mapping[str, float] | None = None) -> None:
    """Answer until the host goes away.

    Args:
        limits: As `confined.ParserLimits`; None: as they are.
    """
    replies = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    if limits is not None:
        _confine(limits)
    _write(replies, b"ready\n")
    for line in sys.stdin.buffer:
        if limits is not None:
            signal.alarm(math.ceil(limits["seconds"]) + _GRACE)
        found = answer(json.loads(line))
        try:
            text = json.dumps(found).encode("ascii")
        except MemoryError:
            found = {"error": "it needs more memory than it may take", "ended": True}
            text = json.dumps(found).encode("ascii")
        _write(replies, text + b"\n")
        if found.get("ended"):
            os._exit(_NO_MEMORY)
        signal.alarm(0)


def _write(replies: Any, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[replies.write(view) :]


def _confine(limits: Mapping[str, float]) -> None:
    import resource  # noqa: PLC0415  (not on every system, and of no use to whoever imports this module)

    for kind, value in (
        (resource.RLIMIT_AS, int(limits["memory_bytes"])),
        (resource.RLIMIT_FSIZE, int(limits["file_bytes"])),
        (resource.RLIMIT_CORE, 0),
    ):
        # macOS knows the limit on address space and refuses to set it.
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (value, value))


if __name__ == "__main__":
    main()
