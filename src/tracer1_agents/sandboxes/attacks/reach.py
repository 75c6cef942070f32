"""Attacks that reach for what is the host's: files, secrets, services."""

from __future__ import annotations

from typing import Final

from tracer1_agents.sandboxes.attacks.base import attack

FILES: Final = [
    attack("read a secret of the host", "print('BREACH', open({secret!r}).read())", "FileNotFoundError"),
    attack("read /etc/shadow", "print('BREACH', open('/etc/shadow').read())", "FileNotFoundError"),
    attack("list home folders", "import os; print('BREACH', os.listdir('/home'))", "FileNotFoundError"),
    attack("list root's home", "import os; print('BREACH', os.listdir('/root'))", "FileNotFoundError"),
    attack(
        "read ssh keys",
        """
        import glob, os
        found = glob.glob('/root/.ssh/*') + glob.glob('/home/*/.ssh/*') + glob.glob(os.path.expanduser('~/.ssh/*'))
        print('BREACH' if found else 'no keys')
        """,
        "no keys",
    ),
    attack(
        "read by numpy",
        """
        try:
            import numpy
        except ImportError:
            print('no numpy inside')
        else:
            print('BREACH', numpy.fromfile({secret!r}, dtype='uint8')[:4])
        """,
        "FileNotFoundError|no numpy inside",
    ),
    attack(
        "read by a class found through __subclasses__",
        """
        loaders = [kind for kind in ().__class__.__base__.__subclasses__() if kind.__name__ == 'FileLoader']
        print('BREACH', loaders[0]('x', {secret!r}).get_data({secret!r}))
        """,
        "FileNotFoundError",
    ),
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
        for number in range(200_000):
            open(f'/tmp/{number}', 'w').close()
        print('BREACH')
        """,
        "files in /tmp, over",
        state_lost=True,
    ),
]

SECRETS: Final = [
    attack("environment", "import os; print('BREACH' if {token!r} in str(os.environ) else 'clean')", "clean"),
    attack(
        "environment by str.format",
        "import random; print('BREACH' if {token!r} in '{0._os.environ}'.format(random) else 'clean')",
        "clean",
    ),
    attack("one variable of the environment", "import os; print('BREACH', os.environ[{variable!r}])", "KeyError"),
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

NETWORK: Final = [
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
    attack(
        "cloud metadata address",
        "import urllib.request; urllib.request.urlopen('http://169.254.169.254/', timeout=2); print('BREACH')",
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
