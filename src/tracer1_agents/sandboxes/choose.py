"""Pick a sandbox that works on this machine; where none does, say why, and run nothing.

Running code inside the host's own process is never the answer to a missing sandbox.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer1_agents.errors import ConfigurationError, SandboxUnavailableError
from tracer1_agents.sandboxes.bubblewrap import BubblewrapSandbox
from tracer1_agents.sandboxes.docker import DockerSandbox
from tracer1_agents.sandboxes.e2b import E2BSandbox
from tracer1_agents.sandboxes.pyodide import PyodideSandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tracer1_agents.sandboxes.base import Sandbox

DEFAULT_ORDER: Sequence[Callable[[], Sandbox]] = (BubblewrapSandbox, PyodideSandbox)
"""Real processes and packages first, then WebAssembly, which needs no kernel features."""

BY_NAME: Sequence[Callable[[], Sandbox]] = (*DEFAULT_ORDER, DockerSandbox, E2BSandbox)
"""Also those that nothing picks by itself: one needs an image, the other an account or a server."""


def default_sandbox(candidates: Sequence[Callable[[], Sandbox]] = DEFAULT_ORDER) -> Sandbox:
    """The first candidate whose trial run succeeds.

    Args:
        candidates: Makers of sandboxes, best first.

    Raises:
        SandboxUnavailableError: None of them works; the message gives each one's reason and what to install.
    """
    problems: list[str] = []
    for make in candidates:
        sandbox = make()
        found = sandbox.probe()
        if found.ok:
            return sandbox
        advice = "" if found.install in found.reason else f"; {found.install}"
        problems.append(f"{sandbox.name}: {found.reason}{advice}")
    problem = "no sandbox works on this machine, and code is never run without one.\n" + "\n".join(problems)
    raise SandboxUnavailableError(problem)


def working_sandbox(
    name: str | None = None, candidates: Sequence[Callable[[], Sandbox]] = BY_NAME, *, image: str | None = None
) -> Sandbox:
    """The sandbox of that name, if it works here.

    Args:
        name: As `Sandbox.name`; None: the first that works, of `DEFAULT_ORDER` where no candidates are given.
        candidates: Makers of sandboxes to look for the name in.
        image: Of Docker, in place of its default.

    Raises:
        ConfigurationError: There is none of that name, or an image for one that takes none.
        SandboxUnavailableError: It does not work here; the message says what to install.
    """
    if image is not None:
        if name != DockerSandbox.name:
            problem = f"an image is for the sandbox docker, got {image!r} for {name or 'the default one'}"
            raise ConfigurationError(problem)
        candidates = (lambda: DockerSandbox(image=image),)
    if name is None:
        return default_sandbox(DEFAULT_ORDER if candidates is BY_NAME else candidates)
    made = [make() for make in candidates]
    chosen = [sandbox for sandbox in made if sandbox.name == name]
    if not chosen:
        problem = f"no sandbox {name!r}; there are: {', '.join(sandbox.name for sandbox in made)}"
        raise ConfigurationError(problem)
    found = chosen[0].probe()
    if not found.ok:
        problem = f"{name}: {found.reason}; {found.install}"
        raise SandboxUnavailableError(problem)
    return chosen[0]
