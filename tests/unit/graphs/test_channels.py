"""Run-time foresight channels: committing to further pairs, and choosing among several forecasts."""

from __future__ import annotations

import asyncio

import pytest
from loop_helpers import FINISH, TASK, make_agent, prompt_texts, run

from tracer1_agents.errors import ConfigurationError, PlannerError
from tracer1_agents.graphs.settings import Tracer1Context
from tracer1_agents.planner.policy import PolicyReply
from tracer1_agents.testing import RecordingExecutor
from tracer1_agents.types import Execution, Usage

KNOWN = 'a(x=1) # "first"\nb(y=2) # "second"\nc(z=3) # "third"\nd(w=4) # "fourth"\nfinish(answer="42") # "tell"'
UNKNOWN = 'a(x=1) # "first"\nb(y=Result(step=1)) # "second"\nfinish(answer="42") # "tell"'


def kinds(executor):
    return [action.name for action, _ in executor.calls]


def calls(result):
    return [entry["planner_calls"] for entry in result["forecast_log"]]


class TestCommitment:
    def test_one_looks_again_after_every_action(self):
        result, _, _ = run([KNOWN, FINISH], commitment=1)
        assert calls(result) == [1, 1]

    def test_further_pairs_run_without_the_planner(self):
        result, executor, _ = run([KNOWN, FINISH], list("wxyz"), commitment=3)
        assert kinds(executor) == ["a", "b", "c"]
        assert calls(result) == [1, 0, 0, 1]
        assert [entry["events"] for entry in result["forecast_log"]] == [[], ["committed"], ["committed"], ["replan"]]
        assert [len(entry["forecast"]) for entry in result["forecast_log"]] == [5, 4, 3, 1]
        assert result["planner_calls"] == 2

    def test_async_runs_are_the_same(self):
        agent, _ = make_agent([KNOWN, FINISH], commitment=3)
        context = Tracer1Context(toolbox=RecordingExecutor(list("wxyz")))
        assert calls(asyncio.run(agent.ainvoke(TASK, context=context))) == [1, 0, 0, 1]

    def test_a_run_may_choose(self):
        agent, _ = make_agent([KNOWN, FINISH])
        context = Tracer1Context(toolbox=RecordingExecutor(list("wxyz")), commitment=2)
        assert calls(agent.invoke(TASK, context=context)) == [1, 0, 1]

    def test_the_end_is_never_committed_to(self):
        result, _, _ = run(['a(x=1) # "first"\nfinish(answer="early") # "tell"', FINISH], ["seen"], commitment=9)
        assert (calls(result), result["answer"]) == ([1, 1], "42")

    def test_a_forecast_that_is_used_up_is_followed_by_another(self):
        two = 'a(x=1) # "first"\nb(y=2) # "second"'
        result, executor, _ = run([two, FINISH], list("xy"), commitment=9)
        assert (kinds(executor), calls(result), result["status"]) == (["a", "b"], [1, 0, 1], "finished")

    def test_a_result_that_was_unknown_is_looked_at(self):
        result, executor, _ = run([UNKNOWN, FINISH], ["seen"], commitment=9)
        assert (kinds(executor), calls(result)) == (["a"], [1, 1])

    def test_a_failure_is_looked_at(self):
        result, executor, _ = run([KNOWN, FINISH], [Execution(ok=False, text="error: no")], commitment=9)
        assert (kinds(executor), calls(result)) == (["a"], [1, 1])

    def test_the_loop_guard_still_watches(self):
        again = 'a(x=1) # "first"\na(x=1) # "first"\na(x=1) # "first"\na(x=1) # "first"'
        result, executor, _ = run([again, again, FINISH], ["same"] * 9, commitment=9)
        assert len(executor.calls) < 4
        assert result["status"] == "finished"

    def test_steps_are_counted(self):
        result, executor, _ = run([KNOWN], list("wxyz"), commitment=9, max_steps=2)
        assert (result["status"], kinds(executor)) == ("step_limit", ["a", "b"])

    @pytest.mark.parametrize("wrong", [0, -1, 1.5, True])
    def test_wrong_values_are_refused(self, wrong):
        with pytest.raises(ConfigurationError, match="commitment"):
            make_agent([FINISH], commitment=wrong)


ONE = 'a(x=1) # "p"\nb(x=1) # "q"\nfinish(answer="1") # "tell"'
OTHER = 'a(x=2) # "p"\nc(x=2) # "r"\nfinish(answer="2") # "tell"'
LIKE_OTHER = 'a(x=2) # "p"\nc(x=2) # "r"\nfinish(answer="2") # "say"'


class SomeAnswers:
    """Finishes with the number of the answer; those in `lost` do not come."""

    def __init__(self, lost):
        self.lost = lost

    def sample(self, *_, again=0, **__):
        if again in self.lost:
            raise PlannerError("gone")  # noqa: EM101
        return PolicyReply(text='finish(answer="3") # "tell"', usage=Usage(output_tokens=7))

    async def asample(self, *_, again=0, **__):
        return self.sample(again=again)


