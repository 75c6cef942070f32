"""The check itself: it must be able to say FAILED, and never take a typo for an attack that was stopped."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tracer1_agents.cli import main
from tracer1_agents.errors import ConfigurationError, SandboxUnavailableError
from tracer1_agents.sandboxes import choose
from tracer1_agents.sandboxes.attacks import check as module
from tracer1_agents.sandboxes.attacks.base import Attack
from tracer1_agents.sandboxes.attacks.check import Finding, Verdict, check, problem, row, summary
from tracer1_agents.sandboxes.attacks.elsewhere import ELSEWHERE
from tracer1_agents.sandboxes.attacks.outcomes import OUTCOMES
from tracer1_agents.sandboxes.attacks.table import ATTACKS
from tracer1_agents.sandboxes.base import Availability, Capabilities, RunResult

READ = Attack("read", "print('BREACH', open({secret!r}).read())", "FileNotFoundError")
LOOP = Attack("loop", "while True: pass", "TimeoutError", timed_out=True, state_lost=True)


class Scripted:
    """A sandbox and its session; every run comes back with the same result."""

    def __init__(self, result, name="bubblewrap", *, works=True):
        self.name, self._result, self._works = name, result, works
        self.capabilities = Capabilities(packages="none", subprocesses=False, not_covered=("Everything.",))
        self.codes = []

    def probe(self):
        return Availability(ok=self._works, reason="" if self._works else "broken", install="mend it")

    def open(self, workspace=None, host_calls=None, limits=None):
        return self

    def run(self, code, timeout=None):
        self.codes.append(code)
        return self._result

    def close(self):
        return None

    __enter__ = lambda self: self  # noqa: E731
    __exit__ = lambda self, *_: None  # noqa: E731


@pytest.mark.parametrize(
    ("attack", "result", "said"),
    [
        (READ, RunResult(ok=False, error="FileNotFoundError: x"), ""),
        (READ, RunResult(ok=True, stdout="BREACH hunter2"), "BREACH hunter2"),
        (READ, RunResult(ok=False, error="NameError: opne"), "no sign of what stopped it: 'NameError: opne'"),
        (READ, RunResult(ok=True, stdout="FileNotFoundError" * 4000), "its output was not cut"),
        (LOOP, RunResult(ok=False, error="TimeoutError", timed_out=True, state_lost=True), ""),
        (LOOP, RunResult(ok=False, error="TimeoutError"), "it ended before its time-out"),
        (LOOP, RunResult(ok=False, error="TimeoutError", timed_out=True), "its interpreter is still there"),
    ],
)
def test_what_counts_as_stopped(attack, result, said):
    assert problem(attack, result) == said


def test_another_backend_may_say_no_in_other_words():
    refused = RunResult(ok=False, error="NotCapable: Requires read access")
    assert problem(READ, refused, "pyodide") == ""
    assert problem(READ, refused) != ""


def test_an_attack_that_gets_through_fails_or_is_told_as_open(monkeypatch):
    monkeypatch.setattr(module, "ATTACKS", (READ,))
    monkeypatch.setattr(module, "OUTCOMES", {"inode bomb": lambda *_: "BREACH", "other": lambda *_: ""})
    sandbox = Scripted(RunResult(ok=True, stdout="BREACH"), "pyodide")
    found = {finding.attack: finding.verdict for finding in check(sandbox)}
    assert found == {"read": Verdict.FAILED, "inode bomb": Verdict.NOT_COVERED, "other": Verdict.HELD}
    assert re.search(r"open\('/.*secret.txt'\)", sandbox.codes[0])


def test_words_of_one_attack_do_not_excuse_another():
    seen = RunResult(ok=False, error="OSError: No space left on device")
    assert problem(replace(READ, name="inode bomb"), seen, "docker") == ""
    assert problem(READ, seen, "docker") != ""


def test_what_makes_no_sense_elsewhere_is_not_tried(monkeypatch):
    loud = Attack("fork bomb", "raise SystemExit", "never")
    monkeypatch.setattr(module, "ATTACKS", (replace(READ, name="environment"), loud))
    monkeypatch.setattr(
        module, "OUTCOMES", {"daemonised child": lambda *_: "BREACH", "use after a time-out": lambda *_: ""}
    )
    sandbox = Scripted(RunResult(ok=False, error="FileNotFoundError"), "e2b")
    found = {finding.attack: finding.verdict for finding in check(sandbox)}
    assert [name for name, verdict in found.items() if verdict is Verdict.HELD] == [
        "environment",
        "use after a time-out",
    ]
    assert [name for name, verdict in found.items() if verdict is Verdict.NOT_COVERED] == [
        "fork bomb",
        "daemonised child",
    ]
    assert len(sandbox.codes) == 1


def test_names_are_unique_and_exceptions_name_real_attacks():
    names = [attack.name for attack in ATTACKS] + list(OUTCOMES)
    assert len(names) == len(set(names))
    for elsewhere in ELSEWHERE.values():
        assert {*elsewhere.roads, *elsewhere.uncovered, *elsewhere.words, *(elsewhere.asked or ())} <= set(names)


def test_the_table_shows_and_counts_each_verdict():
    findings = [Finding("a", Verdict.HELD), Finding("long", Verdict.FAILED, "it\nbroke")]
    assert [row(finding).split(maxsplit=2) for finding in findings] == [["a", "held"], ["long", "FAILED", "it broke"]]
    assert summary(findings) == "2 attacks: 1 held, 0 not covered, 1 FAILED"


@pytest.mark.parametrize(
    ("result", "code"), [(RunResult(ok=True, stdout="BREACH"), 1), (RunResult(ok=False, error="FileNotFoundError"), 0)]
)
def test_the_command_ends_with_what_it_found(monkeypatch, capsys, result, code):
    monkeypatch.setattr(module, "ATTACKS", (READ,))
    monkeypatch.setattr(module, "OUTCOMES", {})
    monkeypatch.setattr(choose, "working_sandbox", lambda name, image: Scripted(result, name))
    assert main(["sandbox", "check", "--backend", "bubblewrap"]) == code
    printed = capsys.readouterr().out
    assert "1 attacks:" in printed
    assert "not covered by bubblewrap: Everything." in printed


def test_a_backend_is_taken_by_name():
    makers = [lambda: Scripted(None, "one"), lambda: Scripted(None, "two", works=False)]
    assert choose.working_sandbox("one", makers).name == "one"
    assert choose.working_sandbox(None, makers).name == "one"
    with pytest.raises(SandboxUnavailableError, match="two: broken; mend it"):
        choose.working_sandbox("two", makers)
    with pytest.raises(ConfigurationError, match="no sandbox 'three'; there are: one, two"):
        choose.working_sandbox("three", makers)


def test_an_image_is_for_docker_only(monkeypatch):
    with pytest.raises(ConfigurationError, match="an image is for the sandbox docker, got 'x' for pyodide"):
        choose.working_sandbox("pyodide", image="x")
    made = []
    monkeypatch.setattr(
        choose,
        "DockerSandbox",
        type("D", (), {"name": "docker", "__new__": lambda *_, image: made.append(image) or Scripted(None, "docker")}),
    )
    assert choose.working_sandbox("docker", image="mine").name == "docker"
    assert made == ["mine"]
