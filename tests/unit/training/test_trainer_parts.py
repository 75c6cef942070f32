"""What a run with vLLM or screenshots needs of the trainer, without either."""

import math
from types import SimpleNamespace

import pytest

pytest.importorskip("trl", reason="trl is not installed (extra train)")
pytest.importorskip("PIL", reason="Pillow is not installed")

import torch
from PIL import Image

from tracer1_agents.errors import TrainingError
from tracer1_agents.training import grpo, stage1, trainer
from tracer1_agents.training.mixture import MixtureConfig, load_mixture
from tracer1_agents.training.models import load_planner
from tracer1_agents.training.monitor import Monitor
from tracer1_agents.training.sampler_check import GapLimits
from tracer1_agents.training.settings import ModelConfig
from tracer1_agents.training.trainer import ForecastTrainer

pytestmark = pytest.mark.torch


def drawn_by_vllm(gaps):
    """Two replies of three tokens with what TRL adds where vLLM has sampled."""
    sampled = torch.full((2, 3), -2.0)
    return {
        "completion_ids": torch.arange(6).view(2, 3),
        "completion_mask": torch.ones(2, 3, dtype=torch.long),
        "old_per_token_logps": sampled + torch.tensor(gaps),
        "sampling_per_token_logps": sampled,
        "importance_sampling_ratio": torch.tensor([[0.0], [7.0]]),  # over whole replies
    }


def fake_trainer(**attributes):
    return SimpleNamespace(
        first_pair_only=True,
        mixture=SimpleNamespace(rows=[SimpleNamespace(grammar=None)]),
        _tokenizer=None,
        accelerator=SimpleNamespace(gather=lambda value: value.view(1), device=torch.device("cpu")),
        vllm_importance_sampling_mode="sequence_mask",
        vllm_importance_sampling_clip_min=None,
        vllm_importance_sampling_clip_max=3.0,
        state=SimpleNamespace(global_step=4),
        gaps=GapLimits(None, 1.0),
        **attributes,
    )


def test_the_correction_for_vllm_is_over_what_is_trained(monkeypatch):
    """The first two tokens are trained; the last one of the first reply would leave it out, of the second does."""
    monkeypatch.setattr(trainer, "first_pair_tokens", lambda *_: 2)
    output = drawn_by_vllm([[0.1, 0.2, 5.0], [1.0, 0.2, -1.0]])
    ForecastTrainer._mask(fake_trainer(), output, [{"row": 0}] * 2, [False] * 2)
    expected = torch.tensor([[0.3], [0.0]])
    expected[0] = expected[0].exp()  # e to the 1.2 of the second is above 3
    torch.testing.assert_close(output["importance_sampling_ratio"], expected)


def test_a_token_that_vllm_could_not_score_does_not_end_the_run():
    output = drawn_by_vllm([[0.1, 0.2, 0.3], [0.0, 0.0, 0.0]])
    output["sampling_per_token_logps"][0, 2] = torch.nan
    ForecastTrainer._check_server_weights(fake_trainer(), output)
    output["old_per_token_logps"] -= 2.0
    with pytest.raises(trainer.TrainingError, match=r"differ by 1\.\d+ on average"):
        ForecastTrainer._check_server_weights(fake_trainer(), output)


def test_a_screenshot_is_opened_once_for_all_micro_batches_of_an_update(monkeypatch):
    opened = []
    monkeypatch.setattr(grpo, "load_picture", lambda image: opened.append(image) or Image.new("RGB", (4, 4)))
    rows = [SimpleNamespace(images=(f"{number}.png",) if number else (), chat=list) for number in range(3)]
    data = grpo.as_dataset(SimpleNamespace(rows=rows), reads_images=True)
    for _ in range(3):  # TRL's loader asks for the whole generation batch with every micro-batch
        batch = data[[0, 0, 1, 1]]
        assert [len(images) for images in batch["images"]] == [0, 0, 1, 1]
    assert opened == ["1.png"]
    data[[2, 2, 1, 1]]
    assert opened == ["1.png", "2.png"]
    data[[0, 0, 2, 2]]
    data[[1]]
    assert opened == ["1.png", "2.png", "1.png"]  # only those of the newest batch are held


def test_a_reply_is_read_whole_whatever_the_tokenizer_leaves_of_it(planner):
    """TRL hands over what the tokenizer's response template makes of a reply: its tool calls are no text."""
    read = load_planner(ModelConfig(path=str(planner)))
    source = {"reader": "taskgen", "count": 2, "seed": 11}
    mixture = load_mixture(
        MixtureConfig.model_validate({"profile": "qwen-tool-call", "horizon": 3, "sources": [source]})
    )
    row = mixture.rows[0]
    ids = [*read.tokenizer(row.reply, add_special_tokens=False)["input_ids"], read.tokenizer.eos_token_id]
    reward = stage1.assemble(
        stage1.Stage1Config.model_validate({"data": {"sources": [source]}, "rollout": {"engine": "transformers"}}),
        read,
        mixture,
    ).reward
    emptied = [[{"role": "assistant", "content": "", "tool_calls": []}]]
    assert reward(completions=emptied, completion_ids=[ids], row=[0], log_metric=lambda *_: None) == [1.0]


def test_what_sampler_and_trainer_may_differ_by():
    strict, average = GapLimits(token=1e-3, mean=1e-3), GapLimits(token=None, mean=0.1)
    strict.check(5e-4, 4e-7)
    average.check(3.0, 0.02)
    with pytest.raises(TrainingError, match=r"differ by up to 3, allowed is 0\.001;.* raise trainer\.max_logprob_gap"):
        strict.check(3.0, 0.02)
    for mean in (0.2, math.nan):
        with pytest.raises(TrainingError, match=r"differ on average by .* raise trainer\.max_mean_logprob_gap"):
            average.check(3.0, mean)


def test_a_log_that_finds_no_room_is_told(tmp_path):
    (tmp_path / "log.jsonl").symlink_to("/dev/full")
    with pytest.raises(TrainingError, match=r"log\.jsonl could not be written: .*No space left.*go on with --resume"):
        Monitor(tmp_path, list, sample_steps=1, max_minutes=None).write(event="start")
