"""Both stages on screenshots, beside prompts without a picture: every way to sample, and the trainer agrees with it."""

import os
from pathlib import Path

import pytest

pytest.importorskip("trl", reason="trl is not installed (extra train)")
pytest.importorskip("PIL", reason="Pillow is not installed")

import torch
from training_cases import log_of, pictured, weights

from tracer1_agents.data.store import write_trajectories
from tracer1_agents.training import stage1, stage2
from tracer1_agents.training.config import load_config
from tracer1_agents.training.grounded_rollouts import Scorer
from tracer1_agents.training.grpo import build_trainer
from tracer1_agents.training.mixture import MixtureConfig, load_mixture
from tracer1_agents.training.models import load_planner
from tracer1_agents.training.rows import TrainingRow
from tracer1_agents.training.vision_model import VisionModelConfig, save_vision_planner

pytestmark = [pytest.mark.torch, pytest.mark.slow]
STAGES = {"stage1": (stage1, stage1.Stage1Config), "stage2": (stage2, stage2.Stage2Config)}


@pytest.fixture(scope="module", params=["noise", "agentnet"])
def source(request, tmp_path_factory):
    """Screenshots of noise and none in turn; or published ones."""
    if request.param == "noise":
        folder = tmp_path_factory.mktemp("shots")
        records = [pictured(folder, name, shown=name in "ac") for name in "abcd"]
        write_trajectories(folder / "t.jsonl", records)
        return f"{{reader: store, path: {folder / 't.jsonl'}, platform: computer}}"
    published = Path(os.environ.get("TRACER1_DATA", ""), "agentnet")
    if not os.environ.get("TRACER1_DATA") or not published.is_dir():
        pytest.skip("needs published sample data: set TRACER1_DATA to its folder")
    return f"{{reader: agentnet, path: {published}, filter: {{limit: 1}}}}"


def overrides(source):
    return [
        f"data={{profile: qwen-tool-call, horizon: 2, history_window: 1, max_pixels: 20000, sources: [{source}]}}",
        "rollout={engine: local, group_size: 2, prompts_per_update: 4, max_new_tokens: 6}",
        "trainer={max_steps: 2, learning_rate: 1.0e-3, beta: 0.0, micro_batch: 4, save_steps: 2}",
    ]


@pytest.fixture(scope="module")
def planner_folder(source, tmp_path_factory):
    """Random weights, and a tokenizer that has seen the prompts, so that they are short."""
    data = load_config(stage1.Stage1Config, "tiny/stage1", overrides(source)).data
    texts = [message.text for row in load_mixture(data).rows[:4] for message in row.messages]
    return save_vision_planner(tmp_path_factory.mktemp("vision") / "planner", VisionModelConfig(vocab_size=900), texts)


def config(stage, planner_folder, source, folder, *changes):
    kind = STAGES[stage][1]
    given = [f"model.path={planner_folder}", *overrides(source), f"trainer.output_dir={folder}", *changes]
    return load_config(kind, f"tiny/{stage}", given)


@pytest.fixture
def never_constant(monkeypatch):
    """What random weights write earns the same everywhere; here the length and the first letter of a reply count."""

    def varied(reply):
        return float(sum(map(ord, reply[:3])) % 7)

    rated, judged = TrainingRow.score, Scorer.score

    def score(self, reply, *args, **options):
        scored = rated(self, reply, *args, **options)
        return type(scored)(scored.forecast, scored.trajectory, varied(reply), scored.metrics)

    def grounded(self, row, reply, outcome):
        scored = judged(self, row, reply, outcome)
        return type(scored)(scored.forecast, scored.trajectory, varied(reply.text), scored.metrics)

    monkeypatch.setattr(TrainingRow, "score", score)
    monkeypatch.setattr(Scorer, "score", grounded)


@pytest.mark.parametrize(
    ("stage", "changes"),
    [("stage1", ()), ("stage2", ("rollout.way=graph",)), ("stage2", ("rollout.way=replay",))],
    ids=["stage1", "graph", "replay"],
)
@pytest.mark.usefixtures("never_constant")
def test_it_trains_on_screenshots(stage, changes, planner_folder, source, tmp_path):
    model = STAGES[stage][0].train(config(stage, planner_folder, source, tmp_path, *changes))
    lines = log_of(tmp_path)
    assert [line["step"] for line in lines] == [1, 2]
    if "rollout.way=replay" not in changes:
        print("largest gap", lines[0]["sampling/first_batch_gap_max"])  # noqa: T201
        assert lines[0]["sampling/first_batch_gap_max"] < 1e-4
    before, after = weights(planner_folder), weights(model)
    assert any(not torch.equal(before[name], after[name]) for name in before if "visual" in name)


def test_the_gate_sees_a_sampler_that_was_shown_other_pictures(planner_folder, source, tmp_path, monkeypatch):
    from tracer1_agents.errors import TrainingError  # noqa: PLC0415
    from tracer1_agents.training import encoding  # noqa: PLC0415

    opened = encoding.load_picture
    monkeypatch.setattr(encoding, "load_picture", lambda ref: opened(ref).point(lambda value: 255 - value))
    with pytest.raises(TrainingError, match="sampler and trainer disagree"):
        stage1.train(config("stage1", planner_folder, source, tmp_path, "trainer.max_logprob_gap=1e-5"))


def test_a_screenshot_is_processed_once(planner_folder, source, tmp_path):
    changes = ("rollout.engine=transformers", "trainer.max_steps=1", "trainer.micro_batch=2")
    settings = config("stage1", planner_folder, source, tmp_path, *changes)
    planner, mixture = load_planner(settings.model), load_mixture(MixtureConfig(**dict(settings.data)))
    mixture.rows, mixture.sizes = mixture.rows[:4], [4]
    trainer = build_trainer(settings, planner, mixture, stage1.assemble(settings, planner, mixture))
    trainer.train()
    shown = {row.images[0].ref for row in mixture.rows if row.images}
    cache = planner.processor.image_processor.cache
    assert (cache.misses, cache.hits) == (len(shown), 3 * len(shown))  # two copies, tokenized and trained on
