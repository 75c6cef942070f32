"""The loop: the first pair runs, the prompt stays bounded, every end is a status."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import pytest
from loop_helpers import FINISH, TASK, THREE, TWO, always_new, different_texts, make_agent, prompt_texts, run

from tracer1_agents import create_tracer1_agent, trace_of
from tracer1_agents.actions.space import ToolCall
from tracer1_agents.errors import ConfigurationError, EnvironmentFailure, PlannerError
from tracer1_agents.graphs.loop_guard import LoopGuard
from tracer1_agents.graphs.settings import Settings, Tracer1Context
from tracer1_agents.planner.policy import PolicyReply, ReplayPolicy
from tracer1_agents.testing import RecordingExecutor, ScriptedModel
from tracer1_agents.types import Execution, Status, StepRecord


def timeless(result):
    """A result without message ids and seconds."""
    return json.loads(json.dumps({**result, "messages": [m.text for m in result["messages"]]}), object_hook=_timeless)


def _timeless(item):
    return {key: value for key, value in item.items() if key != "seconds"}


class TestOnlyTheFirstPairRuns:
    def test_executor_sees_first_pairs_alone(self):
        result, executor, _ = run([THREE, TWO, FINISH])
        assert executor.calls == [
            (ToolCall(name="a", arguments={"x": 1}), "first"),
            (ToolCall(name="b", arguments={"y": 2}), "second"),
        ]
        assert (result["status"], result["answer"]) == ("finished", "42")

    def test_forecast_log_is_complete(self):
        result, _, _ = run([THREE, TWO, FINISH], ["one", "two"])
        records = [StepRecord.model_validate(entry) for entry in result["forecast_log"]]
        assert [record.step for record in records] == [1, 2, 3]
        assert [len(record.forecast) for record in records] == [3, 2, 1]
        assert [record.execution.text for record in records] == ["one", "two", ""]
        assert all(record.executed == record.forecast[0].action for record in records)
        assert [record.planner_calls for record in records] == [1, 1, 1]
        trace = trace_of(result)
        assert (trace.status, trace.answer, len(trace.steps)) == (Status.FINISHED, "42", 3)
        assert sum(record.usage.input_tokens for record in records) == result["usage"]["input_tokens"]

    def test_horizon_one_keeps_one_pair(self):
        result, executor, _ = run([THREE, TWO, FINISH], horizon=1)
        assert [len(entry["forecast"]) for entry in result["forecast_log"]] == [1, 1, 1]
        assert len(executor.calls) == 2
        assert not any(entry["events"] for entry in result["forecast_log"])  # nothing was expected, nothing diverged

    def test_a_forecast_that_comes_true_is_no_replan(self):
        result, _, _ = run([THREE, TWO, FINISH])
        assert [entry["events"] for entry in result["forecast_log"]] == [[], [], []]

    def test_a_changed_mind_is_a_replan(self):
        result, _, _ = run([THREE, 'c() # "else"\nfinish() # "tell"', FINISH])
        assert [entry["events"] for entry in result["forecast_log"]] == [[], ["replan"], ["replan"]]

    def test_infeasible(self):
        result, _, _ = run(['finish(status="infeasible") # "give up"'])
        assert (result["status"], result["answer"]) == ("finished", None)
        assert "cannot be done" in result["detail"]


class TestBoundedPrompt:
    def test_size_is_flat_from_step_k_on(self):
        script = [f'a(x={k + 100}) # "step"' for k in range(60)]
        _, _, model = run(script, different_texts(), max_steps=60, history_window=4)
        sizes = [len(text) for text in prompt_texts(model)]
        assert len(sizes) == 60
        assert sizes[0] < sizes[1] < sizes[4]
        # step numbers grow from one digit to two at step 10, and four of them are shown
        assert set(sizes[15:]) == {sizes[15]}

    def test_last_k_steps_are_shown(self):
        _, _, model = run(always_new(), different_texts(), max_steps=6, history_window=2)
        last = prompt_texts(model)[-1]
        assert "4. a(x=3) -> seen 000003" in last
        assert "5. a(x=4)" in last
        assert "3. a(x=2)" not in last
        assert "Now: seen 000004" in last

    def test_k_zero_shows_no_history(self):
        _, _, model = run(always_new(), different_texts(), max_steps=4, history_window=0)
        assert all("a(x=" not in text for text in prompt_texts(model))

    def test_five_megabytes_of_result(self):
        result, _, model = run([THREE, TWO, FINISH], ["x" * 5_000_000, "y\n" * 2_500_000])
        assert result["status"] == "finished"
        assert max(map(len, prompt_texts(model))) < 2_500

    def test_last_forecast_is_shown_when_asked_for(self):
        _, _, plain = run([THREE, TWO, FINISH])
        _, _, shown = run([THREE, TWO, FINISH], show_last_forecast=True)
        assert "Forecast:" not in prompt_texts(plain)[1]
        assert 'Forecast: b(y=2); finish(answer="Result(step=2)")' in prompt_texts(shown)[1]


class TestUnusableReplies:
    def test_asked_again_with_the_reason(self):
        finish = '{"plan": [{"action": "finish", "arguments": {"answer": "42"}}]}'
        result, executor, model = run(["I think we should look.", "nothing!", finish], profile="generic")
        assert result["status"] == "finished"
        assert result["planner_calls"] == 3
        assert executor.calls == []
        assert "could not be used" in prompt_texts(model)[1]
        events = result["forecast_log"][0]["events"]
        assert [event.split(":")[0] for event in events] == ["re-asked", "re-asked"]

    def test_given_up_after_max_reasks(self):
        result, executor, _ = run(["gibberish"], max_reasks=2)
        assert result["status"] == "parse_error"
        assert result["planner_calls"] == 3
        assert "3 replies could not be used" in result["detail"]
        assert executor.calls == []
        assert result["forecast_log"] == []

    def test_no_reasks(self):
        result, _, _ = run(["gibberish"], max_reasks=0)
        assert (result["status"], result["planner_calls"]) == ("parse_error", 1)

    def test_the_count_begins_anew_at_each_step(self):
        result, _, _ = run(["?", "?", 'a(x=1) # "a"', "?", "?", FINISH], max_reasks=2)
        assert (result["status"], result["planner_calls"]) == ("finished", 6)

    def test_a_result_nobody_has_seen(self):
        result, _, _ = run(['a(x=Result(step=1)) # "no"', FINISH])
        assert result["status"] == "finished"
        assert "has not been seen" in result["forecast_log"][0]["events"][0]

    def test_a_result_that_was_seen_must_be_written_out(self):
        result, executor, _ = run(['a(x=1) # "a"', 'b(y=Result(step=1)) # "b"', FINISH])
        assert result["status"] == "finished"
        assert len(executor.calls) == 1
        assert "write the value itself" in result["forecast_log"][1]["events"][0]

    def test_broken_tail_is_no_reason_to_ask(self):
        result, executor, _ = run(['a(x=1) # "a"\nb(y= # "b"', FINISH])
        assert result["planner_calls"] == 2
        assert len(executor.calls) == 1

    def test_hostile_text(self):
        for reply in ("", "\x00\ud800", "[" * 100_000, "a(x=" + "9" * 5_000 + ")", "a(x=1" * 10_000):
            result, _, _ = run([reply], max_reasks=0)
            assert result["status"] == "parse_error", reply[:20]

    def test_numbers_too_long_for_a_float(self):
        result, executor, _ = run([f'a(x={"9" * 400}) # "big"', FINISH])
        assert result["status"] == "finished"
        assert len(executor.calls) == 1


class TestLoopGuard:
    def test_nudged_then_ended(self):
        # "same" is seen before the second a(x=1), so from the third on nothing has changed
        result, executor, _ = run(['a(x=1) # "a"'], ["same"])
        assert result["status"] == "loop"
        assert len(executor.calls) == 2
        assert "a(x=1)" in result["detail"]

    def test_the_nudge_says_what_was_repeated(self):
        call = '{"plan": [{"action": "a", "arguments": {"x": 1}, "instruction": "a"}]}'
        result, _, model = run([call], ["same"], profile="generic")
        assert result["status"] == "loop"
        assert "changed nothing; do something else" in prompt_texts(model)[-1]

    def test_a_nudge_can_help(self):
        result, _, _ = run(['a(x=1) # "a"'] * 3 + [FINISH], ["same"])
        assert result["status"] == "finished"
        assert result["forecast_log"][-1]["events"][0] == "loop: a(x=1)"

    def test_trying_again_after_an_error_is_no_loop(self):
        answers = [Execution(ok=False, text="error: busy"), "fine"]
        result, executor, _ = run(['a(x=1) # "a"', 'a(x=1) # "a"', FINISH], answers)
        assert result["status"] == "finished"
        assert len(executor.calls) == 2
        assert result["planner_calls"] == 3

    def test_the_same_action_on_changed_observations(self):
        result, executor, _ = run(['a(x=1) # "a"'], different_texts(), max_steps=12)
        assert result["status"] == "step_limit"
        assert len(executor.calls) == 12

    def test_allowances(self):
        # the first scroll sees "", the later ones "same": four of those are allowed
        agent, _ = make_agent(['scroll(direction="down") # "look on"'], platform="computer")
        grounder = RecordingExecutor(["same"])
        result = agent.invoke(TASK, context=Tracer1Context(grounder=grounder))
        assert result["status"] == "loop"
        assert len(grounder.calls) == 5

    def test_off(self):
        result, executor, _ = run(['a(x=1) # "a"'], ["same"], loop_guard=None, max_steps=9)
        assert (result["status"], len(executor.calls)) == ("step_limit", 9)

    def test_own_allowance(self):
        guard = LoopGuard(max_nudges=0, allowance={"tool:a": 3})
        result, executor, _ = run(['a(x=1) # "a"'], ["same"], loop_guard=guard)
        assert (result["status"], len(executor.calls), result["planner_calls"]) == ("loop", 4, 5)

    @pytest.mark.parametrize("wrong", [{"max_nudges": None}, {"max_nudges": -1}, {"allowance": {"a": "3"}}])
    def test_numbers_that_are_none(self, wrong):
        with pytest.raises(ConfigurationError, match=r"LoopGuard: .* counts from [01], got"):
            LoopGuard(**wrong)

    def test_a_polled_tool_may_take_turns(self):
        turns = ['a(x=1) # "is it there?"', 'b(x=1) # "wait for it"'] * 4
        results = ["not yet", "waited"] * 9
        stopped, executor, _ = run([*turns, FINISH], results, loop_guard=LoopGuard(max_nudges=0))
        assert (stopped["status"], len(executor.calls)) == ("loop", 3)
        guard = LoopGuard(max_nudges=0, allowance={"tool:a": 9, "tool:b": 3})
        result, executor, _ = run([*turns, FINISH], results, loop_guard=guard)
        assert (result["status"], len(executor.calls)) == ("loop", 7)  # b only as often as it may
        guard = LoopGuard(max_nudges=0, allowance={"tool:a": 9, "tool:b": 9})
        assert run([*turns, FINISH], results, loop_guard=guard)[0]["status"] == "finished"


class TestBudgets:
    def test_steps(self):
        result, executor, _ = run(always_new(), max_steps=4)
        assert (result["status"], len(executor.calls), len(result["forecast_log"])) == ("step_limit", 4, 4)

    def test_seconds(self):
        agent, _ = make_agent(always_new(), time_limit=0.15)
        executor = RecordingExecutor(delay=0.06)
        result = agent.invoke(TASK, context=Tracer1Context(toolbox=executor))
        assert result["status"] == "time_limit"
        assert 1 <= len(executor.calls) <= 3

    def test_tokens(self):
        result, _, _ = run(always_new(), token_limit=20)
        assert result["status"] == "token_limit"
        spent = result["usage"]["input_tokens"] + result["usage"]["output_tokens"]
        before = sum(sum(entry["usage"].values()) for entry in result["forecast_log"][:-1])
        assert before < 20 <= spent

    @pytest.mark.parametrize("limit", range(2, 15))
    def test_recursion_limit_of_the_caller(self, limit):
        result, executor, _ = run(always_new(), config={"recursion_limit": limit})
        assert result["status"] == "step_limit"
        assert "recursion_limit" in result["detail"]
        assert len(executor.calls) == max(0, limit // 3 - 1)

    def test_recursion_limit_that_the_message_names_is_enough(self):
        result, executor, _ = run(always_new(), max_steps=5, config={"recursion_limit": 3 * 5 + 3})
        assert result["detail"] == "5 steps were not enough"
        assert len(executor.calls) == 5


class TestFailures:
    def test_tool_errors_in_a_row(self):
        result, executor, _ = run(always_new(), [Execution(ok=False, text="error: no")], max_tool_errors=3)
        assert (result["status"], len(executor.calls)) == ("tool_error", 3)
        assert "3 executions in a row failed" in result["detail"]

    def test_a_success_begins_the_count_anew(self):
        bad = Execution(ok=False, text="error: no")
        result, executor, _ = run([*always_new(5), FINISH], [bad, bad, "ok", bad, bad], max_tool_errors=3)
        assert (result["status"], len(executor.calls)) == ("finished", 5)

    def test_infrastructure(self):
        lost = Execution(ok=False, text="error: the sandbox is gone", infrastructure=True)
        result, _, _ = run(always_new(), [lost], max_tool_errors=2)
        assert result["status"] == "infrastructure_error"

    @pytest.mark.parametrize(
        ("trouble", "told"),
        [
            (EnvironmentFailure("the browser was closed"), "the browser was closed"),
            (ConnectionResetError("reset by the emulator"), "reset by the emulator"),
            (TimeoutError(), "TimeoutError"),
        ],
    )
    def test_an_environment_that_goes_away_is_no_exception(self, trouble, told):
        class Gone:
            def execute(self, action, instruction, observation):
                raise trouble

            async def aexecute(self, action, instruction, observation):
                return self.execute(action, instruction, observation)

        agent, _ = make_agent(always_new(), max_tool_errors=1)
        for result in (
            agent.invoke(TASK, context=Tracer1Context(toolbox=Gone())),
            asyncio.run(agent.ainvoke(TASK, context=Tracer1Context(toolbox=Gone()))),
        ):
            assert result["status"] == "infrastructure_error"
            assert told in result["detail"]

    def test_no_tools_and_no_screen_are_observations(self):
        agent, model = make_agent(['a() # "a"', 'click(point=[0.5, 0.5]) # "c"', FINISH])
        result = agent.invoke(TASK)
        assert result["status"] == "finished"
        assert [entry["execution"]["ok"] for entry in result["forecast_log"]] == [False, False, True]
        assert "there are no tools here" in prompt_texts(model)[1]
        assert "there is no screen" in prompt_texts(model)[2]

    def test_policy_without_answer(self):
        agent = create_tracer1_agent(ReplayPolicy(['a(x=1) # "a"']), profile="compact")
        result = agent.invoke(TASK, context=Tracer1Context(toolbox=RecordingExecutor()))
        assert result["status"] == "model_error"
        assert "no further reply" in result["detail"]
        assert len(result["forecast_log"]) == 1

    def test_no_task(self):
        agent, _ = make_agent([FINISH])
        for nothing in ({}, {"instruction": " "}, {"messages": []}, {"messages": [("ai", "hello")]}):
            with pytest.raises(ConfigurationError, match="there is no task"):
                agent.invoke(nothing)


class TestSyncAndAsync:
    @pytest.mark.parametrize(
        ("script", "answers"),
        [
            ([THREE, TWO, FINISH], ["one", "two"]),
            (["?", THREE, "?", FINISH], ["one"]),
            (['a(x=1) # "a"'], ["same"]),
            (["?"], ["x"]),
            ([PlannerError("x"), FINISH], ["x"]),
        ],
    )
    def test_equal_results(self, script, answers):
        agent, _ = make_agent(script)
        sync = agent.invoke(TASK, context=Tracer1Context(toolbox=RecordingExecutor(answers)))
        agent, _ = make_agent(script)
        context = Tracer1Context(toolbox=RecordingExecutor(answers))
        assert timeless(asyncio.run(agent.ainvoke(TASK, context=context))) == timeless(sync)

    def test_stream(self):
        agent, _ = make_agent([THREE, 'c() # "else"', 'c() # "else"', 'c() # "else"', FINISH])
        events = list(
            agent.stream(
                TASK, context=Tracer1Context(toolbox=RecordingExecutor(["same"])), stream_mode=["updates", "custom"]
            )
        )
        custom = [(item["type"], item.get("step")) for mode, item in events if mode == "custom"]
        assert custom == [
            ("forecast", 1),
            ("executed", 1),
            ("replan", 2),
            ("forecast", 2),
            ("executed", 2),
            ("loop", 3),
            ("loop", 3),
        ]
        nodes = [next(iter(item)) for mode, item in events if mode == "updates"]
        assert nodes[:5] == ["begin", "plan", "toolbox", "observe", "plan"]

    def test_batch(self):
        agent = create_tracer1_agent(ScriptedModel(script=[FINISH], delay=0.01), profile="compact")
        tasks = [{"instruction": f"task {k}"} for k in range(8)]
        for results in (agent.batch(tasks), asyncio.run(agent.abatch(tasks))):
            assert [result["task"] for result in results] == [f"task {k}" for k in range(8)]
            assert {result["answer"] for result in results} == {"42"}

    def test_runs_side_by_side_share_no_state(self):
        async def all_of_them():
            agent = create_tracer1_agent(ReplayPolicy([]), profile="compact")
            contexts = [
                Tracer1Context(policy=ReplayPolicy([f'a(x={k}) # "a"', f'finish(answer="{k}") # "f"']), toolbox=box)
                for k, box in enumerate(boxes)
            ]
            return await asyncio.gather(*[agent.ainvoke(TASK, context=context) for context in contexts])

        boxes = [RecordingExecutor([f"got {k}"]) for k in range(16)]
        results = asyncio.run(all_of_them())
        assert [result["answer"] for result in results] == [str(k) for k in range(16)]
        assert [box.calls[0][0].arguments for box in boxes] == [{"x": k} for k in range(16)]
        texts = [result["forecast_log"][0]["execution"]["text"] for result in results]
        assert texts == [f"got {k}" for k in range(16)]

    def test_cancelling_reaches_the_executor(self):
        async def cancelled():
            agent, _ = make_agent(always_new())
            executor = RecordingExecutor(delay=30)
            run_it = asyncio.create_task(agent.ainvoke(TASK, context=Tracer1Context(toolbox=executor)))
            while not executor.calls:  # noqa: ASYNC110  (the fake has no event)
                await asyncio.sleep(0.005)
            run_it.cancel()
            with pytest.raises(asyncio.CancelledError):
                await run_it
            return executor

        executor = asyncio.run(cancelled())
        assert executor.cancelled == 1
        assert len(executor.calls) == 1


class TestContext:
    def test_precedence(self):
        agent, _ = make_agent(always_new(), max_steps=5, horizon=7)
        box = RecordingExecutor()
        assert len(agent.invoke(TASK, context={"max_steps": 2, "toolbox": box})["forecast_log"]) == 2
        assert len(agent.invoke(TASK, context=Tracer1Context(toolbox=box))["forecast_log"]) == 5
        settings = Settings(policy=ReplayPolicy([]), horizon=7)
        assert settings.with_context(None).horizon == 7
        assert settings.with_context(Tracer1Context(horizon=3)).horizon == 3
        assert settings.with_context(Tracer1Context(max_steps=3)).horizon == 7

    def test_foreign_contexts_are_looked_through(self):
        settings = Settings(policy=ReplayPolicy([]))
        mine = Tracer1Context(horizon=2)
        assert settings.with_context(SimpleNamespace(user="me")).horizon == 10
        assert settings.with_context(SimpleNamespace(tracer1=mine)).horizon == 2
        assert settings.with_context({"tracer1": {"horizon": 2}}).horizon == 2
        assert settings.with_context({"user": "me"}).horizon == 10
        assert settings.with_context(SimpleNamespace(tracer1=None)).horizon == 10

    def test_bad_overrides(self):
        settings = Settings(policy=ReplayPolicy([]))
        with pytest.raises(ConfigurationError, match="horizon must be a whole number of at least 1, got 0"):
            settings.with_context(Tracer1Context(horizon=0))
        with pytest.raises(ConfigurationError, match="no setting 'horizons'; it takes horizon, "):
            settings.with_context({"tracer1": {"horizons": 3}})
        with pytest.raises(ConfigurationError, match=r"has to be a Tracer1Context or a dict .* got 'horizon=3'"):
            settings.with_context(SimpleNamespace(tracer1="horizon=3"))  # limits that would not hold

    def test_policy_of_a_run(self):
        agent, model = make_agent(["never asked"])
        policy = ReplayPolicy([PolicyReply('finish(answer="mine") # "f"')])
        assert agent.invoke(TASK, context=Tracer1Context(policy=policy))["answer"] == "mine"
        assert model.prompts == []
