"""The rollouts of all batches run on one event loop: a grounding agent's connections outlive the batch."""

import asyncio

import pytest

pytest.importorskip("trl", reason="trl is not installed (extra train)")
pytest.importorskip("langchain_openai", reason="langchain-openai is not installed (extra agents)")
pytest.importorskip("PIL", reason="Pillow is not installed")

from PIL import Image

from tracer1_agents import testing
from tracer1_agents.actions.space import Click
from tracer1_agents.planner.retries import Retries
from tracer1_agents.testing import ScriptedServer, chat_completion
from tracer1_agents.tools.cached import ExecutionCache
from tracer1_agents.tools.limited import Slots
from tracer1_agents.training.grounded_rollouts import gathered, on_one_loop
from tracer1_agents.training.mixture import MixtureConfig, load_mixture
from tracer1_agents.training.stage2 import GroundingAgentConfig, grounding_agent
from tracer1_agents.types import ImageRef, Observation

pytestmark = [pytest.mark.torch, pytest.mark.enable_socket]


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(testing._Handler, "protocol_version", "HTTP/1.1")  # as real servers: connections are kept
    one = ScriptedServer([chat_completion("click(start_box='(40,30)')")])
    yield one
    one.close()


def test_a_grounding_agent_answers_batch_after_batch(server, tmp_path):
    path = tmp_path / "screen.png"
    Image.new("RGB", (80, 60)).save(path)
    seen = Observation(image=ImageRef(ref=str(path), width=80, height=60))
    (row,) = load_mixture(MixtureConfig.model_validate({"sources": [{"reader": "taskgen", "count": 1}]})).rows[:1]
    config = GroundingAgentConfig(base_url=server.url, model="UI-TARS-1.5-7B")
    agent = grounding_agent(config, row, ExecutionCache(), Slots(8), Retries(attempts=1, timeout=30.0))
    for batch in range(3):
        asked = [agent.aexecute(Click(), f"the button {batch} {number}", seen) for number in range(8)]
        assert [one.text for one in on_one_loop(gathered(asked)) if not one.ok] == []


def test_what_fails_ends_the_others_of_its_batch():
    ended = []

    async def slow():
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("slow")

    async def broken():
        await asyncio.sleep(0)
        message = "no reply"
        raise ValueError(message)

    with pytest.raises(ValueError, match="no reply"):
        on_one_loop(gathered([slow(), broken()]))
    assert ended == ["slow"]
