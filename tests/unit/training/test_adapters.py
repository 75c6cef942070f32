"""EasyR1 and verl get the rewards that our own trainer gives, through the interfaces that they document."""

import asyncio
import importlib
import importlib.util
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from pydantic import BaseModel, ValidationError

pytest.importorskip("trl", reason="trl is not installed (extra train)")

from training_cases import trajectory

from tracer1_agents.errors import ConfigurationError, DataError, PlannerError
from tracer1_agents.planner.policy import PolicyReply, ReplayPolicy
from tracer1_agents.rewards.grounded import GroundedConfig
from tracer1_agents.rewards.trajectory import DEFAULT_REWARD
from tracer1_agents.rewards.zero_rates import ZeroRates
from tracer1_agents.training.adapters import easyr1
from tracer1_agents.training.adapters.ground_truth import ground_truth
from tracer1_agents.training.episodes import Episodes
from tracer1_agents.training.grounded_rollouts import Scorer
from tracer1_agents.training.mixture import MixtureConfig, load_mixture
from tracer1_agents.training.models import load_planner
from tracer1_agents.training.rows import PromptOptions, rows_of
from tracer1_agents.training.settings import ModelConfig
from tracer1_agents.training.worlds import RecordWorld
from tracer1_agents.types import ImageRef

pytestmark = pytest.mark.torch
ADAPTER = "tracer1_agents.training.adapters.verl"
DATA = {"horizon": 3, "sources": [{"reader": "taskgen", "count": 6, "seed": 5, "families": ["arithmetic"]}]}


def recorded_rows(profile="compact"):
    record = trajectory()
    screen = ImageRef(ref="shot", width=1080, height=2400)
    steps = tuple(
        step.model_copy(update={"observation": step.observation.model_copy(update={"image": screen})})
        for step in record.steps
    )
    options = PromptOptions(profile=profile, horizon=3, platform="mobile")
    return list(rows_of(record.model_copy(update={"steps": steps}), options))


def replies_to(rows):
    """Right, right but for the tail, another row's, unreadable."""
    for at, row in enumerate(rows):
        first = row.window.steps[0]
        short = row.grammar.render([(first.action, first.instruction)])
        for reply in (row.reply, short, rows[at - 1].reply, "nothing that could be done"):
            yield row, reply


def inputs(cases, length=7):
    """What EasyR1's reward managers hand over (verl/workers/reward/function.py)."""
    return [{"response": reply, "response_length": length, "ground_truth": ground_truth(row)} for row, reply in cases]


@pytest.mark.parametrize("profile", ["compact", "qwen-tool-call", "ui-tars-1.5"])
def test_easyr1_gets_the_reward_of_stage_1(profile):
    cases = list(replies_to(recorded_rows(profile)))
    scores = easyr1.compute_score(inputs(cases))
    assert [score["overall"] for score in scores] == [row.score(reply).total for row, reply in cases]
    assert [score["format"] for score in scores] == [1.0, 1.0, 1.0, 0.0] * 4
    assert [score["accuracy"] for score in scores[::4]] == [1.0] * 4


def test_easyr1_gets_the_reward_of_stage_2():
    rows = recorded_rows()
    cases = list(replies_to(rows))
    data = MixtureConfig.model_validate({"horizon": 3, "sources": [{"reader": "store", "path": "unused"}]})
    episodes = Episodes(data, RecordWorld())
    scorer = Scorer(GroundedConfig(), DEFAULT_REWARD, 0.0, ZeroRates())

    def total(row, reply):
        answer = PolicyReply(reply)
        return scorer.score(row, answer, asyncio.run(episodes.run(row, ReplayPolicy([answer])))).total

    scores = easyr1.compute_score(inputs(cases), way="grounded")
    assert [score["overall"] for score in scores] == [total(row, reply) or 0.0 for row, reply in cases]
    assert [score["overall"] for score in scores[:4]] == [1.0, 1.0, 0.0, 0.0]
    assert all(score["scored"] == 1.0 for score in scores)


