"""Parts that a host hands in (policy, executor, environment, summarizer, ...) and that give something else back.

Each ends with an error that names the part, never with one about ours; a grounder's bad numbers cost the step alone.
"""

from __future__ import annotations

import asyncio

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from tracer1_agents import Tracer1Context, create_tracer1_agent
from tracer1_agents.actions.coordinates import Size
from tracer1_agents.actions.space import Click, Point, dump_action
from tracer1_agents.environments.base import Environment, succeeded
from tracer1_agents.environments.executor import EnvironmentExecutor
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.planner.policy import PolicyReply
from tracer1_agents.planner.profiles import COMPACT
from tracer1_agents.testing import ScriptedModel
from tracer1_agents.tools.grounding import GroundThenAct
from tracer1_agents.types import Execution, Observation

TASK = {"instruction": "How many chairs?"}
FINISH = 'finish(answer="12") # "Report"'


def stock(article: str) -> int:
    """How many of an article are in stock."""
    return len(article)


def agent_of(*script, **settings):
    model = settings.pop("model", None) or ScriptedModel(script=[*script, FINISH])
    return create_tracer1_agent(model, [stock], profile="compact", **settings)


def run(agent, *, awaited, **given):
    return asyncio.run(agent.ainvoke(TASK, **given)) if awaited else agent.invoke(TASK, **given)


class Says:
    def __init__(self, reply):
        self.reply = reply

    def sample(self, messages, *, horizon, again=0, config=None):
        return self.reply

    async def asample(self, messages, *, horizon, again=0, config=None):
        return self.reply


class Gives:
    """An executor, a grounder."""

    def __init__(self, given):
        self.given = given

    def execute(self, action, instruction, observation):
        return self.given

    async def aexecute(self, action, instruction, observation):
        return self.given


class Room(Environment):
    size = Size(100, 100)

    def __init__(self, given=None):
        self.given, self.clicks = given, 0

    def reset(self, seed=None):
        return self.observe()

    def observe(self):
        return Observation(text=f"{self.clicks} clicks")

    def act(self, action):
        self.clicks += 1
        return succeeded(action, self.observe()) if self.given is None else self.given

    def close(self):
        pass


class Writes:
    def __init__(self, given):
        self.given = given

    def summarize(self, action_text, execution, forecast):
        return self.given


@pytest.mark.parametrize("awaited", [False, True])
class TestWhatIsGivenBack:
    @pytest.mark.parametrize(
        ("reply", "words"),
        [
            (FINISH, "the policy Says gave str; sample and asample give PolicyReply"),
            (None, "the policy Says gave NoneType"),
            (PolicyReply(None), "the policy Says gave a PolicyReply whose text is None"),
        ],
    )
    def test_by_a_policy(self, reply, words, awaited):
        with pytest.raises(ConfigurationError, match=words):
            run(agent_of(model=Says(reply)), awaited=awaited)

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ("done", "the executor Gives gave str, not an Execution"),
            (None, "the executor Gives gave NoneType"),
            (Execution(value=object()), "the executor Gives gave an Execution whose value is no JSON"),
            (Execution(value=b"\xff"), "the executor Gives gave an Execution whose value is no JSON"),
        ],
    )
    def test_by_an_executor(self, given, words, awaited):
        agent = agent_of('stock(article="chair") # "Look"')
        with pytest.raises(ConfigurationError, match=words):
            run(agent, awaited=awaited, context=Tracer1Context(toolbox=Gives(given)))

    def test_by_an_environment(self, awaited):
        room = EnvironmentExecutor(Room(Observation(text="done")))
        agent = agent_of('click(point=[0.5, 0.5]) # "Click"', grounder=room, platform="computer")
        with pytest.raises(ConfigurationError, match=r"Room\.a?act gave Observation, not an Execution"):
            run(agent, awaited=awaited)

    @pytest.mark.parametrize("given", [None, 3, ["a"]])
    def test_by_a_summarizer(self, given, awaited):
        script = [f'stock(article="{article}") # "Look"' for article in ("chair", "lamp", "sofa")]
        with pytest.raises(ConfigurationError, match=r"the summarizer Writes gave .*, not a text"):
            run(agent_of(*script, summarizer=Writes(given)), awaited=awaited)

    @pytest.mark.parametrize("value", [None, (0.5, 0.5), "click"])
    def test_by_a_grounder_without_an_action(self, value, awaited):
        both = GroundThenAct(Gives(Execution(value=value)), EnvironmentExecutor(Room()))
        agent = agent_of('click() # "Click"', grounder=both, platform="computer")
        with pytest.raises(ConfigurationError, match=r"the grounder Gives gave .* as Execution\.value"):
            run(agent, awaited=awaited)

    def test_by_a_grounder_that_gives_none(self, awaited):
        both = GroundThenAct(Gives(None), EnvironmentExecutor(Room()))
        agent = agent_of('click() # "Click"', grounder=both, platform="computer")
        with pytest.raises(ConfigurationError, match="the grounder Gives gave NoneType, not an Execution"):
            run(agent, awaited=awaited)

    def test_by_a_grounder_that_points_beside_the_screen(self, awaited):
        room = Room()
        beside = dump_action(Click().model_copy(update={"point": Point(50, 0.5)}))
        both = GroundThenAct(Gives(Execution(value=beside)), EnvironmentExecutor(room))
        agent = agent_of('click() # "Click"', grounder=both, platform="computer")
        result = run(agent, awaited=awaited)
        assert result["status"] == "finished"
        assert room.clicks == 0
        told = result["forecast_log"][0]["execution"]
        assert not told["ok"]
        assert told["text"].startswith("error: Gives gave no action on this screen: click.point.0: ")


class TestSafeguards:
    def ask(self, safeguard):
        agent = agent_of('stock(article="chair") # "Look"', confirm=(safeguard,), checkpointer=InMemorySaver())
        return agent.invoke(TASK, {"configurable": {"thread_id": "1"}})

    def test_that_give_no_text_have_not_decided(self):
        def later(situation):
            return object()  # such as the coroutine of an async function

        with pytest.raises(ConfigurationError, match="the safeguard later gave object; it gives a reason as text"):
            self.ask(later)

    def test_that_give_a_bare_true_ask(self):
        def always(situation):
            return True

        assert self.ask(always)["__interrupt__"][0].value["reasons"] == ["the safeguard always asks"]

    def test_are_asked_outside_of_the_event_loop(self):
        """One may look things up in files or over the network."""
        loops = []

        def looks_up(situation):
            loops.append(asyncio._get_running_loop())

        agent = agent_of('stock(article="chair") # "Look"', confirm=(looks_up,))
        assert run(agent, awaited=True)["status"] == "finished"
        assert set(loops) == {None}


class TestHandedIn:
    def test_a_class_in_place_of_an_instance(self):
        with pytest.raises(ConfigurationError, match="summarizer must be an instance, got the class Writes; call it"):
            agent_of(summarizer=Writes)
        with pytest.raises(ConfigurationError, match="policy must be an instance, got the class Says"):
            agent_of(model=Says)

    def test_a_policy_without_its_second_method(self):
        class Half:
            async def asample(self, messages, **_):
                return PolicyReply(FINISH)

        with pytest.raises(ConfigurationError, match=r"a policy \(which has sample and asample\).*got Half"):
            agent_of(model=Half())

    def test_a_profile_where_a_name_belongs(self):
        with pytest.raises(ConfigurationError) as caught:
            create_tracer1_agent(ScriptedModel(script=[FINISH]), profile=COMPACT)
        assert len(str(caught.value)) < 250
