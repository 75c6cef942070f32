"""The attacks of `sandboxes/attacks` against what is installed here: bubblewrap (as root, as nobody), Pyodide."""

from __future__ import annotations

import json
import os
import traceback
from dataclasses import asdict

import pytest

from tracer1_agents.sandboxes.attacks.check import CHECK_LIMITS, Verdict, check, fill, prey, problem
from tracer1_agents.sandboxes.attacks.outcomes import OUTCOMES
from tracer1_agents.sandboxes.attacks.table import ATTACKS
from tracer1_agents.sandboxes.bubblewrap import BubblewrapSandbox
from tracer1_agents.sandboxes.docker import DockerSandbox
from tracer1_agents.sandboxes.pyodide import PyodideSandbox

NOBODY = 65534
IDENTITIES = [None, NOBODY] if os.geteuid() == 0 else [None]


def named(user):
    return f"uid {os.geteuid() if user is None else user}"


@pytest.fixture(scope="module")
def sandbox():
    found = BubblewrapSandbox()
    probe = found.probe()
    if not probe.ok:
        pytest.skip(f"bubblewrap does not work here: {probe.reason}")
    return found


@pytest.fixture(scope="module")
def targets():
    with prey() as found:
        yield found


def as_user(user, work):
    """What work says, run in a forked child as another user, None as this one."""
    if user is None:
        return work()
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
            os.write(writable, json.dumps(work()).encode())
        except BaseException:  # noqa: BLE001  (pytest lives in the parent)
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(writable)
    with os.fdopen(readable, "rb") as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    assert text, "the forked test process failed; its traceback is in the captured output"
    return json.loads(text)


@pytest.mark.bwrap
@pytest.mark.parametrize("user", IDENTITIES, ids=named)
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_attack_is_stopped(sandbox, targets, attack, user):
    def work():
        with sandbox.open(limits=CHECK_LIMITS) as session:
            return problem(attack, session.run(fill(attack.code, targets), timeout=attack.timeout))

    assert as_user(user, work) == ""


@pytest.mark.bwrap
@pytest.mark.parametrize("user", IDENTITIES, ids=named)
@pytest.mark.parametrize("name", OUTCOMES)
def test_nothing_shows_on_the_host(sandbox, targets, name, user):
    assert as_user(user, lambda: OUTCOMES[name](sandbox, CHECK_LIMITS, targets)) == ""


@pytest.mark.deno
@pytest.mark.slow
def test_pyodide_holds_what_it_says_it_holds():
    found = PyodideSandbox()
    probe = found.probe()
    if not probe.ok:
        pytest.skip(f"Pyodide does not work here: {probe.reason}")
    held_all(found)


@pytest.mark.slow
def test_docker_holds_what_it_says_it_holds():
    image = os.environ.get("TRACER1_DOCKER_IMAGE")
    if not image:
        pytest.skip("set TRACER1_DOCKER_IMAGE to attack a container")
    held_all(DockerSandbox(image=image))


def held_all(sandbox):
    findings = list(check(sandbox))
    assert [asdict(finding) for finding in findings if finding.verdict is Verdict.FAILED] == []
    assert len(findings) == len(ATTACKS) + len(OUTCOMES)
