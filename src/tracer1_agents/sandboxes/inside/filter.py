"""A worker refuses itself system calls, for good, before any foreign code runs: where nobody outside does it for it."""

from __future__ import annotations

import ctypes
import os
import sys

_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _MODE_FILTER, _INSTRUCTION = 22, 38, 2, 8


class _Program(ctypes.Structure):
    """`struct sock_fprog` of linux/filter.h."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def refuse_calls(filters: dict[str, str]) -> None:
    """Put this process and all that it starts under a seccomp filter, on top of those that it is under already.

    Args:
        filters: Machine, as uname names it -> its program, in hexadecimal.

    Raises:
        SystemExit: There is no filter for this machine, or the kernel does not take it.
    """
    machine = os.uname().machine
    if machine not in filters:
        sys.exit(f"no system call filter for a {machine}; there are: {', '.join(filters)}")
    code = bytes.fromhex(filters[machine])
    libc = ctypes.CDLL(None, use_errno=True)
    program = _Program(len(code) // _INSTRUCTION, code)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        _PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0
    ):
        sys.exit(f"the kernel takes no system call filter: {os.strerror(ctypes.get_errno())}")
