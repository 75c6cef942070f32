"""Stage 2 against a vLLM server: a stand-in on loopback whose weights TRL's own call renews.

The stand-in samples with this package's engine, so that a run against it can be compared with a run without a server.
What is not seen here: vLLM's kernels, and the broadcast of weights between GPUs.
"""

import asyncio
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

pytest.importorskip("trl", reason="trl is not installed (extra train)")
pytest.importorskip("openai", reason="openai is not installed (extra agents)")

import torch
from training_cases import log_of, weights

from scripted_server import REPLY, VllmServer, completion
from tracer1_agents.errors import ConfigurationError, MissingExtraError, TrainingError
from tracer1_agents.planner.retries import Retries
from tracer1_agents.serving.engine import SamplingEngine
from tracer1_agents.serving.sampling import SampleRequest
from tracer1_agents.serving.vllm import VllmChatModel
from tracer1_agents.training import stage2
from tracer1_agents.training.config import load_config
from tracer1_agents.training.grounded_rollouts import Scorer
from tracer1_agents.training.grpo import dry_run
from tracer1_agents.training.mixture import load_mixture
from tracer1_agents.training.models import load_planner
from tracer1_agents.training.server_rollouts import RowPictures, ServerPolicy, connect
from tracer1_agents.training.settings import ModelConfig, RolloutConfig
from tracer1_agents.training.trainer import ForecastTrainer
from tracer1_agents.types import ImageRef

pytestmark = [pytest.mark.torch, pytest.mark.enable_socket]
SMALL = [
    "data={profile: compact, horizon: 3, sources: [{reader: taskgen, count: 12, seed: 5, families: [arithmetic]}]}",
    "rollout={group_size: 4, prompts_per_update: 2, max_new_tokens: 12}",
    "trainer={max_steps: 2, learning_rate: 1.0e-3, beta: 0.0, micro_batch: 4, save_steps: 2, sample_steps: 2}",
    "trajectory_weight=0.5",
]
FIT = {
    "vllm_config": {
        "weight_transfer_config": {"backend": "nccl"},
        "model_config": {"logprobs_mode": "processed_logprobs"},
    }
}


class StandIn:
    """A server with a planner of its own, and what TRL would hold on to it with."""

    def __init__(self, folder):
        planner = load_planner(ModelConfig(path=str(folder)))
        self.model, self.tokenizer = planner.model.eval(), planner.tokenizer
        self.engine = SamplingEngine(self.model, self.tokenizer)
        self.server = VllmServer([self.answer])
        self.server.pages["/server_info"] = FIT
        self.events, self.turn = [], threading.Lock()

    def answer(self, body):
        if body["max_tokens"] > 1:
            self.events.append("asked")
        prompt = self.engine.encode_chat(body["messages"]).ids
        with self.turn:
            (sample,) = self.engine.sample(
                [SampleRequest(prompt, body["max_tokens"], body["temperature"], body["seed"])]
            )
        content = [{"token": "", "logprob": one} for one in sample.logprobs]
        whole = completion(
            sample.text,
            token_ids=list(sample.completion_ids),
            logprobs={"content": content},
            finish_reason=sample.finish_reason,
        )
        return {**whole, "prompt_token_ids": list(prompt)}

    def generation(self, *, model, accelerator, **options):
        """Takes the place of TRL's `VLLMGeneration`."""

        def sync_weights():
            self.events.append("sync")
            self.model.load_state_dict(model.state_dict())

        assert options["mode"] == "server"
        client = SimpleNamespace(get_server_info=lambda: FIT["vllm_config"])
        return SimpleNamespace(sync_weights=sync_weights, vllm_client=client)


@pytest.fixture
def stand_in(planner, monkeypatch):
    one = StandIn(planner)
    monkeypatch.setattr("trl.trainer.grpo_trainer.VLLMGeneration", one.generation)
    monkeypatch.setattr("tracer1_agents.training.refusals.is_vllm_available", lambda: True)
    yield one
    one.server.close()


def config(planner_folder, folder, *changes):
    overrides = [f"model.path={planner_folder}", *SMALL, f"trainer.output_dir={folder}", *changes]
    return load_config(stage2.Stage2Config, "tiny/stage2", overrides)


def served(stand_in, *changes):
    url = stand_in.server.url.removesuffix("/v1")
    return ["rollout.engine=vllm", "rollout.vllm_mode=server", f"rollout.vllm_server_url={url}", *changes]


def by_length(self, row, reply, outcome, original=Scorer.score):
    """Rewards that differ within a group, which random weights would not earn."""
    scored = original(self, row, reply, outcome)
    return replace(scored, total=float(len(reply.text) % 5))


