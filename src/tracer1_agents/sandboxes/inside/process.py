"""A worker that is a process: two descriptors of its own for the conversation, limits that only shrink.

Standard output belongs to the code.
"""

from __future__ import annotations

import os
import resource

from tracer1_agents.sandboxes.inside.loop import serve
from tracer1_agents.sandboxes.inside.protocol import Channel

TYPE_CHECKING = False  # `typing` would have to be loaded for it
if TYPE_CHECKING:
    from collections.abc import Callable


def apply_limits(limits: dict[str, int]) -> None:
    """Lower the process limits for good: nobody inside has the capability to raise a hard limit again."""
    resource.setrlimit(resource.RLIMIT_NPROC, (limits["processes"], limits["processes"]))
    apply_own_limits(limits)


def apply_own_limits(limits: dict[str, int]) -> None:
    """All but the number of processes, which the kernel may count together with those of others of the same user."""
    for kind, value in (
        (resource.RLIMIT_AS, limits["memory_bytes"]),
        (resource.RLIMIT_CPU, limits["cpu_seconds"]),
        (resource.RLIMIT_FSIZE, limits["file_bytes"]),
        (resource.RLIMIT_NOFILE, limits["open_files"]),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        resource.setrlimit(kind, (value, value))


def serve_on(requests: int, replies: int, work: str, confine: Callable[[dict[str, int]], None]) -> None:
    """Serve on these descriptors, which no program that the code starts gets to see.

    Args:
        requests: To read from.
        replies: To write to.
        work: The working folder.
        confine: See `serve`.
    """
    for descriptor in (requests, replies):
        os.set_inheritable(descriptor, False)  # noqa: FBT003  (positional-only)
    serve(Channel(os.fdopen(requests, "rb").readline, lambda data: write_all(replies, data)), work, confine)


def write_all(descriptor: int, data: bytes) -> None:
    """Write to the end, also where the pipe takes a part at a time."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
