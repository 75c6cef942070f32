"""A stopwatch that counts time once, however many actions are under way."""

import asyncio
import time

import pytest

from tracer1_agents.actions.space import Click
from tracer1_agents.testing import RecordingExecutor
from tracer1_agents.tools import timed
from tracer1_agents.tools.timed import Stopwatch, TimedExecutor
from tracer1_agents.types import Observation


@pytest.fixture
def clock(monkeypatch):
    readings = iter([10.0, 13.0, 20.0, 21.5])
    monkeypatch.setattr(timed.time, "perf_counter", lambda: next(readings))


@pytest.mark.usefixtures("clock")
def test_blocks_that_overlap_count_once():
    watch = Stopwatch()
    with watch.running():  # from 10 to 13
        with watch.running():
            pass
        assert watch.seconds == 0
    assert watch.seconds == 3
    with pytest.raises(ValueError, match="lost"), watch.running():  # from 20 to 21.5
        raise ValueError("lost")  # noqa: EM101
    assert watch.seconds == 4.5


def test_executors_share_a_stopwatch_and_answer_as_before():
    watch = Stopwatch()
    slow = [TimedExecutor(RecordingExecutor([name], delay=0.2), watch) for name in "ab"]

    async def both():
        return await asyncio.gather(*(one.aexecute(Click(), "there", Observation()) for one in slow))

    began = time.perf_counter()
    answers = asyncio.run(both())
    spent = time.perf_counter() - began
    assert [answer.text for answer in answers] == ["a", "b"]
    assert 0.2 <= watch.seconds <= spent
    before = watch.seconds
    assert slow[0].execute(Click(), "there", Observation()).text == "a"
    assert watch.seconds >= before + 0.2
