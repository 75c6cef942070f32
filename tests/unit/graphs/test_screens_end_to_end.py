"""Planner and grounder behind one OpenAI-compatible endpoint, through the compiled graph, on recorded screenshots."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tracer1_agents import create_tracer1_agent
from tracer1_agents.actions.coordinates import Size
from tracer1_agents.actions.space import Click, Finish, Scroll, Type, load_action
from tracer1_agents.actions.targets import reaches
from tracer1_agents.blobs import ImageFiles
from tracer1_agents.data.readers.base import ReaderOptions
from tracer1_agents.data.readers.registry import reader_named
from tracer1_agents.graphs.build import trace_of
from tracer1_agents.planner.profiles import UI_TARS
from tracer1_agents.serving.endpoint import endpoint_model
from tracer1_agents.testing import ScriptedServer, chat_completion
from tracer1_agents.tools.grounding import GroundingModel
from tracer1_agents.types import Execution, Status

pytest.importorskip("langchain_openai")
DATA = Path(os.environ.get("TRACER1_DATA", "/nowhere")) / "agentnet"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="TRACER1_DATA has no agentnet sample")


class Recorded:
    """A screen that goes on to the recording's next screenshot after every action."""

    def __init__(self, grounder, steps):
        self.grounder, self.steps, self.done = grounder, steps, []

    def execute(self, action, instruction, observation):
        execution = self.grounder.execute(action, instruction, observation)
        if not execution.ok:
            return execution
        self.done.append(load_action(execution.value))
        return Execution(text="", value=execution.value, image=self.steps[len(self.done)].observation.image)


def images_in(body):
    return [
        part for one in body["messages"] if isinstance(one["content"], list) for part in one["content"]
        if part["type"] == "image_url"
    ]  # fmt: skip


def server_for(steps):
    """Plans without points in UI-TARS' words; asked for a place, it gives the recorded one in thousandths."""
    turn = iter(range(len(steps)))
    at = {}

    def answer(body):
        if "Find the place on the screen" in str(body["messages"]):
            point = steps[at["now"]].action.point
            return chat_completion(f"Action: click(start_box='({point.x * 1000:.0f},{point.y * 1000:.0f})')")
        at["now"] = next(turn)
        grammar = UI_TARS.grammar_for(steps[at["now"]].observation.image, platform="computer")
        pairs = []
        for step in steps[at["now"] : at["now"] + 3]:
            bare = step.action.model_copy(update={"point": None}) if isinstance(step.action, Click) else step.action
            pairs.append((bare, step.instruction.split(".")[0] + "."))
        return chat_completion(grammar.render(pairs, "a page"))

    return ScriptedServer([answer])


def test_a_recorded_episode_is_planned_grounded_and_finished():
    episode = next(iter(reader_named("agentnet", ReaderOptions()).read(DATA)))
    steps = episode.steps
    assert {type(step.action) for step in steps} == {Click, Type, Scroll, Finish}
    server = server_for(steps)
    try:
        grounder = GroundingModel(endpoint_model("UI-TARS-7B", server.url, temperature=0.0), profile="ui-tars")
        screen = Recorded(grounder, steps)
        agent = create_tracer1_agent(
            endpoint_model("planner", server.url),
            profile="ui-tars",
            platform="computer",
            grounder=screen,
            blobs=ImageFiles(),
            horizon=3,
        )
        start = {"instruction": episode.instruction, "observation": steps[0].observation.model_dump(mode="json")}
        trace = trace_of(agent.invoke(start))
    finally:
        server.close()
    assert (trace.status, len(trace.steps), trace.detail) == (Status.FINISHED, len(steps), "")
    assert trace.observation == steps[0].observation  # by reference; every later screen is what the step before it gave
    assert all(step.observation is None for step in trace.steps)
    assert [type(action) for action in screen.done] == [type(step.action) for step in steps[:-1]]
    for action, step in zip(screen.done, steps, strict=False):
        if isinstance(action, Click):
            size = Size(step.observation.image.width, step.observation.image.height)
            assert reaches(action.point, step.action.point, step.boxes, size)
    clicks = sum(isinstance(step.action, Click) for step in steps)
    bodies = [body for body, _ in server.asked]
    assert len(bodies) == len(steps) + clicks  # one plan a step, one place a click
    assert all(len(images_in(body)) == 1 for body in bodies)  # one picture a request
