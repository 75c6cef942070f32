"""Folders of models that cannot be trained: damaged ones and other families, told in one line."""

from __future__ import annotations

import shutil

import pytest

pytest.importorskip("torch", reason="torch is not installed")

from transformers import GPT2Config, MambaConfig, OPTConfig, T5Config

from tracer1_agents.errors import ConfigurationError
from tracer1_agents.training.models import load_planner, outline_planner
from tracer1_agents.training.settings import ModelConfig

pytestmark = pytest.mark.torch


@pytest.fixture
def folder(planner, tmp_path):
    return shutil.copytree(planner, tmp_path / "model")


def refused(read, folder):
    with pytest.raises(ConfigurationError) as error:
        read(ModelConfig(path=str(folder)))
    assert len(str(error.value)) < 500
    return str(error.value)


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (GPT2Config, "is of the family gpt2, which has no intermediate_size"),
        (OPTConfig, "is of the family opt, which has no intermediate_size"),
        (MambaConfig, "is of the family mamba, which has no "),
        (T5Config, "is of the family t5, which has "),
    ],
)
@pytest.mark.parametrize("read", [load_planner, outline_planner])
def test_other_families_are_refused_by_name(folder, read, kind, why):
    kind().save_pretrained(folder)
    told = refused(read, folder)
    assert why in told
    assert "choose a model.path with a decoder built like those of Llama and Qwen2" in told


def test_weights_that_are_cut_off_are_told(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    assert "the weights (*.safetensors)" in refused(load_planner, folder)
    outline_planner(ModelConfig(path=str(folder)))  # which does not need them


@pytest.mark.parametrize("read", [load_planner, outline_planner])
def test_a_model_without_a_chat_template_is_refused(folder, read):
    planner = load_planner(ModelConfig(path=str(folder)))
    planner.tokenizer.chat_template = None
    for file in folder.glob("*.jinja"):
        file.unlink()
    planner.tokenizer.save_pretrained(folder)
    assert "has no chat template" in refused(read, folder)
