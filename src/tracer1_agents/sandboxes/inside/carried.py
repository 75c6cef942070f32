"""Entry point of a worker that has no files: its sources come through its standard input, before the first request.

For containers, whose three streams are all there is: requests come on standard input, replies go to standard output,
and what the code prints goes to standard error.
"""

from __future__ import annotations

import os
import sys

_PACKAGE = "tracer1_agents.sandboxes.inside"


def serve_streams(texts: dict[str, str], work: str, filters: dict[str, str]) -> None:
    """Make modules of the sources and serve on the standard streams, in whose place the code gets others.

    Args:
        texts: Name of a file of this folder -> its source; those that others import first.
        work: The working folder.
        filters: See `filter.refuse_calls`.
    """
    module = type(sys)
    parts = _PACKAGE.split(".")
    for end in range(1, len(parts) + 1):
        sys.modules[".".join(parts[:end])] = module(".".join(parts[:end]))
    for name, text in texts.items():
        made = sys.modules[f"{_PACKAGE}.{name}"] = module(f"{_PACKAGE}.{name}")
        exec(compile(text, f"<worker {name}>", "exec"), made.__dict__)  # noqa: S102  (our own files, from the host)
    sys.modules[f"{_PACKAGE}.filter"].__dict__["refuse_calls"](filters)
    requests, replies = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    process = sys.modules[f"{_PACKAGE}.process"].__dict__
    process["serve_on"](requests, replies, work, process["apply_own_limits"])