def ainvoked(agent, **more):
    return asyncio.run(agent.ainvoke(TASK, **more))


class TestBestOf:
    def test_the_forecast_that_others_agree_with(self):
        result, executor, model = run([ONE, OTHER, LIKE_OTHER, FINISH], ["seen"], best_of=3)
        assert executor.calls[0][0].arguments == {"x": 2}
        assert calls(result) == [3, 3]
        assert len(set(prompt_texts(model)[:3])) == 1
        spent = sum(entry["usage"]["input_tokens"] for entry in result["forecast_log"])
        assert spent == result["usage"]["input_tokens"] > 0

    def test_async_runs_are_the_same(self):
        agent, _ = make_agent([ONE, OTHER, LIKE_OTHER, FINISH], best_of=3)
        executor = RecordingExecutor(["seen"])
        asyncio.run(agent.ainvoke(TASK, context=Tracer1Context(toolbox=executor)))
        assert executor.calls[0][0].arguments == {"x": 2}

    def test_without_a_discount_first_actions_vote(self):
        lonely_tail = 'a(x=1) # "p"\nz(x=9) # "s"'
        script = [OTHER, ONE, lonely_tail, LIKE_OTHER, 'a(x=1) # "p"\ny(x=7) # "t"']
        by_plan = run([*script, FINISH], ["seen"], best_of=5, agreement_discount=1.0)[1]
        by_vote = run([*script, FINISH], ["seen"], best_of=5, agreement_discount=0.0)[1]
        assert by_plan.calls[0][0].arguments == {"x": 2}
        assert by_vote.calls[0][0].arguments == {"x": 1}

    def test_a_forecast_that_says_less_does_not_beat_those_that_agree(self):
        script = [f'a(x=1) # "p"\nb(x={value}) # "q"' for value in ('"u"', '"u"', '"v"', "Result(step=1)")]
        result, _, _ = run([*script, FINISH], ["seen"], best_of=4)
        assert result["forecast_log"][0]["forecast"][1]["action"]["arguments"] == {"x": "u"}

    @pytest.mark.parametrize("run", [lambda agent, **more: agent.invoke(TASK, **more), ainvoked], ids=["sync", "async"])
    def test_replies_that_do_not_come_leave_the_others(self, run):
        result = run(make_agent([], best_of=3)[0], context=Tracer1Context(policy=SomeAnswers({0, 4, 5})))
        assert (result["status"], result["answer"], result["planner_calls"]) == ("finished", "3", 2)
        assert result["forecast_log"][0]["events"] == ["1 of 3 forecasts did not come: gone"]
        assert result["usage"]["output_tokens"] == 2 * 7

    @pytest.mark.parametrize("run", [lambda agent, **more: agent.invoke(TASK, **more), ainvoked], ids=["sync", "async"])
    def test_without_any_reply_the_run_ends(self, run):
        result = run(make_agent([], best_of=3)[0], context=Tracer1Context(policy=SomeAnswers({0, 1, 2})))
        assert (result["status"], result["detail"]) == ("model_error", "gone")

    def test_an_error_of_another_kind_gives_up_the_others(self):
        ended, broken = [], "of the host's policy"

        class Policy:
            def sample(self, *_, **__):
                raise NotImplementedError

            async def asample(self, *_, again=0, **__):
                if again == 0:
                    raise ValueError(broken)
                try:
                    await asyncio.sleep(60)
                finally:
                    ended.append(again)

        async def ended_after_the_run():
            agent, _ = make_agent([FINISH], best_of=3)
            with pytest.raises(ValueError, match=broken):
                await agent.ainvoke(TASK, context=Tracer1Context(policy=Policy()))
            return sorted(ended)  # before the loop ends, which cancels whatever is left

        assert asyncio.run(ended_after_the_run()) == [1, 2]

    def test_broken_replies_are_not_chosen(self):
        result, executor, _ = run(["no idea", "nothing", ONE, FINISH], ["seen"], best_of=3)
        assert executor.calls[0][0].arguments == {"x": 1}
        assert result["forecast_log"][0]["events"] == []

    def test_all_broken_is_asked_again(self):
        script = ["no", "idea", "at all", ONE, OTHER, LIKE_OTHER, FINISH]
        result, _, _ = run(script, ["seen"], best_of=3)
        assert calls(result)[0] == 6
        assert result["forecast_log"][0]["events"][0].startswith("re-asked")

    @pytest.mark.parametrize("options", [{"best_of": 0}, {"agreement_discount": 1.5}, {"agreement_discount": -0.1}])
    def test_wrong_values_are_refused(self, options):
        with pytest.raises(ConfigurationError, match=next(iter(options))):
            make_agent([FINISH], **options)
