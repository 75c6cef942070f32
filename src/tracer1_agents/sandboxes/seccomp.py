"""A seccomp filter written as BPF here, so that no library is needed to refuse dangerous system calls.

The filter is a denylist on top of the namespaces: kernel interfaces that sandboxed Python never needs and that carry
most privilege-escalation bugs (io_uring, bpf, keyrings, mounts, new namespaces), sockets other than Unix ones (AF_VSOCK
is not fenced by a network namespace), and memory that no resource limit sees (memfd, System V shared memory).

Invariant: a call under a foreign architecture or the x32 numbering kills the process, since the numbers below would
mean other calls there. It does not look behind pointers, and it is no allowlist: an unknown future call passes.
"""

from __future__ import annotations

import errno
import platform
import struct
from dataclasses import dataclass
from typing import Final

from tracer1_agents.errors import SandboxUnavailableError

# linux/bpf_common.h and linux/seccomp.h; offsets are those of struct seccomp_data.
_LOAD, _JUMP_EQUAL, _JUMP_GREATER_EQUAL, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE = 0, 4
_ARGUMENT_LOW_WORD: Final = (16, 24)
_KILL_PROCESS, _ALLOW, _ERRNO = 0x8000_0000, 0x7FFF_0000, 0x0005_0000
_X32_BIT: Final = 0x4000_0000

_AF_UNIX: Final = 1
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
# CLONE_NEW{TIME,NS,CGROUP,UTS,IPC,USER,PID,NET}. TIME (0x80) lies in clone's exit-signal byte: only unshare takes it.
_CLONE_NEW_MASK: Final = 0x0002_0000 | 0x0200_0000 | 0x0400_0000 | 0x0800_0000 | 0x1000_0000 | 0x2000_0000 | 0x4000_0000

# Name -> (x86_64, aarch64) number; None where the architecture has no such call (arch/*/syscall tables of Linux).
_DENIED: Final[dict[str, tuple[int, int | None]]] = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "perf_event_open": (298, 241),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "reboot": (169, 142),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "syslog": (103, 116),
    "personality": (135, 92),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "iopl": (172, None),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
}


@dataclass(frozen=True, slots=True)
class _Machine:
    audit: int
    column: int
    clone: int
    clone3: int
    socket: int
    ioctl: int
    x32: bool


MACHINES: Final = {
    "x86_64": _Machine(audit=0xC000_003E, column=0, clone=56, clone3=435, socket=41, ioctl=16, x32=True),
    "aarch64": _Machine(audit=0xC000_00B7, column=1, clone=220, clone3=435, socket=198, ioctl=29, x32=False),
}


def filter_program(machine: str | None = None) -> bytes:
    """Assemble the filter as the kernel (and `bwrap --seccomp`) reads it.

    Args:
        machine: As `platform.machine()` names it; None: this one.

    Returns:
        An array of `struct sock_filter`, 8 bytes each.

    Raises:
        SandboxUnavailableError: The system call numbers of that machine are not known here.
    """
    name = machine or platform.machine()
    known = MACHINES.get(name)
    if known is None:
        problem = f"no system call table for {name!r}; the filter is known for {', '.join(MACHINES)}"
        raise SandboxUnavailableError(problem)
    return b"".join((_guard(known), _denied(known), _argument_checks(known), _return(_ALLOW)))


def denied_numbers(machine: str) -> dict[str, int]:
    """Names and numbers that the filter refuses outright on a machine, for tests and reports."""
    column = MACHINES[machine].column
    return {name: number for name, numbers in _DENIED.items() if (number := numbers[column]) is not None}


def _guard(machine: _Machine) -> bytes:
    """Kill on a foreign architecture and on x32, then leave the call's number in the accumulator."""
    program = _load(_ARCHITECTURE) + _jump(_JUMP_EQUAL, machine.audit, 1, 0) + _return(_KILL_PROCESS) + _load(_NUMBER)
    if machine.x32:
        program += _jump(_JUMP_GREATER_EQUAL, _X32_BIT, 0, 1) + _return(_KILL_PROCESS)
    return program


def _denied(machine: _Machine) -> bytes:
    # clone3 hides its flags behind a pointer. ENOSYS makes the C library fall back to clone, which can be checked.
    refusals = [(machine.clone3, errno.ENOSYS)]
    for numbers in _DENIED.values():
        number = numbers[machine.column]
        if number is not None:
            refusals.append((number, errno.EPERM))
    return b"".join(_jump(_JUMP_EQUAL, number, 0, 1) + _return(_ERRNO | code) for number, code in refusals)


def _argument_checks(machine: _Machine) -> bytes:
    first, second = _ARGUMENT_LOW_WORD
    only_unix = (
        _jump(_JUMP_EQUAL, machine.socket, 0, 4)
        + _load(first)
        + _jump(_JUMP_EQUAL, _AF_UNIX, 1, 0)
        + _return(_ERRNO | errno.EAFNOSUPPORT)
        + _return(_ALLOW)
    )
    no_namespaces = (
        _jump(_JUMP_EQUAL, machine.clone, 0, 4)
        + _load(first)
        + _jump(_JUMP_ANY_BIT, _CLONE_NEW_MASK, 0, 1)
        + _return(_ERRNO | errno.EPERM)
        + _return(_ALLOW)
    )
    no_terminal_injection = (
        _jump(_JUMP_EQUAL, machine.ioctl, 0, 5)
        + _load(second)
        + _jump(_JUMP_EQUAL, _TIOCSTI, 1, 0)
        + _jump(_JUMP_EQUAL, _TIOCLINUX, 0, 1)
        + _return(_ERRNO | errno.EPERM)
        + _return(_ALLOW)
    )
    return only_unix + no_namespaces + no_terminal_injection


def _load(offset: int) -> bytes:
    return struct.pack("<HBBI", _LOAD, 0, 0, offset)


def _jump(kind: int, constant: int, if_true: int, if_false: int) -> bytes:
    return struct.pack("<HBBI", kind, if_true, if_false, constant)


def _return(action: int) -> bytes:
    return struct.pack("<HBBI", _RETURN, 0, 0, action)
