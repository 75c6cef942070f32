"""The config at the paper's scale loads, and its memory fits the card it names."""

import pytest

pytest.importorskip("trl", reason="trl is not installed")

import torch
from transformers import AutoModelForImageTextToText, Qwen3VLConfig

from tracer1_agents.planner.profiles import profile_named
from tracer1_agents.training.config import load_config
from tracer1_agents.training.grpo import check_engine
from tracer1_agents.training.memory import GIB, Workload, estimate_memory
from tracer1_agents.training.stage1 import Stage1Config

pytestmark = pytest.mark.torch


@pytest.fixture
def config():
    return load_config(Stage1Config, "qwen3vl-8b/stage1")


def test_it_has_the_papers_mixture(config):
    check_engine(config)
    names = {source.reader for source in config.data.sources}
    assert names == {"agentnet", "androidcontrol", "gui_odyssey", "mind2web", "agenttrek", "mm_traj"}
    assert {source.weight for source in config.data.sources} == {1.0}
    assert all(source.path.startswith("$TRACER1_DATA_ROOT/") for source in config.data.sources)
    assert config.data.images
    assert profile_named(config.data.profile).supports_images


def test_it_fits_the_card_by_our_estimate(config):
    architecture = Qwen3VLConfig(
        text_config={
            "hidden_size": 4096,
            "num_hidden_layers": 36,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "intermediate_size": 12_288,
            "vocab_size": 151_936,
        },
        vision_config={
            "depth": 27,
            "hidden_size": 1152,
            "intermediate_size": 4304,
            "num_heads": 16,
            "out_hidden_size": 4096,
        },
    )
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(architecture)
    assert sum(part.numel() for part in model.parameters()) == pytest.approx(8.77e9, rel=1e-3)
    patches = config.data.max_pixels // 16**2
    work = Workload(
        completions=config.rollout.prompts_per_update * config.rollout.group_size,
        prompt_tokens=patches // 4 + 2000,
        patches=patches,
        mean_patches=patches,
    )
    card = 80 * GIB
    memory = estimate_memory(model, config.model, config.rollout, config.trainer, work, card)
    assert 50 * GIB < memory.peak < 0.9 * card
    full = config.model.model_copy(update={"lora": None})
    assert estimate_memory(model, full, config.rollout, config.trainer, work, card).peak > card
