"""Stage 2 when what it acts in fails: code that floods or never ends, a sandbox that is killed beneath it."""

import asyncio
import os
import signal
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("trl", reason="trl is not installed (extra train)")

from tracer1_agents.actions.space import Code
from tracer1_agents.graphs.workbench import find_sandbox
from tracer1_agents.planner.policy import PolicyReply, ReplayPolicy
from tracer1_agents.planner.retries import Retries
from tracer1_agents.rewards.grounded import GroundedConfig
from tracer1_agents.rewards.trajectory import DEFAULT_REWARD
from tracer1_agents.rewards.zero_rates import ZeroRates
from tracer1_agents.tools.limited import Slots
from tracer1_agents.training.episodes import Episodes
from tracer1_agents.training.grounded_rollouts import Scorer
from tracer1_agents.training.mixture import MixtureConfig, load_mixture
from tracer1_agents.training.worlds import TaskWorld

pytestmark = [pytest.mark.torch, pytest.mark.bwrap]


def act(source, *, seconds=30.0, killed=0):
    """Run code as the first action of a generated task: its execution, what it earned, and the world's counts."""
    sandbox, why = find_sandbox()
    if sandbox is None or sandbox.name != "bubblewrap":
        pytest.skip(f"bubblewrap does not work here: {why}")
    data = MixtureConfig.model_validate({"horizon": 4, "sources": [{"reader": "taskgen", "count": 60, "seed": 11}]})
    row = next(row for row in load_mixture(data).rows if row.generated.step == 1)
    world = TaskWorld(sandbox, Slots(2), Retries(attempts=2, first_wait=0.01, timeout=seconds))
    reply = row.grammar.render([(Code(source=source), "run it")])
    killer = threading.Thread(target=kill_sandboxes, args=(killed,))
    killer.start()
    outcome = asyncio.run(Episodes(data, world).run(row, ReplayPolicy([reply])))
    killer.join()
    scored = Scorer(GroundedConfig(), DEFAULT_REWARD, 0.0, ZeroRates()).score(row, PolicyReply(reply), outcome)
    return outcome.execution, scored.total, world.metrics()


def kill_sandboxes(count):
    """Kill so many of this process's sandboxes, each a moment after it was started."""
    known, deadline = set(), time.monotonic() + 30
    while len(known) < count and time.monotonic() < deadline:
        time.sleep(0.02)
        for found in set(sandboxes()) - known:
            time.sleep(0.5)  # its code runs
            os.kill(found, signal.SIGKILL)
            known.add(found)


def sandboxes():
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name, _, rest = folder.joinpath("stat").read_text(encoding="utf-8").partition(" (")[2].rpartition(") ")
        except OSError:  # it has ended
            continue
        if name == "bwrap" and int(rest.split()[1]) == os.getpid():
            yield int(folder.name)


@pytest.mark.parametrize("source", ["while True: pass", "while True: print('x' * 10_000)"])
def test_code_that_never_ends_is_its_own_fault(source):
    execution, total, counts = act(source, seconds=1.0)
    assert "TimeoutError" in execution.text
    assert (execution.ok, execution.infrastructure, total) == (False, False, 0.0)
    assert (counts["executor/abandoned"], counts["executor/retried"]) == (0, 0)
    assert len(execution.text) < 10_000


def test_a_flood_is_cut():
    execution, total, _ = act("print('x' * 50_000_000)")
    assert execution.ok
    assert len(execution.text) < 10_000
    assert total == 0.0


@pytest.mark.parametrize(("killed", "text", "lost"), [(1, "through", 0), (2, "killed from outside (signal 9)", 1)])
def test_a_sandbox_that_is_killed_says_nothing_about_the_code(killed, text, lost):
    execution, total, counts = act("import time\ntime.sleep(3)\nprint('through')", killed=killed)
    assert text in execution.text
    assert total == (None if lost else 0.0)  # 0: it ran, and is not what the reference returns
    assert (counts["executor/lost"], counts["executor/retried"]) == (lost, 1)
