"""Chromium as an unprivileged user, in a file system of its own: a small script that Playwright starts as the browser.

Playwright talks to the browser over two inherited descriptors, which `env`, `setpriv` and `bwrap` pass on. Inside, the
browser sees /usr, fonts and certificates read-only, a private /tmp, and one folder that it shares with the host (its
profile and downloads). Whoever runs as root gets there as `nobody`. There is no silent fallback: what cannot be
confined is refused, unless the caller asks for `"none"`.
"""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path
from typing import Final, Literal, get_args

from tracer1_agents.errors import ConfigurationError

Confinement = Literal["auto", "bubblewrap", "user", "none"]

NOBODY: Final = 65534
_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_REAL: Final = (Path("/usr/lib/chromium/chromium"),)  # what Debian's /usr/bin/chromium, a script, ends up starting
_SYSTEM: Final = ("/etc/fonts", "/etc/chromium", "/etc/ssl", "/etc/passwd", "/etc/alternatives", "/etc/ld.so.cache")
_NETWORK: Final = ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf")
INSTALL: Final = "run `make browser-setup`, or install Debian's package chromium"


def find_chromium() -> str | None:
    """The system's Chromium or Chrome, None where there is none."""
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


def choose(wanted: Confinement) -> Literal["bubblewrap", "user", "none"]:
    """How this machine can confine a browser.

    Args:
        wanted: "auto" takes the best that is there.

    Raises:
        ConfigurationError: It cannot be had here.
    """
    if wanted not in get_args(Confinement):
        msg = f"confine must be one of {', '.join(get_args(Confinement))}, got {wanted!r}"
        raise ConfigurationError(msg)
    root = os.geteuid() == 0
    dropping = not root or shutil.which("setpriv") is not None
    if wanted in {"auto", "bubblewrap"} and dropping and shutil.which("bwrap"):
        return "bubblewrap"
    if wanted in {"auto", "user"} and dropping:
        return "user"
    if wanted == "none":
        return "none"
    msg = f"a browser cannot be confined ({wanted}) here: install bubblewrap, or pass confine='none' if that is meant"
    raise ConfigurationError(msg)


def write_launcher(
    folder: Path, program: str, how: Literal["bubblewrap", "user"], *, network: bool, readable: tuple[Path, ...] = ()
) -> Path:
    """A script that starts `program` confined.

    Args:
        folder: Shared with the browser, at the same path inside; made its own when the host is root.
        program: The browser.
        how: As `choose` answered.
        network: Whether the browser may reach beyond its own namespace.
        readable: Folders that it may read besides, at the same paths.

    Returns:
        Path of the script.
    """
    real = next((str(path) for path in _REAL if program == "/usr/bin/chromium" and path.exists()), program)
    command = ["env", "-i", "PATH=/usr/bin:/bin", f"HOME={folder}"]
    if os.geteuid() == 0:
        command += ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs"]
        shared = folder / "shared"
        shared.mkdir(mode=0o700, exist_ok=True)
        os.chown(shared, NOBODY, NOBODY)
        folder.chmod(0o711)
    else:
        (folder / "shared").mkdir(mode=0o700, exist_ok=True)
    if how == "bubblewrap":
        command += _bubblewrap(folder / "shared", network=network, readable=readable)
    script = folder / "chromium.sh"
    script.write_text(f'#!/bin/sh\nexec {shlex.join([*command, real])} "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    return script


def _bubblewrap(shared: Path, *, network: bool, readable: tuple[Path, ...]) -> list[str]:
    parts = ["bwrap", "--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--clearenv"]
    if network:
        parts.append("--share-net")
    parts += ["--setenv", "PATH", "/usr/bin:/bin", "--setenv", "HOME", "/tmp"]  # noqa: S108  (its own)
    parts += ["--uid", str(NOBODY), "--gid", str(NOBODY), "--ro-bind", "/usr", "/usr"]
    for name in ("bin", "sbin", "lib", "lib64"):
        path = Path("/") / name
        if path.is_symlink():
            parts += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            parts += ["--ro-bind", str(path), str(path)]
    if Path("/opt/google").is_dir():
        parts += ["--ro-bind", "/opt/google", "/opt/google"]
    for path in (*_SYSTEM, *(_NETWORK if network else ())):
        parts += ["--ro-bind-try", path, path]
    parts += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/dev/shm", "--tmpfs", "/tmp", "--tmpfs", "/var"]  # noqa: S108
    for path in readable:
        parts += ["--ro-bind", str(path), str(path)]
    return [*parts, "--bind", str(shared), str(shared)]