def test_easyr1_says_how_long_a_reply_may_be():
    row = recorded_rows()[0]
    (cut,) = easyr1.compute_score(inputs([(row, row.reply.rsplit("\n", 1)[0])], length=9), max_response_length=9)
    assert cut["overall"] == row.score(row.reply.rsplit("\n", 1)[0], truncated=True).total


def test_easyr1_loads_the_file_by_its_path():
    """Its manager executes the file under another name and binds the keyword arguments of its config."""
    spec = importlib.util.spec_from_file_location("custom_reward_fn", Path(easyr1.__file__))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    row = recorded_rows()[0]
    (score,) = module.compute_score(inputs([(row, row.reply)]), gamma=0.5, lambda_rep=0.1)
    assert score == {"overall": 1.0, "format": 1.0, "accuracy": 1.0}
    assert module.REWARD_TYPE == "batch"


def test_what_easyr1_cannot_score_is_said():
    with pytest.raises(DataError, match="write the column with"):
        easyr1.compute_score([{"response": "x", "response_length": 1, "ground_truth": '{"answer": 3}'}])
    with pytest.raises(ValidationError, match="gama"):
        easyr1.compute_score([], gama=0.5)


class AgentLoopOutput(BaseModel):
    """The fields of verl's class that are not optional for us."""

    prompt_ids: list[int]
    response_ids: list[int]
    response_mask: list[int]
    response_logprobs: list[float] | None = None
    reward_score: float | None = None
    num_turns: int = 0
    metrics: dict[str, float]
    extra_fields: dict[str, object] = {}


class AgentLoopBase:
    """verl's base class as far as it is documented: what it is given, and what it keeps."""

    def __init__(self, *, trainer_config, server_manager, tokenizer, processor, dataset_cls, data_config, **kwargs):
        assert set(kwargs) == {"name"}  # what hydra passes on from the loop's entry in the config
        self.config = trainer_config.config
        self.server_manager, self.tokenizer, self.processor = server_manager, tokenizer, processor


@dataclass
class Server:
    """Answers as verl's server manager does, with one reply."""

    ids: list[int]
    asked: list[dict]

    async def generate(self, request_id, *, prompt_ids, sampling_params, image_data=None):
        self.asked.append({"prompt_ids": prompt_ids, "sampling_params": sampling_params})
        return SimpleNamespace(token_ids=self.ids, log_probs=[-0.5] * len(self.ids))