def test_the_server_has_the_newest_weights_before_it_is_asked(planner, tmp_path, stand_in, monkeypatch):
    monkeypatch.setattr(Scorer, "score", by_length)
    start = weights(planner)
    model = weights(stage2.train(config(planner, tmp_path / "served", *served(stand_in))))
    asked = ["asked"] * 8  # 2 prompts x 4 replies
    assert stand_in.events == ["sync", *asked, "sync", *asked]
    body = stand_in.server.asked[-1][0]
    assert (body["temperature"], body["top_p"], body["top_k"], body["max_tokens"]) == (1.0, 1.0, 0, 12)
    local = weights(stage2.train(config(planner, tmp_path / "local", "rollout.engine=local")))
    for name, values in model.items():  # the same replies, and importance ratios of 1
        torch.testing.assert_close(values, local[name], atol=1e-5, rtol=1e-4)
    assert any(not torch.equal(model[name], start[name]) for name in start)
    gap = log_of(tmp_path / "served")[0]["sampling/first_batch_gap_max"]
    assert gap < 1e-4


def test_weights_are_sent_once_an_update_and_everyone_waits():
    events = []
    trainer = SimpleNamespace(
        state=SimpleNamespace(global_step=3),
        _last_loaded_step=-1,
        vllm_generation=SimpleNamespace(sync_weights=lambda: events.append("sync")),
        accelerator=SimpleNamespace(wait_for_everyone=lambda: events.append("wait")),
    )
    ForecastTrainer._renew_server(trainer)
    ForecastTrainer._renew_server(trainer)
    assert events == ["sync", "wait"]
    trainer.state.global_step = 4
    ForecastTrainer._renew_server(trainer)
    assert events == ["sync", "wait"] * 2


def test_a_server_that_goes_away_stops_the_run(planner, tmp_path, stand_in):
    stand_in.server.script = [stand_in.answer, 400]  # the first request is the check before training
    with pytest.raises(TrainingError, match=r"no reply for row .* refused the request.* go on with --resume"):
        stage2.train(config(planner, tmp_path, *served(stand_in)))


def goes_away(stand_in, request, *, seconds):
    """The server ends when it gets its so-and-so-many-th request, and is back after a while; None: never."""

    def away():
        stand_in.server.close()
        if seconds is not None:
            time.sleep(seconds)
            stand_in.server = stand_in.server.back()

    def answer(body):
        if len(stand_in.server.asked) != request:
            return stand_in.answer(body)
        threading.Thread(target=away).start()
        return "drop"

    stand_in.server.script = [answer]


def test_a_server_that_is_gone_and_back_costs_nothing(planner, tmp_path, stand_in, monkeypatch):
    monkeypatch.setattr(Scorer, "score", by_length)
    goes_away(stand_in, 12, seconds=0.7)  # in the second batch; the first request is a check
    disturbed = weights(stage2.train(config(planner, tmp_path / "disturbed", *served(stand_in))))
    assert len(stand_in.server.asked) > 1 + 16
    local = weights(stage2.train(config(planner, tmp_path / "local", "rollout.engine=local")))
    for name, values in disturbed.items():
        torch.testing.assert_close(values, local[name], atol=1e-5, rtol=1e-4)


def test_a_server_that_stays_away_ends_the_run_and_resume_loses_nothing(planner, tmp_path, stand_in, monkeypatch):
    monkeypatch.setattr(Scorer, "score", by_length)
    every = ("trainer.save_steps=1",)
    goes_away(stand_in, 12, seconds=None)
    with pytest.raises(TrainingError, match=r"no reply for row .* after 4 attempts.*is the endpoint up.*--resume"):
        stage2.train(config(planner, tmp_path / "run", *served(stand_in, *every)))
    stand_in.server = stand_in.server.back()
    stand_in.server.script = [stand_in.answer]
    stand_in.model.load_state_dict(load_planner(ModelConfig(path=str(planner))).model.state_dict())
    resumed = weights(stage2.train(config(planner, tmp_path / "run", *served(stand_in, *every)), resume=True))
    assert [line["step"] for line in log_of(tmp_path / "run")] == [1, 2]
    local = weights(stage2.train(config(planner, tmp_path / "local", "rollout.engine=local")))
    for name, values in resumed.items():
        torch.testing.assert_close(values, local[name], atol=1e-5, rtol=1e-4)


def test_a_server_that_was_started_again_with_old_weights_is_noticed(planner, tmp_path, stand_in, monkeypatch):
    """Its requests succeed all the same; only the log-probabilities tell."""
    monkeypatch.setattr(Scorer, "score", by_length)
    old = load_planner(ModelConfig(path=str(planner))).model.state_dict()

    def answer(body):
        if len(stand_in.server.asked) == 12:
            stand_in.model.load_state_dict(old)
        return stand_in.answer(body)

    stand_in.server.script = [answer]
    with pytest.raises(TrainingError, match=r"for update 2 were drawn with other weights.*was the vLLM server started"):
        stage2.train(config(planner, tmp_path, *served(stand_in, "trainer.learning_rate=0.1")))


