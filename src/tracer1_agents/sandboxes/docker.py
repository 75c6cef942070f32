"""Containers through the `docker` command line: for machines that have Docker and allow no user namespaces.

The container gets no network, a read-only root, an unprivileged user, no capabilities and no way to get any, sized file
systems in memory, and limits of the kernel on memory and processes of all that runs in it together. On top of Docker's
own seccomp profile the worker puts itself under the filter that bubblewrap's workers have. Any image with Python 3.9 or
newer will do: the worker's sources travel through its standard input, so nothing is mounted and the daemon may be on
another machine.

It is not smolagents' `DockerExecutor`, which talks to a server in the container and so needs its network; smolagents'
`CodeAgent` runs in this one by `code_agent.SandboxExecutor`.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from tracer1_agents.errors import SandboxError, SandboxUnavailableError
from tracer1_agents.sandboxes.base import (
    DEFAULT_LIMITS,
    NO_CALLS,
    Availability,
    Capabilities,
    HostCalls,
    Limits,
    try_out,
)
from tracer1_agents.sandboxes.process import Pipes, WorkerProcess, inside_sources, launcher
from tracer1_agents.sandboxes.seccomp import MACHINES, filter_program
from tracer1_agents.sandboxes.session import WorkerSession

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tracer1_agents.sandboxes.process import StartWorker

IMAGE: Final = "python:3.12-slim"
_USER: Final = "65534"
_WORK: Final = "/work"
_REPLY_ROOM: Final = 2 << 20
_STOP_SECONDS: Final = 30.0
_HANDED: Final = ("PATH", "HOME", "XDG_RUNTIME_DIR")
_ENVIRONMENT: Final = {
    "HOME": _WORK,
    "LANG": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",
    "MPLCONFIGDIR": "/tmp/matplotlib",  # noqa: S108  (the container's own)
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
# Those that others import come first.
_CARRIED: Final = ("wire", "protocol", "files", "interpreter", "loop", "process", "filter")
_FIRST: Final = """
import os, sys
text = b""
while len(text) < int(sys.argv[1]):
    more = os.read(0, int(sys.argv[1]) - len(text))
    if not more:
        sys.exit("the host went away before it had sent the worker")
    text += more
