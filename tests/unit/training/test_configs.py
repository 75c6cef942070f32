"""The config at the paper's scale loads, and its memory fits the card it names."""

import re

import pytest

pytest.importorskip("trl", reason="trl is not installed")

import torch

from tracer1_agents.errors import ConfigurationError
from tracer1_agents.planner.profiles import profile_named
from tracer1_agents.tools.grounding_profiles import grounding_profile
from tracer1_agents.training.config import describe, load_config
from tracer1_agents.training.memory import GIB, Workload, estimate_memory, vllm_tokens
from tracer1_agents.training.refusals import check_engine
from tracer1_agents.training.stage1 import Stage1Config
from tracer1_agents.training.stage2 import Stage2Config
from tracer1_agents.training.vision_model import QWEN3_VL_8B, build_vision_planner

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
    with torch.device("meta"):
        model = build_vision_planner(QWEN3_VL_8B).model
    assert sum(part.numel() for part in model.parameters()) == pytest.approx(8.77e9, rel=1e-3)  # as published
    patches = config.data.max_pixels // 16**2
    work = Workload(
        completions=config.rollout.prompts_per_update * config.rollout.group_size,
        prompts=config.rollout.prompts_per_update,
        prompt_tokens=patches // 4 + 2000,
        patches=patches,
        mean_patches=patches,
    )
    card = 80 * GIB
    memory = estimate_memory(model, config.model, config.rollout, config.trainer, work, card)
    assert 50 * GIB < memory.peak < 0.9 * card
    positions = model.config.get_text_config().max_position_embeddings
    fit = vllm_tokens(model, config.model, config.rollout, card)
    assert config.rollout.vllm_length < fit < positions  # vLLM would not start with room for all positions
    full = config.model.model_copy(update={"lora": None})
    assert estimate_memory(model, full, config.rollout, config.trainer, work, card).peak > card


def test_stage2_has_an_agent_for_every_platform():
    config = load_config(Stage2Config, "qwen3vl-8b/stage2")
    check_engine(config)
    sources = {source.reader for source in config.data.sources}
    assert set(config.executors.grounding) <= sources
    for agent in config.executors.grounding.values():
        assert grounding_profile(agent.profile or agent.model).name.startswith("ui-tars")
    assert (config.rollout.way, config.scope, config.trajectory_weight) == ("replay", "first", 0.0)


def test_help_lists_the_keys_of_sources_and_shows_every_default():
    told = describe(Stage2Config)
    for key in ("data.sources[].part_by", "data.sources[].filter.min_steps", "data.sources[].world.slack"):
        assert told.count(f"  {key} (default ") == 1, key
    assert "data.sources[].path (required)" in told
    assert "grounded.matchers (default {})" in told
    assert not re.search(r"PydanticUndefined|Path\(|frozenset\(", told)


def test_a_config_that_names_no_folder_keeps_the_stages_apart():
    folders = [kind.model_fields["trainer"].default.output_dir for kind in (Stage1Config, Stage2Config)]
    assert [str(folder) for folder in folders] == ["runs/stage1", "runs/stage2"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\xff\xfea", "cannot be read .*UTF-8"),
        (b"[" * 100_000, "brackets within brackets"),
        (b"\0", "not YAML"),
        (b"trainer: {max_steps: 1}\nseed: 1\ntrainer: {seed: 2}\n", "trainer is in line 1 and again in line 3"),
        (b"data:\n  sources:\n  - name: a\n    weight: 1\n    weight: 2\n", "weight is in line 4 and again in line 5"),
    ],
)
def test_a_file_of_something_else_is_no_config(tmp_path, content, told):
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=told):
        load_config(Stage1Config, str(path))
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_config(Stage1Config, "x" * 300)
