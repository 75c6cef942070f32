"""Runs the attacks against one sandbox on this machine and says of each: held, not covered, or FAILED.

The host gets prey first: a secret file, a secret in the environment, services that listen. Attacks look and print
BREACH rather than break; but bombs are bombs, so this is for sandboxes, never for bare interpreters.
"""

from __future__ import annotations

import os
import platform
import re
import secrets
import socket
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from tracer1_agents.errors import SandboxError
from tracer1_agents.sandboxes.attacks.base import BREACH
from tracer1_agents.sandboxes.attacks.elsewhere import ELSEWHERE, Elsewhere
from tracer1_agents.sandboxes.attacks.outcomes import OUTCOMES
from tracer1_agents.sandboxes.attacks.table import ATTACKS
from tracer1_agents.sandboxes.base import Limits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tracer1_agents.sandboxes.attacks.base import Attack
    from tracer1_agents.sandboxes.base import RunResult, Sandbox, Session

MIB: Final = 1 << 20
CHECK_LIMITS: Final = Limits(
    total_memory_bytes=700 * MIB, disk_bytes=64 * MIB, output_bytes=50_000, inodes=5000, memory_bytes=1024 * MIB
)
_NUMBERS: Final = {
    "x86_64": {"clone": 56, "bpf": 321, "keyctl": 250, "perf": 298},
    "aarch64": {"clone": 220, "bpf": 280, "keyctl": 219, "perf": 241},
}
_VARIABLE: Final = "TRACER1_CHECK_SECRET"
_WIDTH: Final = max(len(name) for name in (*(attack.name for attack in ATTACKS), *OUTCOMES))
_SEEN: Final = 300
_AS_WRITTEN: Final = Elsewhere()


class Verdict(StrEnum):
    """What became of one attack."""

    HELD = "held"
    NOT_COVERED = "not covered"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Finding:
    """One attack and its verdict.

    Attributes:
        attack: Its name.
        verdict: What became of it.
        detail: What was seen, where it did not hold; why it is open, where it is not covered.
    """

    attack: str
    verdict: Verdict
    detail: str = ""


def check(sandbox: Sandbox, *, limits: Limits = CHECK_LIMITS) -> Iterator[Finding]:
    """Run every attack, one finding at a time.

    Args:
        sandbox: To attack; it must work (see `Sandbox.probe`).
        limits: What sessions get; small, so that bombs go off quickly.

    Raises:
        SandboxError: The sandbox cannot be started.
    """
    with prey() as targets:
        here = ELSEWHERE.get(sandbox.name, _AS_WRITTEN)
        with _Sessions(sandbox, limits) as sessions:
            for attack in ATTACKS:
                if here.asks(attack.name):
                    yield _judge(sandbox.name, attack, sessions, targets)
                else:
                    yield Finding(attack.name, Verdict.NOT_COVERED, here.unasked)
        for name, outcome in OUTCOMES.items():
            if here.asks(name):
                yield _finding(sandbox.name, name, outcome(sandbox, limits, targets))
            else:
                yield Finding(name, Verdict.NOT_COVERED, here.unasked)


class _Sessions:
    """One session for attacks that leave it as it was, and a new one after any other."""

    def __init__(self, sandbox: Sandbox, limits: Limits) -> None:
        self._sandbox, self._limits = sandbox, limits
        self._session: Session | None = None

    def run(self, attack: Attack, code: str) -> RunResult:
        if self._session is None:
            self._session = self._sandbox.open(limits=self._limits)
        try:
            return self._session.run(code, timeout=attack.timeout)
        finally:
            if attack.spoils:
                self._drop()

    def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self._drop()


def _judge(backend: str, attack: Attack, sessions: _Sessions, targets: Mapping[str, object]) -> Finding:
    try:
        code = ELSEWHERE.get(backend, _AS_WRITTEN).roads.get(attack.name, attack.code)
        result = sessions.run(attack, fill(code, targets))
    except SandboxError as error:
        return Finding(attack.name, Verdict.FAILED, f"the sandbox itself failed: {error}"[:_SEEN])
    return _finding(backend, attack.name, problem(attack, result, backend))


