"""The cache: what is kept, what a key depends on, and that one execution serves all who ask at once."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from tracer1_agents.actions.space import Click, Point, ToolCall, Wait
from tracer1_agents.testing import RecordingExecutor
from tracer1_agents.tools.cached import CachedExecutor, ExecutionCache
from tracer1_agents.types import Execution, ImageRef, Observation

SEEN = Observation(image=ImageRef(ref="0" * 64, width=10, height=20))
LOST = Execution(ok=False, text="error: gone", infrastructure=True)


def cached(answers=None, *, path=None, version="v1", scope="", delay=0.0):
    inner = RecordingExecutor(answers, delay=delay)
    return CachedExecutor(inner, ExecutionCache(path), version=version, scope=scope), inner


class TestKeeping:
    def test_asked_once(self):
        executor, inner = cached(["first", "second"])
        assert [executor.execute(Wait(), "x", SEEN).text for _ in range(3)] == ["first"] * 3
        assert asyncio.run(executor.aexecute(Wait(), "x", SEEN)).text == "first"
        assert (len(inner.calls), executor.cache.hits, executor.cache.misses) == (1, 3, 1)
        assert executor.cache.hit_rate == 0.75

    def test_over_epochs_and_processes(self, tmp_path):
        path = tmp_path / "cache" / "executions.jsonl"
        given = Execution(ok=False, text="näh", value={"a": [1, None]}, image=SEEN.image, seconds=0.25)
        executor, _ = cached([given], path=path)
        executor.execute(Wait(), "x", SEEN)
        again, inner = cached(["other"], path=path)
        assert again.execute(Wait(), "x", SEEN) == given
        assert inner.calls == []
        assert path.stat().st_mode & 0o077 == 0

    def test_a_line_cut_off_by_a_crash_costs_itself_only(self, tmp_path):
        path = tmp_path / "executions.jsonl"
        executor, _ = cached(["one", "two"], path=path)
        executor.execute(Wait(), "1", SEEN)
        executor.execute(Wait(), "2", SEEN)
        path.write_text(path.read_text()[:-20])
        again, _ = cached(["three"], path=path)
        assert (len(again.cache), again.cache.unreadable) == (1, 1)
        assert again.execute(Wait(), "2", SEEN).text == "three"
        last, _ = cached(path=path)
        assert (len(last.cache), last.cache.unreadable) == (2, 1)

    @pytest.mark.parametrize("line", ["[]", "7", '{"key": "k"}', '{"key": "k", "execution": {"color": 1}}'])
    def test_lines_of_another_form(self, tmp_path, line):
        path = tmp_path / "executions.jsonl"
        path.write_text(f"{line}\n")
        assert (len(ExecutionCache(path)), ExecutionCache(path).unreadable) == (0, 1)

    def test_being_lost_is_not_kept_a_failed_action_is(self, tmp_path):
        executor, inner = cached([LOST, Execution(ok=False, text="error: no")], path=tmp_path / "c.jsonl")
        assert executor.execute(Wait(), "x", SEEN) == LOST
        assert [executor.execute(Wait(), "x", SEEN).text for _ in range(2)] == ["error: no"] * 2
        assert len(inner.calls) == 2

    def test_no_lookups_no_rate(self):
        assert ExecutionCache().hit_rate is None


class TestKeys:
    @pytest.mark.parametrize(
        "other",
        [
            {"action": Click(point=Point(0.1, 0.2))},
            {"instruction": "y"},
            {"observation": Observation()},
            {"observation": Observation(image=ImageRef(ref="1" * 64, width=10, height=20))},
            {"observation": Observation(image=ImageRef(ref="0" * 64, width=20, height=10))},
            {"version": "v2"},
            {"scope": "task-2"},
        ],
        ids=str,
    )
    def test_everything_counts(self, other):
        base = {"action": Click(point=Point(0.1, 0.1)), "instruction": "x", "observation": SEEN, "version": "v1"}
        cache = ExecutionCache()
        assert cache.key(**{**base, "scope": "task-1"}) != cache.key(**{**base, "scope": "task-1", **other})

    def test_the_order_of_arguments_does_not(self):
        one, other = ({"a": 1, "b": 2}, {"b": 2, "a": 1})
        cache = ExecutionCache()
        keys = {
            cache.key(ToolCall(name="t", arguments=given), "", SEEN, version="", scope="") for given in (one, other)
        }
        assert len(keys) == 1

    def test_pictures_count_by_content_not_by_name(self, tmp_path):
        for name, content in (("a", b"same"), ("b", b"same"), ("c", b"else")):
            (tmp_path / name).write_bytes(content)
        cache = ExecutionCache()

        def key(name):
            image = ImageRef(ref=str(tmp_path / name), width=1, height=1)
            return cache.key(Wait(), "", Observation(image=image), version="", scope="")

        assert key("a") == key("b") != key("c")
        before = key("a")
        (tmp_path / "a").write_bytes(b"changed")
        assert key("a") != before


class TestAtOnce:
    def test_tasks_wait_for_one_execution(self):
        executor, inner = cached(["first", "second"], delay=0.02)

        async def run():
            return await asyncio.gather(*(executor.aexecute(Wait(), "x", SEEN) for _ in range(8)))

        assert {execution.text for execution in asyncio.run(run())} == {"first"}
        assert (len(inner.calls), executor.cache.hits) == (1, 7)

    def test_threads_wait_for_one_execution(self):
        executor, inner = cached(["first", "second"], delay=0.05)
        texts = []
        workers = [
            threading.Thread(target=lambda: texts.append(executor.execute(Wait(), "x", SEEN).text)) for _ in range(6)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(5)
        assert texts == ["first"] * 6
        assert len(inner.calls) == 1

    def test_another_takes_over_when_the_first_is_cancelled(self):
        executor, inner = cached(["first", "second"], delay=0.05)

        async def run():
            first = asyncio.create_task(executor.aexecute(Wait(), "x", SEEN))
            await asyncio.sleep(0.01)
            second = asyncio.create_task(executor.aexecute(Wait(), "x", SEEN))
            await asyncio.sleep(0.01)
            first.cancel()
            return await asyncio.wait_for(second, 2)

        assert asyncio.run(run()).text == "second"
        assert (len(inner.calls), inner.cancelled) == (2, 1)

    def test_a_waiter_that_gives_up_takes_nothing_from_the_others(self):
        executor, inner = cached(["first"], delay=0.05)

        async def run():
            tasks = [asyncio.create_task(executor.aexecute(Wait(), "x", SEEN)) for _ in range(3)]
            await asyncio.sleep(0.01)
            tasks[1].cancel()
            return await asyncio.gather(*tasks, return_exceptions=True)

        first, gone, third = asyncio.run(run())
        assert (first.text, third.text, type(gone)) == ("first", "first", asyncio.CancelledError)
        assert len(inner.calls) == 1

    def test_a_bug_reaches_its_caller_and_blocks_nobody(self):
        class Buggy(RecordingExecutor):
            def execute(self, action, instruction, observation):
                time.sleep(0.01)
                raise KeyError(instruction)

        executor = CachedExecutor(Buggy(), ExecutionCache(), version="1")
        for _ in range(2):
            with pytest.raises(KeyError):
                executor.execute(Wait(), "x", SEEN)
