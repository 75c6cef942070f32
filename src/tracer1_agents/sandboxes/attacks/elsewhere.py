"""What differs outside bubblewrap: attacks that take the backend's own road, the words that stop one, and what is open.

In WebAssembly there is no kernel to attack and the files are in memory, so that writing "to /usr" reaches nobody. The
road out is JavaScript: where a snippet would only meet the in-memory stand-in, another one asks Deno in its place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """How one backend differs.

    Attributes:
        stopped: Pattern that also shows that an attack was stopped, whichever it was.
        roads: Name of an attack -> code that tries the same by the backend's own road.
        words: Name of an attack -> pattern that also shows that this one was stopped.
        uncovered: Name of an attack -> why the backend does not cover it.
        asked: Attacks that are tried at all; None: every one.
        unasked: What is said of all others.
    """

    stopped: str = r"(?!)"
    roads: Mapping[str, str] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)
    uncovered: Mapping[str, str] = field(default_factory=dict)
    asked: frozenset[str] | None = None
    unasked: str = ""

    def asks(self, attack: str) -> bool:
        """Whether the attack makes sense on this backend."""
        return self.asked is None or attack in self.asked

    def shows_stop(self, attack: str, seen: str) -> bool:
        """Whether what came back shows that the attack was stopped, in this backend's words."""
        return re.search(self.stopped, seen) is not None or (
            attack in self.words and re.search(self.words[attack], seen) is not None
        )


def _deno(call: str) -> str:
    return f"import js\njs.Deno.{call}\nprint('BREACH')\n"


_WASM: Final = Elsewhere(
    stopped="unknown symbol|has no attribute|No such file|unreachable|not permitted|not implemented|Permission denied|"
    "Invalid argument|NotCapable|MemoryError|TimeoutError|OverflowError|No module named|Program terminated|its own|"
    "AttributeError: listenDatagram",
    roads={
        "list home folders": (
            "import os; print('BREACH' if set(os.listdir('/home')) - {'web_user', 'pyodide'} else 'its own')"
        ),
        "write to /usr": _deno("writeTextFileSync('/usr/x', 'x')"),
        "write to /": _deno("writeTextFileSync('/x', 'x')"),
        "write to /dev": _deno("writeTextFileSync('/dev/x', 'x')"),
        "replace the worker": "import js; js.Deno.writeTextFileSync(js.Deno.args[0] + '/loop.py', ''); print('BREACH')",
        "leave through an inherited descriptor": _deno("readTextFileSync('/proc/self/fd/0')"),
        "environment of every visible process": _deno("readTextFileSync('/proc/self/environ')"),
        "parent's environment": _deno("env.toObject()"),
        "TCP": _deno("listen(port=0)"),
        "UDP": _deno("listenDatagram(port=0, transport='udp')"),
        "IPv6": _deno("listen(hostname='::1', port=0)"),
        "DNS": (
            "import js\nasked = js.Object.fromEntries([['name', 'net']])\n"
            "print('BREACH' if js.Deno.permissions.querySync(asked).state == 'granted' else 'its own')\n"
        ),
        "netlink": _deno("networkInterfaces()"),
        "vsock": _deno("dlopen('libc.so.6', js.Object.new())"),
        "sysrq": _deno("writeTextFileSync('/proc/sysrq-trigger', '')"),
        "device nodes": _deno("openSync('/dev/mem')"),
        "close all descriptors": "import js\njs.Deno.stdin.close()\njs.Deno.stdout.close()\n",
        "segmentation fault": "import ctypes; print('its own' if ctypes.string_at(0) == b'' else 'BREACH')",
    },
    uncovered={
        "inode bomb": "files live in memory: what bounds them is the limit on total memory",
    },
)

_CONTAINER: Final = Elsewhere(
    roads={
        # /dev/mqueue is a folder; message queues are refused by the filter.
        "device nodes": (
            "import os, stat\nfound = [name for name in os.listdir('/dev') if not stat.S_ISDIR("
            "os.lstat('/dev/' + name).st_mode) and not os.path.islink('/dev/' + name)]\n"
            "usual = {'null', 'zero', 'full', 'random', 'urandom', 'tty', 'ptmx', 'console'}\n"
            "print('BREACH' if set(found) - usual else 'only the usual')\n"
        ),
        # The number of processes is a limit of the container, which no process has as its own.
        "raise the limits again": (
            "import resource\nresource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)\nprint('BREACH')\n"
        ),
    },
    words={
        "write to /dev": "Permission denied",
        "replace the worker": "No such file",
        "inode bomb": "No space left",
        "memory bomb in forks": "TimeoutError|exit status 137",
    },
)

# A machine of its own, often with root in it: what code does to that machine is no attack, and bombs would go off at
# somebody else's. What counts is this host, the conversation with it, and what one session leaves to the next.
_FAR: Final = Elsewhere(
    asked=frozenset(
        (
            "read a secret of the host",
            "read by numpy",
            "read by a class found through __subclasses__",
            "leave by ..",
            "environment",
            "environment by str.format",
            "one variable of the environment",
            "environment of every visible process",
            "cloud metadata address",
            "abstract Unix socket of the host",
            "Unix socket of the host in the file system",
            "CPU loop",
            "sleep",
            "ignored signals",
            "output flood",
            "SystemExit",
            "hostile repr",
            "a line of 10 MB",
            "a value of 10 MB",
            "lone surrogates in an error",
            "links, pipes, devices and odd names in outputs",
            "forged protocol replies",
            "pickle among the results",
            "state left between episodes",
            "use after a time-out",
        )
    ),
    unasked="not tried: it would only meet the server's machine, whose template and host decide",
    words={
        "cloud metadata address": "unreachable|refused|timed out|TimeoutError",
        "hostile repr": "SystemExit",
    },
)

ELSEWHERE: Final[Mapping[str, Elsewhere]] = {"pyodide": _WASM, "docker": _CONTAINER, "e2b": _FAR}
"""Name of a backend -> how it differs; bubblewrap is what the table is written for."""
