"""Entry point of a worker that is a process: two descriptors of its own for the conversation, limits that only shrink.

Standard output belongs to the code. Called as `worker.py <requests> <replies> <working folder>`.
"""

from __future__ import annotations

import os
import resource
import sys

# In isolated mode the script's folder is not on the path: it is there for these imports only.
sys.path.insert(0, __file__.rpartition("/tracer1_agents/")[0])
from tracer1_agents.sandboxes.inside.loop import serve
from tracer1_agents.sandboxes.inside.protocol import Channel

del sys.path[0]


def apply_limits(limits: dict[str, int]) -> None:
    """Lower the process limits for good: nobody inside has the capability to raise a hard limit again."""
    for kind, value in (
        (resource.RLIMIT_AS, limits["memory_bytes"]),
        (resource.RLIMIT_NPROC, limits["processes"]),
        (resource.RLIMIT_CPU, limits["cpu_seconds"]),
        (resource.RLIMIT_FSIZE, limits["file_bytes"]),
        (resource.RLIMIT_NOFILE, limits["open_files"]),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        resource.setrlimit(kind, (value, value))


def write_all(descriptor: int, data: bytes) -> None:
    """Write to the end, also where the pipe takes a part at a time."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def main() -> None:
    """Serve on the descriptors given as arguments."""
    requests, replies, work = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    for descriptor in (requests, replies):
        os.set_inheritable(descriptor, False)  # noqa: FBT003  (positional-only)
    channel = Channel(os.fdopen(requests, "rb").readline, lambda data: write_all(replies, data))
    serve(channel, work, apply_limits)


main()