exec(compile(text, "<worker>", "exec"))
"""
_INSTALL: Final = (
    "install Docker, let this user talk to its daemon (docker info), and fetch an image with Python once: "
    f"docker pull {IMAGE}"
)


class DockerSandbox:
    """Sessions in containers, one each.

    Args:
        image: With Python in it; it must be there already, since nothing is fetched when a session starts.
        python: The interpreter's name inside.
        docker: The program; None: `docker` on the path. It finds its daemon by DOCKER_HOST and its own settings.
        options: Further options of `docker run`, such as `("--runtime", "runsc")`.
    """

    name: Final = "docker"

    def __init__(
        self,
        *,
        image: str = IMAGE,
        python: str = "python3",
        docker: Path | None = None,
        options: Sequence[str] = (),
    ) -> None:
        self._image, self._python, self._docker, self._options = image, python, docker, tuple(options)

    @property
    def capabilities(self) -> Capabilities:
        """See `Sandbox.capabilities`."""
        return Capabilities(
            packages="what the image has installed",
            subprocesses=True,
            not_covered=(
                "Whoever may talk to Docker's daemon is root on its machine: this process is, the code inside is not.",
                "Reading the image's files.",
                "Kernel bugs in calls that neither Docker's seccomp profile nor ours refuses.",
                "Files in the working folder, /tmp and /dev/shm are memory of the container, within its total.",
                "A host that is killed outright leaves a container behind until its code ends (label tracer1).",
                "Processes that a run leaves behind live on, within the limits, until the session is closed.",
                "Timing and other side channels, and the load on the machine within the limits.",
            ),
        )

    def probe(self) -> Availability:
        """See `Sandbox.probe`."""
        return try_out(self, _INSTALL)

    def open(
        self, workspace: Path | None = None, host_calls: HostCalls = NO_CALLS, limits: Limits = DEFAULT_LIMITS
    ) -> WorkerSession:
        """See `Sandbox.open`."""
        return self.session(lambda: self.start(limits), workspace, host_calls, limits)

    def session(
        self, start: StartWorker, workspace: Path | None, host_calls: HostCalls, limits: Limits
    ) -> WorkerSession:
        """See `WorkerSandbox.session`."""
        return WorkerSession(start, workspace=workspace, host_calls=host_calls, limits=limits)

    def start(self, limits: Limits) -> WorkerProcess:
        """See `WorkerSandbox.start`."""
        program = str(self._docker or shutil.which("docker") or "")
        if not program:
            problem = f"the program docker is not installed; {_INSTALL}"
            raise SandboxUnavailableError(problem)
        name = f"tracer1-{secrets.token_hex(8)}"
        worker = carried_worker(inside_sources())
        command = [program, *self.options(name, limits), self._image, self._python, "-I", "-B", "-c", _FIRST]
        environment = _own_environment()
        pipes = Pipes.make()
        try:
            process = launcher.start(
                [*command, str(len(worker))],
                environment=environment,
                identity=None,
                stdin=pipes.requests[0],
                stdout=pipes.replies[1],
                stderr=pipes.output[1],
            )
        except SandboxError:
            pipes.close_host_ends()
            raise
        finally:
            pipes.close_child_ends()
        # Where the client has ended already, the session reads from its output why.
        with suppress(BrokenPipeError), os.fdopen(pipes.requests[1], "wb", closefd=False) as requests:
            requests.write(worker)
        channel = pipes.channel(output_limit=limits.output_bytes, message_limit=limits.message_bytes + _REPLY_ROOM)
        stop = partial(_remove, program, name, environment)
        return WorkerProcess(process, channel, apart=True, stop=stop)

    def options(self, name: str, limits: Limits) -> list[str]:
        """Arguments for `docker` up to the image: what is given, and everything that is taken away.

        Args:
            name: Of the container.
            limits: Of the session.
        """
        memory, disk = str(limits.total_memory_bytes), limits.disk_bytes
        sized = f"size={disk},nr_inodes={limits.inodes},uid={_USER},gid={_USER}"
        return [
            *("run", "--rm", "--interactive", "--init", "--pull", "never", "--name", name, "--label", "tracer1"),
            *("--network", "none", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
            *("--user", f"{_USER}:{_USER}", "--hostname", "sandbox", "--log-driver", "none", "--workdir", _WORK),
            *("--memory", memory, "--memory-swap", memory, "--pids-limit", str(limits.processes), "--cpus", "1"),
            *("--tmpfs", f"{_WORK}:{sized}", "--tmpfs", f"/tmp:{sized}", "--shm-size", str(disk)),  # noqa: S108
            *(part for key, value in _ENVIRONMENT.items() for part in ("--env", f"{key}={value}")),
            *self._options,
        ]


def carried_worker(sources: Mapping[str, bytes]) -> bytes:
    """Python source that makes the interpreter that reads it a worker.

    Args:
        sources: File name -> content of `inside/`.
    """
    texts = {name: sources[f"{name}.py"].decode() for name in _CARRIED}
    filters = {machine: filter_program(machine).hex() for machine in MACHINES}
    return f"{sources['carried.py'].decode()}\nserve_streams({texts!r}, {_WORK!r}, {filters!r})\n".encode()


def _own_environment() -> dict[str, str]:
    """What the client needs to find its daemon; the container sees none of it."""
    return {key: value for key, value in os.environ.items() if key in _HANDED or key.startswith("DOCKER_")}


def _remove(program: str, name: str, environment: Mapping[str, str]) -> None:
    """Kill the container and all that runs in it; one that is gone already is fine."""
    with suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(  # noqa: S603  (fixed arguments)
            [program, "rm", "--force", name],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_STOP_SECONDS,
            check=False,
        )
