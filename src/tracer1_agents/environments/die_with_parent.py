"""Starts a program that ends when the one that started it does, however that one ended, as a program.

Started with the process id of its parent, then the command with the path of its program. The kernel's request for a
signal (`PR_SET_PDEATHSIG`, Linux only) is made here and outlives `exec`. It fires when the *thread* that started this
program ends: start it from one that lives (`sandboxes.process.launcher`). It needs the standard library only and
imports nothing of this package.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Become the command."""
    parent, *command = sys.argv[1:]
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0):
        sys.exit(f"the kernel ends no program with its parent: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != int(parent):  # it ended before the request was made
        sys.exit("the program that started this one has ended")
    os.execv(command[0], command)  # noqa: S606  (a command of the caller's, never model text)


if __name__ == "__main__":
    main()