def problem(attack: Attack, result: RunResult, backend: str = "bubblewrap") -> str:
    """Why a result does not show that the attack was stopped; "" where it does.

    Args:
        attack: What was run.
        result: What came back.
        backend: Name of the sandbox: in some, another thing stops an attack.
    """
    seen = f"{result.stdout}{result.error or ''}"
    if BREACH in seen:
        return seen[:_SEEN]
    if len(result.stdout) > CHECK_LIMITS.output_bytes:
        return "its output was not cut"
    if not re.search(attack.stopped, seen):
        otherwise = ELSEWHERE.get(backend, _AS_WRITTEN).shows_stop(attack.name, seen)
        return "" if otherwise else f"no sign of what stopped it: {seen[:_SEEN]!r}"
    if attack.timed_out and not result.timed_out:
        return "it ended before its time-out"
    return "its interpreter is still there" if attack.state_lost and not result.state_lost else ""


def _finding(backend: str, name: str, wrong: str) -> Finding:
    reason = ELSEWHERE.get(backend, _AS_WRITTEN).uncovered.get(name)
    if not wrong:
        return Finding(name, Verdict.HELD)
    return Finding(name, Verdict.FAILED, wrong) if reason is None else Finding(name, Verdict.NOT_COVERED, reason)


@contextmanager
def prey() -> Iterator[dict[str, object]]:
    """What the host has that the attacks are after, while the block runs.

    Yields:
        Values for the places in an attack's code: a world-readable secret file and its text, which also stands in
        the environment, a TCP port, an abstract and a visible Unix socket, this process, system call numbers.
    """
    token = f"hunter2-{secrets.token_hex(8)}"
    with (
        tempfile.TemporaryDirectory(prefix="tracer1-prey-") as name,
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX) as hidden,
        socket.socket(socket.AF_UNIX) as visible,
    ):
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "secret.txt").write_text(token, encoding="utf-8")
        path = str(folder / "socket")
        visible.bind(path)
        visible.listen()
        abstract = f"\0tracer1-{os.getpid()}-{secrets.token_hex(4)}" if platform.system() == "Linux" else path + "2"
        hidden.bind(abstract)
        hidden.listen()
        earlier = os.environ.get(_VARIABLE)
        os.environ[_VARIABLE] = token
        try:
            yield {
                "secret": str(folder / "secret.txt"),
                "token": token,
                "variable": _VARIABLE,
                "port": tcp.getsockname()[1],
                "abstract": abstract,
                "socket_path": path,
                "host_pid": os.getpid(),
                **_NUMBERS.get(platform.machine(), _NUMBERS["x86_64"]),
            }
        finally:
            os.environ.pop(_VARIABLE)
            if earlier is not None:  # one check inside another
                os.environ[_VARIABLE] = earlier


def fill(text: str, targets: Mapping[str, object]) -> str:
    """Put prey into an attack's code: `{name}` and `{name!r}`; all other braces are the attack's own."""

    def value(match: re.Match[str]) -> str:
        found = targets[match["name"]]
        return repr(found) if match["as_repr"] else str(found)

    return re.sub(rf"\{{(?P<name>{'|'.join(targets)})(?P<as_repr>!r)?\}}", value, text)


def row(finding: Finding) -> str:
    """One line of the table, for a person."""
    detail = " ".join(finding.detail.split())
    return f"{finding.attack:<{_WIDTH}}  {finding.verdict.value:<11}  {detail}".rstrip()


def summary(findings: Sequence[Finding]) -> str:
    """How many attacks there were, and the count of each verdict."""
    counts = (f"{sum(finding.verdict is verdict for finding in findings)} {verdict.value}" for verdict in Verdict)
    return f"{len(findings)} attacks: {', '.join(counts)}"
