"""One update of stage 1 on screenshots, through TRL's own generation, beside prompts without a picture."""

import random

import pytest

pytest.importorskip("trl", reason="trl is not installed")
pytest.importorskip("PIL", reason="Pillow is not installed")

import torch
from PIL import Image

from tracer1_agents.actions.space import Click, Finish, Point
from tracer1_agents.training.mixture import Mixture
from tracer1_agents.training.models import load_planner
from tracer1_agents.training.rows import PromptOptions, rows_of
from tracer1_agents.training.settings import ModelConfig
from tracer1_agents.training.stage1 import Stage1Config, build_trainer
from tracer1_agents.training.vision_model import save_vision_planner
from tracer1_agents.types import ImageRef, Observation, ReferenceStep, ReferenceTrajectory

pytestmark = [pytest.mark.torch, pytest.mark.slow]


def trajectory(folder, name, *, pictured):
    image = None
    if pictured:
        path = folder / f"{name}.png"
        Image.frombytes("RGB", (96, 64), random.Random(name).randbytes(3 * 96 * 64)).save(path)
        image = ImageRef(ref=str(path), width=96, height=64)
    steps = (
        ReferenceStep(observation=Observation(image=image), action=Click(point=Point(x=0.5, y=0.5)), instruction="Go"),
        ReferenceStep(action=Finish(), instruction="Done"),
    )
    return ReferenceTrajectory(id=name, source="shots", instruction="Reach the end", steps=steps)


@pytest.fixture
def run(tmp_path):
    options = PromptOptions(profile="qwen-tool-call", platform="computer")
    rows = [
        next(rows_of(trajectory(tmp_path, name, pictured=pictured), options))
        for name, pictured in (("a", True), ("b", False), ("c", True), ("d", False))
    ]
    config = Stage1Config.model_validate(
        {
            "model": {"path": str(save_vision_planner(tmp_path / "planner"))},
            "data": {"sources": [{"reader": "taskgen"}]},
            "rollout": {"engine": "transformers", "group_size": 2, "prompts_per_update": 4, "max_new_tokens": 8},
            "trainer": {
                "output_dir": tmp_path / "run",
                "max_steps": 1,
                "micro_batch": 2,
                "beta": 0.0,
                "learning_rate": 1e-3,
            },
        }
    )
    planner = load_planner(ModelConfig(path=config.model.path))
    mixture = Mixture(rows=rows, sizes=[4], weights=[1.0], names=["shots"])
    trainer = build_trainer(config, planner, mixture)
    trainer.reward_funcs = [
        lambda completions, **_: [float(at % 2) for at in range(len(completions))]
    ]  # never constant
    return planner, trainer


def test_screenshots_reach_the_vision_tower_once_each(run):
    planner, trainer = run
    before = [part.detach().clone() for part in planner.model.model.visual.parameters()]
    trainer.train()
    cache = planner.processor.image_processor.cache
    assert (cache.misses, cache.hits) == (2, 6)  # 2 pictures, 2 copies, tokenized and trained on
    after = list(planner.model.model.visual.parameters())
    assert any(not torch.equal(old, new) for old, new in zip(before, after, strict=True))
