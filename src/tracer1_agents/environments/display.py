"""An X server of one's own: Xvfb with a window manager, and the programs that are to run on it, gone when it closes.

On Linux they also end when a signal ends this process: `die_with_parent.py` starts them, from a thread that lives as
long as this process does.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tracer1_agents.environments.base import gone
from tracer1_agents.errors import ConfigurationError, SandboxError
from tracer1_agents.sandboxes.process import launcher

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer1_agents.actions.coordinates import Size

_START_SECONDS: Final = 30.0
_END_SECONDS: Final = 5.0
_LATER: Final = "try again when the machine has less to do"
_TIED: Final = Path(__file__).with_name("die_with_parent.py")
INSTALL: Final = "install Debian's packages xvfb, openbox and xdotool"


class XvfbDisplay:
    """A running Xvfb.

    Args:
        size: Of its screen.
        window_manager: A command; empty for none.

    Attributes:
        name: Of the display, such as ":5".

    Raises:
        ConfigurationError: Xvfb is not installed.
        EnvironmentFailure: It does not start, or the window manager does not.
    """

    def __init__(self, size: Size, *, window_manager: Sequence[str] = ("openbox",)) -> None:
        program = shutil.which("Xvfb")
        if program is None or (window_manager and not all(map(shutil.which, (window_manager[0], "xdotool")))):
            msg = f"there is no Xvfb, no xdotool or no {' '.join(window_manager)}; {INSTALL}"
            raise ConfigurationError(msg)
        self.home = Path(tempfile.mkdtemp(prefix="tracer1-desktop-"))
        read, write = os.pipe()
        screen = f"{size.width}x{size.height}x24"
        self._processes: list[subprocess.Popen[bytes]] = []
        # the server chooses a free number itself and tells it on the descriptor once it is up
        command = [program, "-displayfd", str(write), "-screen", "0", screen, "-nolisten", "tcp", "-noreset"]
        self._start(command, {"PATH": os.defpath}, pass_fds=(write,))
        os.close(write)
        self._finalizer = weakref.finalize(self, _end, self._processes, self.home)
        try:
            self.name = f":{_number(read)}"
        except BaseException:
            self.close()
            raise
        if window_manager:
            self.run(*window_manager)
            self._wait_for_manager(window_manager[0])

    @property
    def environment(self) -> dict[str, str]:
        """Of a program on this display; nothing else of the host's."""
        return {"DISPLAY": self.name, "HOME": str(self.home), "PATH": os.defpath, "LANG": "C.UTF-8"}

    @property
    def alive(self) -> bool:
        """Whether the server still runs."""
        return bool(self._processes) and self._processes[0].poll() is None

    def run(self, *command: str) -> subprocess.Popen[bytes]:
        """Start a program on it; it ends with the display.

        Raises:
            ConfigurationError: There is no such program.
        """
        return self._start(list(command), self.environment)

    def _wait_for_manager(self, program: str) -> None:
        """Until the window manager says how many desktops there are.

        A program that starts while it is still taking over the screen shows its window half a minute later, unfocused.
        """
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until:
            asked = subprocess.run(
                ["xdotool", "get_num_desktops"],  # noqa: S607  (of the system)
                env=self.environment,
                capture_output=True,
                check=False,
            )
            if asked.stdout.strip() not in {b"", b"0"}:
                return
            time.sleep(0.02)
        self.close()
        raise gone(_LATER, program, f"it had not taken over the screen after {_START_SECONDS:g} s")

    def _start(
        self, command: list[str], environment: dict[str, str], *, pass_fds: tuple[int, ...] = ()
    ) -> subprocess.Popen[bytes]:
        program = shutil.which(command[0], path=environment["PATH"])
        if program is None:
            msg = f"cannot start {command[0]}: there is no such program; {INSTALL}"
            raise ConfigurationError(msg)
        command = [str(Path(program).absolute()), *command[1:]]
        if sys.platform == "linux":
            command = [sys.executable, "-I", "-S", str(_TIED), str(os.getpid()), *command]
        try:
            process = launcher.start(
                command,
                environment=environment,
                identity=None,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=pass_fds,
            )
        except SandboxError as error:
            msg = f"{error}; {INSTALL}"
            raise ConfigurationError(msg) from error
        self._processes.append(process)
        return process

    def close(self) -> None:
        """End the server and every program; harmless when repeated."""
        self._finalizer()
        self._processes = []


def _number(read: int) -> int:
    """What the server wrote when it was up."""
    until, text = time.monotonic() + _START_SECONDS, b""
    os.set_blocking(read, False)
    try:
        while not text.endswith(b"\n"):
            with suppress(BlockingIOError):
                chunk = os.read(read, 16)
                if not chunk:
                    raise gone(INSTALL, "Xvfb", "it ended while starting")
                text += chunk
                continue
            if time.monotonic() > until:
                raise gone(_LATER, "Xvfb", f"it was not up after {_START_SECONDS:g} s")
            time.sleep(0.01)
        return int(text)
    finally:
        os.close(read)


def _end(processes: list[subprocess.Popen[bytes]], home: Path) -> None:
    """The newest first; each with the children it started."""
    for process in reversed(processes):
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_END_SECONDS)
                break
    shutil.rmtree(home, ignore_errors=True)
