#!/usr/bin/python3
"""Stands in for the program `docker`: takes `run` and `rm`, and runs what it is given in bubblewrap, on this machine.

What it was asked is appended to calls.jsonl in the folder that DOCKER_FAKE names. It keeps nothing in or out that the
options ask for: it is for the conversation with the worker, not for its walls.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

FOLDER = Path(os.environ["DOCKER_FAKE"])
FLAGS = ("--rm", "--interactive", "--init", "--read-only")


def main():
    with (FOLDER / "calls.jsonl").open("a") as calls:
        calls.write(json.dumps({"arguments": sys.argv[1:], "environment": dict(os.environ)}) + "\n")
    if (FOLDER / "refuse").exists():
        sys.stderr.write("docker: Cannot connect to the Docker daemon.\n")
        sys.exit(125)
    {"run": run, "rm": remove}[sys.argv[1]]()


def run():
    rest = sys.argv[2:]
    name = rest[rest.index("--name") + 1]
    while rest[0].startswith("--"):
        rest = rest[1:] if rest[0] in FLAGS else rest[2:]
    command = rest[1:]
    (FOLDER / name).write_text(str(os.getpid()))
    walls = ["--ro-bind", "/", "/", "--dev", "/dev", "--tmpfs", "/work", "--tmpfs", "/tmp", "--unshare-pid"]  # noqa: S108  (mounts of its own)
    walls += ["--proc", "/proc", "--unshare-net", "--die-with-parent", "--chdir", "/work", "--clearenv"]
    os.execvp("bwrap", ["bwrap", *walls, "--setenv", "PATH", "/usr/bin:/bin", "--", *command])  # noqa: S606, S607


def remove():
    try:
        os.kill(int((FOLDER / sys.argv[-1]).read_text()), signal.SIGKILL)
    except (OSError, ValueError):
        sys.exit("Error: No such container")


main()
