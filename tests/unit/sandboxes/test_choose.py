"""Choosing a sandbox: first that works, never none in silence."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tracer1_agents.errors import ConfigurationError, SandboxUnavailableError
from tracer1_agents.sandboxes.base import Availability, Limits, Sandbox, Session
from tracer1_agents.sandboxes.bubblewrap import BubblewrapSandbox
from tracer1_agents.sandboxes.choose import DEFAULT_ORDER, default_sandbox
from tracer1_agents.sandboxes.pyodide import PyodideSandbox
from tracer1_agents.sandboxes.session import WorkerSession


@dataclass
class Fake:
    name: str
    found: Availability

    def probe(self):
        return self.found


GOOD = Fake("good", Availability(ok=True))
BAD = Fake("bad", Availability(ok=False, reason="no kernel", install="get one"))
WORSE = Fake("worse", Availability(ok=False, reason="no deno: install it", install="install it"))


def test_the_first_that_works_is_taken():
    assert default_sandbox([lambda: BAD, lambda: GOOD, lambda: WORSE]) is GOOD


def test_where_none_works_all_reasons_are_given():
    with pytest.raises(SandboxUnavailableError) as caught:
        default_sandbox([lambda: BAD, lambda: WORSE])
    assert str(caught.value).splitlines()[1:] == ["bad: no kernel; get one", "worse: no deno: install it"]


def test_processes_come_before_webassembly_and_both_fit_the_protocol():
    assert list(DEFAULT_ORDER) == [BubblewrapSandbox, PyodideSandbox]
    assert all(isinstance(make(), Sandbox) for make in DEFAULT_ORDER)
    assert issubclass(WorkerSession, Session)
    assert all(make().capabilities.not_covered for make in DEFAULT_ORDER)


def test_bubblewrap_says_when_it_is_missing(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    found = BubblewrapSandbox().probe()
    assert not found.ok
    assert "bwrap) is not installed" in found.reason
    assert "apt-get install bubblewrap" in found.install


def test_bubblewrap_that_fails_to_start_is_reported_with_its_own_words(monkeypatch, public_folder):
    program = public_folder / "bwrap"
    program.write_text("#!/bin/sh\necho 'setting up uid map: Permission denied'; exit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{public_folder}:/usr/bin:/bin")
    found = BubblewrapSandbox().probe()
    assert found.reason == "the sandbox did not start: setting up uid map: Permission denied"


def test_pyodide_says_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", "/nonexistent")
    assert "Deno is not installed" in PyodideSandbox(deno=tmp_path / "deno").probe().reason
    (tmp_path / "deno").touch()
    found = PyodideSandbox(deno=tmp_path / "deno", cache=tmp_path / "nothing").probe()
    assert "no cache at" in found.reason
    assert "tracer1 sandbox setup" in found.install


@pytest.mark.bwrap
def test_bubblewrap_is_preferred_where_it_works(bubblewrap):
    assert default_sandbox().name == bubblewrap.name


@pytest.mark.parametrize("name", ["timeout", "memory_bytes", "host_calls"])
def test_limits_must_be_positive(name):
    with pytest.raises(ConfigurationError, match=f"Limits.{name} must be above 0, got 0"):
        Limits(**{name: 0})
