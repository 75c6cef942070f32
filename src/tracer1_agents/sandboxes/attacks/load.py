"""Attacks that use up what all share, and attacks on the loop that runs the code."""

from __future__ import annotations

from typing import Final

from tracer1_agents.sandboxes.attacks.base import attack, syscall

RESOURCES: Final = [
    attack(
        "fork bomb",
        """
        import os, time
        for number in range(5000):
            if os.fork() == 0:
                time.sleep(30)
                os._exit(0)
        print('BREACH')
        """,
        "BlockingIOError",
    ),
    attack(
        "thread bomb",
        """
        import threading, time
        for number in range(5000):
            threading.Thread(target=time.sleep, args=(30,), daemon=True).start()
        print('BREACH')
        """,
        "can't start new thread",
    ),
    attack("memory bomb", "block = bytearray(4 << 30); print('BREACH')", "MemoryError"),
    attack(
        "memory bomb in forks",
        """
        import os, time
        for number in range(16):
            if os.fork() == 0:
                block = bytearray(b'x') * (300 << 20)
                time.sleep(30)
        time.sleep(30)
        print('BREACH')
        """,
        "processes of the run use",
        timeout=20.0,  # several gigabytes are written first, which takes a while on a busy machine
        state_lost=True,
    ),
    syscall("memory outside all limits: memfd", "libc.memfd_create(b'x', 0)"),
    syscall("memory outside all limits: System V", "libc.shmget(0, 1 << 20, 0o1600)"),
    attack("CPU loop", "while True: pass", "TimeoutError", timeout=0.5, timed_out=True, state_lost=True),
    attack("sleep", "import time; time.sleep(1000)", "TimeoutError", timeout=0.5, timed_out=True, state_lost=True),
    attack(
        "ignored signals",
        """
        import signal
        for number in range(1, 32):
            if number not in (signal.SIGKILL, signal.SIGSTOP):
                signal.signal(number, signal.SIG_IGN)
        while True: pass
        """,
        "TimeoutError",
        timeout=0.5,
        timed_out=True,
        state_lost=True,
    ),
    attack(
        "raise the limits again",
        """
        import resource
        resource.setrlimit(resource.RLIMIT_NPROC, (resource.RLIM_INFINITY,) * 2)
        print('BREACH')
        """,
        "not allowed to raise maximum limit",
    ),
    attack(
        "output flood",
        "import os\nwhile True: os.write(1, b'A' * 65536)",
        "^A+",
        timeout=0.5,
        timed_out=True,
        state_lost=True,
    ),
]

INTERPRETER: Final = [
    attack("SystemExit", "raise SystemExit('bye')", "SystemExit: bye"),
    attack("os._exit", "import os; os._exit(7)", "exit status 7", state_lost=True),
    attack("segmentation fault", "import ctypes; ctypes.string_at(0)", "exit status", state_lost=True),
    attack(
        "hostile repr",
        """
        class Hostile:
            def __repr__(self): raise SystemExit(0)
            __str__ = __repr__
        [Hostile()]
        """,
        "^$",
    ),
    attack(
        "hostile exception",
        """
        class Hostile(BaseException):
            def __str__(self): raise KeyboardInterrupt
        raise Hostile
        """,
        "cannot be printed|exception str",
    ),
    attack("deep recursion in repr", "x = []\nfor _ in range(100_000): x = [x]\nx", "RecursionError|exit status"),
    attack("a line of 10 MB", "print('x' * (10 << 20))", "^x+$"),
    attack("a value of 10 MB", "'x' * (10 << 20)", "^$"),
    attack("broken UTF-8", "import os; os.write(1, b'\\xff\\xfe' * 10)", "^\ufffd+$"),
    attack("lone surrogates in an error", "raise ValueError('\\ud800')", "ValueError: \\?"),
    attack("close all descriptors", "import os; os.closerange(0, 4096)", "channel|exit status", state_lost=True),
    attack("closed output", "import sys; sys.stdout.close(); sys.stderr.close()", "^$"),
    attack("a child that returns", "import os\nif os.fork() == 0: os.write(1, b'child')\n", ".*"),
]