@pytest.fixture
def adapter(monkeypatch):
    module = ModuleType("verl.experimental.agent_loop.agent_loop")
    module.AgentLoopBase, module.AgentLoopOutput = AgentLoopBase, AgentLoopOutput
    for name in ("verl", "verl.experimental", "verl.experimental.agent_loop"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.delitem(sys.modules, ADAPTER, raising=False)
    yield importlib.import_module(ADAPTER)
    sys.modules.pop(ADAPTER, None)


@pytest.fixture
def stage2_file(tmp_path):
    path = tmp_path / "stage2.yaml"
    path.write_text(json.dumps({"data": DATA}), encoding="utf-8")
    return str(path)


def loop(adapter, run, tokenizer, server, length=64):
    rollout = SimpleNamespace(response_length=length)
    config = SimpleNamespace(config=SimpleNamespace(actor_rollout_ref=SimpleNamespace(rollout=rollout)))
    given = {"tokenizer": tokenizer, "processor": None, "dataset_cls": object, "data_config": None}
    entry = {"name": adapter.AGENT_NAME, "stage2": run}
    return adapter.Tracer1AgentLoop(trainer_config=config, server_manager=server, **given, **entry)


def answered(adapter, run, planner, row, text, *, length=64):
    tokenizer = load_planner(ModelConfig(path=str(planner))).tokenizer
    server = Server([*tokenizer(text)["input_ids"], tokenizer.eos_token_id], [])
    fields = {"raw_prompt": row.chat(), **adapter.verl_row(row)}
    output = asyncio.run(loop(adapter, run, tokenizer, server, length).run({"temperature": 1.0}, **fields))
    return output, server, tokenizer


def test_verl_runs_the_graph_and_gets_its_reward(adapter, stage2_file, planner):
    rows = load_mixture(MixtureConfig.model_validate(DATA)).rows
    row = next(row for row in rows if len(row.window.steps) > 1)
    output, server, tokenizer = answered(adapter, stage2_file, planner, row, row.reply, length=512)
    assert output.reward_score == 1.0
    assert output.num_turns == 2
    assert len(server.asked) == 1
    assert server.asked[0]["sampling_params"] == {"temperature": 1.0}
    prompt = tokenizer.apply_chat_template(row.chat(), add_generation_prompt=True, return_dict=True)["input_ids"]
    assert output.prompt_ids == server.asked[0]["prompt_ids"] == list(prompt)
    assert output.response_ids == server.ids
    kept = sum(output.response_mask)
    assert output.response_mask == [1] * kept + [0] * (len(server.ids) - kept)
    first = row.grammar.parse(row.reply).pairs[0].text
    assert tokenizer.decode(output.response_ids[:kept]).strip() == first.strip()
    assert output.response_logprobs == [-0.5] * len(server.ids)


def test_verl_trains_on_no_more_than_it_allows(adapter, stage2_file, planner):
    row = load_mixture(MixtureConfig.model_validate(DATA)).rows[0]
    output, _, _ = answered(adapter, stage2_file, planner, row, "nothing that could be done " * 9, length=8)
    assert output.reward_score == 0.0
    assert len(output.response_ids) == len(output.response_logprobs) == 8
    assert output.response_mask == [1] * 8


def test_a_lost_executor_teaches_verl_nothing(adapter, stage2_file, planner, monkeypatch):
    row = load_mixture(MixtureConfig.model_validate(DATA)).rows[0]
    run = Episodes.run

    async def lost(self, row, policy):
        await run(self, row, policy)

    monkeypatch.setattr(Episodes, "run", lost)
    output, _, _ = answered(adapter, stage2_file, planner, row, row.reply)
    assert output.reward_score == 0.0
    assert set(output.response_mask) == {0}


def test_verl_is_told_of_rows_and_servers_that_are_not_there(adapter, stage2_file, planner):
    tokenizer = load_planner(ModelConfig(path=str(planner))).tokenizer
    row = load_mixture(MixtureConfig.model_validate(DATA)).rows[0]

    class Gone(Server):
        async def generate(self, request_id, **asked):
            message = "connection refused"
            raise PlannerError(message)

    started = loop(adapter, stage2_file, tokenizer, Gone([], []))
    with pytest.raises(ConfigurationError, match="write verl's data set anew"):
        asyncio.run(started.run({}, extra_info={"key": "another"}))
    with pytest.raises(PlannerError, match="gave no reply"):
        asyncio.run(started.run({}, **adapter.verl_row(row)))


def test_verl_is_refused_prompts_with_which_no_episode_begins(adapter, tmp_path, planner):
    path = tmp_path / "shown.yaml"
    path.write_text(json.dumps({"data": {**DATA, "show_last_forecast": True}}), encoding="utf-8")
    tokenizer = load_planner(ModelConfig(path=str(planner))).tokenizer
    with pytest.raises(ConfigurationError, match=r"data.show_last_forecast does not go with"):
        loop(adapter, str(path), tokenizer, Server([], []))


def test_without_verl_its_module_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "verl", None)
    monkeypatch.delitem(sys.modules, ADAPTER, raising=False)
    with pytest.raises(ConfigurationError, match="runs inside verl"):
        importlib.import_module(ADAPTER)
