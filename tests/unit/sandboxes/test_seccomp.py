"""The filter is run here as the kernel would run it: a few lines of BPF virtual machine, and a table of calls."""

from __future__ import annotations

import struct

import pytest

from tracer1_agents.errors import SandboxUnavailableError
from tracer1_agents.sandboxes.seccomp import denied_numbers, filter_program

X86, ARM = 0xC000003E, 0xC00000B7
ALLOW, KILL = 0x7FFF0000, 0x80000000
EPERM, ENOSYS, EAFNOSUPPORT = 0x50001, 0x50000 | 38, 0x50000 | 97


def decide(program, number, audit, *arguments):
    padded = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    data = struct.pack("<IIQ6Q", number, audit, 0, *padded)
    accumulator = at = 0
    while True:
        code, if_true, if_false, constant = struct.unpack_from("<HBBI", program, at * 8)
        at += 1
        if code == 0x06:
            return constant
        if code == 0x20:
            accumulator = struct.unpack_from("<I", data, constant)[0]
            continue
        holds = {
            0x15: accumulator == constant,
            0x35: accumulator >= constant,
            0x45: bool(accumulator & constant),
        }[code]
        at += if_true if holds else if_false


@pytest.mark.parametrize(
    ("machine", "audit", "number", "arguments", "verdict"),
    [
        ("x86_64", X86, 0, (), ALLOW),  # read
        ("x86_64", X86, 101, (), EPERM),  # ptrace
        ("x86_64", X86, 425, (), EPERM),  # io_uring_setup
        ("x86_64", X86, 435, (), ENOSYS),  # clone3
        ("x86_64", X86, 41, (1, 1), ALLOW),  # socket(AF_UNIX)
        ("x86_64", X86, 41, (2, 1), EAFNOSUPPORT),  # socket(AF_INET)
        ("x86_64", X86, 41, (40, 1), EAFNOSUPPORT),  # socket(AF_VSOCK)
        ("x86_64", X86, 56, (17,), ALLOW),  # clone with SIGCHLD: a fork
        ("x86_64", X86, 56, (0x003D0F00,), ALLOW),  # clone as a thread is made
        ("x86_64", X86, 56, (0x10000011,), EPERM),  # clone(CLONE_NEWUSER)
        ("x86_64", X86, 16, (0, 0x5401), ALLOW),  # ioctl(TCGETS)
        ("x86_64", X86, 16, (0, 0x5412), EPERM),  # ioctl(TIOCSTI)
        ("x86_64", X86, 16, (0, 0x541C), EPERM),  # ioctl(TIOCLINUX)
        ("x86_64", X86, 0x40000000 | 101, (), KILL),  # ptrace under its x32 number
        ("x86_64", 0x40000003, 26, (), KILL),  # i386
        ("aarch64", ARM, 63, (), ALLOW),  # read
        ("aarch64", ARM, 117, (), EPERM),  # ptrace
        ("aarch64", ARM, 198, (1,), ALLOW),
        ("aarch64", ARM, 198, (2,), EAFNOSUPPORT),
        ("aarch64", ARM, 220, (0x20000011,), EPERM),
        ("aarch64", X86, 63, (), KILL),
    ],
)
def test_verdicts(machine, audit, number, arguments, verdict):
    assert decide(filter_program(machine), number, audit, *arguments) == verdict


@pytest.mark.parametrize(("machine", "audit"), [("x86_64", X86), ("aarch64", ARM)])
def test_every_denied_call_is_refused_and_stands_once(machine, audit):
    numbers = denied_numbers(machine)
    assert len(set(numbers.values())) == len(numbers)
    program = filter_program(machine)
    assert {name for name, number in numbers.items() if decide(program, number, audit) != EPERM} == set()


def test_unknown_machine_fails_closed():
    with pytest.raises(SandboxUnavailableError, match="riscv64"):
        filter_program("riscv64")