def test_a_server_with_another_chat_template_is_noticed(planner, tmp_path, stand_in):
    def answer(body):
        whole = stand_in.answer(body)
        return {**whole, "prompt_token_ids": [*whole["prompt_token_ids"], 7]}

    stand_in.server.script = [answer]
    with pytest.raises(TrainingError, match=r"other token ids of row .*with its own chat template"):
        stage2.train(config(planner, tmp_path, *served(stand_in)))


def without(*path):
    pages = {"vllm_config": {name: dict(value) for name, value in FIT["vllm_config"].items()}}
    inner = pages
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return pages


@pytest.mark.parametrize(
    ("info", "temperature", "message"),
    [
        (None, 1.0, "cannot be renewed: its development endpoints are off.*for training start it with VLLM_SERVER_DEV"),
        (without("vllm_config", "weight_transfer_config"), 1.0, "it has no weight transfer engine.*for evaluation"),
        (without("vllm_config", "model_config", "logprobs_mode"), 0.5, "--logprobs-mode processed_logprobs"),
    ],
)
def test_a_server_for_evaluation_is_not_trained_against(stand_in, info, temperature, message):
    stand_in.server.pages["/server_info"] = info
    rollout = RolloutConfig(vllm_server_url=stand_in.server.url, temperature=temperature)
    with pytest.raises(ConfigurationError, match=message):
        connect(rollout)


def test_raw_logprobs_are_those_of_temperature_one(stand_in):
    stand_in.server.pages["/server_info"] = without("vllm_config", "model_config", "logprobs_mode")
    model = connect(RolloutConfig(vllm_server_url=stand_in.server.url + "/", temperature=1.0, max_new_tokens=9))
    assert (model.model, model.base_url, model.max_tokens) == ("tracer1-test", stand_in.server.url, 9)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (("rollout.engine=vllm",), r"got vllm \(colocate\); or use way: replay"),
        (("rollout.engine=transformers",), "got transformers; or use way: replay"),
        (("rollout.engine=vllm", "rollout.vllm_mode=server"), "needs rollout.vllm_server_url; start one with VLLM_SER"),
    ],
)
def test_what_the_graph_cannot_ask_is_refused(planner, tmp_path, monkeypatch, changes, message):
    monkeypatch.setattr("tracer1_agents.training.refusals.is_vllm_available", lambda: True)
    with pytest.raises(ConfigurationError, match=message):
        stage2.train(config(planner, tmp_path, *changes))


def test_without_vllm_nothing_is_loaded_and_a_dry_run_says_what_is_missing(planner, tmp_path, monkeypatch, capsys):
    one = config(planner, tmp_path, "rollout.engine=vllm", "rollout.way=replay")
    monkeypatch.setattr("tracer1_agents.training.refusals.is_vllm_available", lambda: False)
    dry_run(one)
    monkeypatch.setattr("tracer1_agents.training.grpo.load_planner", None)
    with pytest.raises(MissingExtraError, match=r"vllm_mode: colocate.*\[vllm\]"):
        stage2.train(one)
    said = capsys.readouterr().out
    assert 'the run itself: rollout.engine: vllm (vllm_mode: colocate) needs the optional extra "vllm"' in said


@pytest.mark.parametrize("drive", ["sync", "async"])
def test_a_policy_keeps_what_was_sent_and_drawn(drive):
    server = VllmServer([429, completion(finish_reason="length"), completion("again")])
    row = load_mixture(load_config(stage2.Stage2Config, "tiny/stage2", SMALL).data).rows[0]
    model = VllmChatModel(model="tracer1-test", base_url=server.url, temperature=1.0)
    policy = ServerPolicy(model, row, seed=11, retries=Retries(attempts=2, first_wait=0.001))
    for _ in range(2):
        if drive == "sync":
            policy.sample(row.messages, horizon=1)
        else:
            asyncio.run(policy.asample(row.messages, horizon=1))
    server.close()
    sent, sample = policy.first_call()
    assert sent == row.messages
    assert (sample.prompt_ids, sample.finish_reason, len(sample.completion_ids)) == ((1, 2, 3), "length", len(REPLY))
    assert len(sample.logprobs) == len(REPLY)
    first, busy_again, second = (body["seed"] for body, _ in server.asked)
    assert first == busy_again == 11 != second


def test_screenshots_are_sent_as_the_trainer_sees_them(tmp_path):
    pillow = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    import io  # noqa: PLC0415

    pillow.new("RGB", (8, 4), "red").save(tmp_path / "a.jpg")
    ref = ImageRef(ref=str(tmp_path / "a.jpg"), width=4, height=2)
    content = RowPictures([ref]).get(ref.ref)
    assert content.startswith(b"\x89PNG")
    assert pillow.open(io.BytesIO(content)).size == (4, 2)
