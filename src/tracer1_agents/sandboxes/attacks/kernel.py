"""Attacks on the kernel and on what else runs: system calls, devices, other processes."""

from __future__ import annotations

from typing import Final

from tracer1_agents.sandboxes.attacks.base import attack, syscall

KERNEL: Final = [
    syscall("new user namespace", "libc.unshare(0x10000000)"),
    syscall("new user namespace by clone", "libc.syscall({clone}, 0x10000000 | 17, 0, 0, 0, 0)"),
    syscall("clone3, whose flags no filter sees", "libc.syscall(435, 0, 0)", "Function not implemented"),
    syscall("join a namespace", "libc.setns(0, 0)"),
    syscall("mount", "libc.mount(b'none', b'/nonexistent', b'tmpfs', 0, None)"),
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
        "open('/proc/sys/kernel/core_pattern', 'w'); print('BREACH')",
        "Read-only file system|PermissionError",
    ),
    attack(
        "hostname of the host",
        "open('/proc/sys/kernel/hostname', 'w'); print('BREACH')",
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
        import os
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
        if not os.path.exists({secret!r}):
            os.kill(-1, signal.SIGKILL)
        print('still here')
        """,
        "still here|exit status|ProcessLookupError",
    ),
]
