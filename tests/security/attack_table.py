"""What hostile code tries, and the words that show it was stopped.

Each attack prints BREACH where it succeeds, which must never be seen. `stopped` is a pattern that must be found in what
came back (output, then error): the reason that stopped it, so that an attack with a typo in it does not count as one.

What has to be looked at from the host stands in tests/unit/sandboxes: processes left behind, forged replies, sessions
beside each other in test_bubblewrap.py; links, pipes and forged paths among the outputs in test_exchange.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent

LIBC = "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"
REPORT = "\nprint('BREACH' if result >= 0 else os.strerror(ctypes.get_errno()))\n"


@dataclass(frozen=True)
class Attack:
    name: str
    code: str
    stopped: str
    timeout: float = 5.0
    timed_out: bool = False
    state_lost: bool = False


def attack(name: str, code: str, stopped: str, **more: object) -> Attack:
    return Attack(name, dedent(code).strip() + "\n", stopped, **more)


def syscall(name: str, call: str, stopped: str = "Operation not permitted") -> Attack:
    return Attack(name, f"{LIBC}result = {call}{REPORT}", stopped)


FILES = [
    attack("read a secret of the host", "print('BREACH', open({secret!r}).read())", "FileNotFoundError"),
    attack("read /etc/shadow", "print('BREACH', open('/etc/shadow').read())", "FileNotFoundError"),
    attack("list home folders", "import os; print('BREACH', os.listdir('/home'))", "FileNotFoundError"),
    attack("list root's home", "import os; print('BREACH', os.listdir('/root'))", "FileNotFoundError"),
    attack("write to /usr", "open('/usr/x', 'w'); print('BREACH')", "Read-only file system"),
    attack("write to /", "open('/x', 'w'); print('BREACH')", "Read-only file system"),
    attack("write to /dev", "open('/dev/x', 'w'); print('BREACH')", "Read-only file system"),
    attack(
        "replace the worker",
        "open('/run/tracer1_agents/sandboxes/inside/worker.py', 'w'); print('BREACH')",
        "Read-only file system",
    ),
    attack(
        "leave by ..",
        "print('BREACH', open('../../../../../../..' + {secret!r}).read())",
        "FileNotFoundError",
    ),
    attack(
        "leave through a process's root",
        """
        import os
        print('BREACH' if os.path.exists('/proc/1/root' + {secret!r}) else 'nothing there')
        """,
        "nothing there",
    ),
    attack(
        "leave through an inherited descriptor",
        """
        import os
        for name in sorted(os.listdir('/proc/self/fd')):
            try:
                target = os.readlink('/proc/self/fd/' + name)
            except OSError:
                continue
            if target.startswith('/') and not target.startswith(('/dev/null', '/proc', '/run/tracer1')):
                print('BREACH', name, target)
        print('looked at all')
        """,
        "looked at all",
    ),
    attack("huge file", "open('big', 'wb').truncate(1 << 40); print('BREACH')", "File too large|exit status -?\\d+"),
    attack(
        "fill the disk",
        """
        for number in range(100):
            with open(f'part{number}', 'wb') as file:
                file.write(bytes(8 << 20))
        print('BREACH')
        """,
        "No space left on device",
    ),
    attack(
        "fill shared memory",
        """
        for number in range(100):
            with open(f'/dev/shm/part{number}', 'wb') as file:
                file.write(bytes(8 << 20))
        print('BREACH')
        """,
        "No space left on device",
    ),
    attack(
        "inode bomb",
        """
        for number in range(3_000_000):
            open(f'/tmp/{number}', 'w').close()
        print('BREACH')
        """,
        "files in /tmp, over",
        state_lost=True,
    ),
]

SECRETS = [
    attack("environment", "import os; print('BREACH' if {token!r} in str(os.environ) else 'clean')", "clean"),
    attack(
        "environment of every visible process",
        """
        import os
        for process in filter(str.isdigit, os.listdir('/proc')):
            try:
                text = open(f'/proc/{process}/environ').read()
            except OSError as error:
                print(process, error.strerror)
                continue
            print('BREACH' if {token!r} in text else f'{process} clean')
        """,
        "(?s)^1 .*clean|^1 Permission denied",
    ),
    attack(
        "parent's environment",
        """
        import os
        text = open(f'/proc/{os.getppid()}/environ').read() + open('/proc/self/environ').read()
        print('BREACH' if {token!r} in text else 'clean')
        """,
        "clean|PermissionError",
    ),
    attack(
        "processes of the host",
        "import os; print('BREACH' if '{host_pid}' in os.listdir('/proc') else os.listdir('/proc')[:1])",
        "^\\[",
    ),
]

NETWORK = [
    attack(
        "TCP",
        "import socket; socket.create_connection(('127.0.0.1', {port}), 1); print('BREACH')",
        "Address family not supported",
    ),
    attack(
        "UDP",
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM); print('BREACH')",
        "Address family not supported",
    ),
    attack("IPv6", "import socket; socket.socket(socket.AF_INET6); print('BREACH')", "Address family not supported"),
    attack("DNS", "import socket; print('BREACH', socket.gethostbyname('example.org'))", "gaierror"),
    attack("netlink", "import socket; socket.socket(16, socket.SOCK_RAW); print('BREACH')", "Address family"),
    attack("vsock", "import socket; socket.socket(40, socket.SOCK_STREAM); print('BREACH')", "Address family"),
    attack(
        "abstract Unix socket of the host",
        "import socket; socket.socket(socket.AF_UNIX).connect({abstract!r}); print('BREACH')",
        "Connection refused",
    ),
    attack(
        "Unix socket of the host in the file system",
        "import socket; socket.socket(socket.AF_UNIX).connect({socket_path!r}); print('BREACH')",
        "No such file",
    ),
]

RESOURCES = [
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

KERNEL = [
    syscall("new user namespace", "libc.unshare(0x10000000)"),
    syscall("new user namespace by clone", "libc.syscall({clone}, 0x10000000 | 17, 0, 0, 0, 0)"),
    syscall("clone3, whose flags no filter sees", "libc.syscall(435, 0, 0)", "Function not implemented"),
    syscall("join a namespace", "libc.setns(0, 0)"),
    syscall("mount", "libc.mount(b'none', b'/tmp', b'tmpfs', 0, None)"),
    syscall("unmount", "libc.umount2(b'/proc/sys', 2)"),
    syscall("chroot", "libc.chroot(b'/tmp')"),
    syscall("ptrace", "libc.ptrace(16, os.getppid(), 0, 0)"),
    syscall("read another process's memory", "libc.process_vm_readv(1, 0, 0, 0, 0, 0)"),
    syscall("io_uring", "libc.syscall(425, 8, ctypes.create_string_buffer(120))"),
    syscall("bpf", "libc.syscall({bpf}, 0, 0, 0)"),
    syscall("keyring", "libc.syscall({keyctl}, 0, -3, 1)"),
    syscall("perf events", "libc.syscall({perf}, 0, 0, -1, -1, 0)"),
    syscall("terminal injection", "libc.ioctl(0, 0x5412, b'x')"),
    syscall("become root", "libc.setuid(0)", "Invalid argument|not permitted"),
    attack(
        "core_pattern",
        "open('/proc/sys/kernel/core_pattern', 'w').write('|/x'); print('BREACH')",
        "Read-only file system|PermissionError",
    ),
    attack(
        "hostname of the host",
        "open('/proc/sys/kernel/hostname', 'w').write('x'); print('BREACH')",
        "Read-only file system|PermissionError",
    ),
    attack("sysrq", "open('/proc/sysrq-trigger', 'w'); print('BREACH')", "PermissionError|Read-only|FileNotFound"),
    attack(
        "own uid map",
        "import os; os.write(os.open('/proc/self/uid_map', os.O_WRONLY), b'0 0 1'); print('BREACH')",
        "PermissionError",
    ),
    attack(
        "device nodes",
        """
        import os, stat
        usual = {'null', 'zero', 'full', 'random', 'urandom', 'tty', 'ptmx', 'console'}
        found = [name for name in os.listdir('/dev') if not stat.S_ISLNK(os.lstat('/dev/' + name).st_mode)]
        print('BREACH' if set(found) - usual - {'shm', 'pts'} else 'only the usual')
        """,
        "only the usual",
    ),
    attack(
        "make a device node",
        "import os; os.mknod('disk', 0o60600, os.makedev(8, 0)); print('BREACH')",
        "PermissionError",
    ),
    attack(
        "kill everything in sight",
        """
        import os, signal
        os.kill({host_pid}, 0)
        print('BREACH')
        """,
        "ProcessLookupError",
    ),
    attack(
        "kill the parent",
        """
        import os, signal
        print('parent is', os.getppid())
        os.kill(os.getppid(), signal.SIGKILL)
        os.kill(-1, signal.SIGKILL)
        print('still here')
        """,
        "still here|exit status|ProcessLookupError",
    ),
]

INTERPRETER = [
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
    attack("close all descriptors", "import os; os.closerange(0, 128)", "channel|exit status", state_lost=True),
    attack("closed output", "import sys; sys.stdout.close(); sys.stderr.close()", "^$"),
    attack("a child that returns", "import os\nif os.fork() == 0: os.write(1, b'child')\n", ".*"),
]

ATTACKS = [*FILES, *SECRETS, *NETWORK, *RESOURCES, *KERNEL, *INTERPRETER]
