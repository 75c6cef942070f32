"""Weights that are spread over several processes: what is looked at, refused and saved. Nothing here has several."""

import pytest

pytest.importorskip("accelerate", reason="accelerate is not installed (extra train)")
pytest.importorskip("peft", reason="peft is not installed (extra train)")

import peft
import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Shard, distribute_tensor
from torch.testing._internal.distributed.fake_pg import FakeStore

from tracer1_agents.training.lengths import RowTokens
from tracer1_agents.training.models import load_planner, lora_config, merged_weights
from tracer1_agents.training.monitor import Monitor
from tracer1_agents.training.preflight import _blind_problems
from tracer1_agents.training.settings import LoraConfig, ModelConfig

pytestmark = pytest.mark.torch


@pytest.fixture
def first_of_two():
    torch.distributed.init_process_group("fake", rank=0, world_size=2, store=FakeStore())
    yield init_device_mesh("cpu", (2,))
    torch.distributed.destroy_process_group()


def change_of(model, folder, update):
    monitor = Monitor(folder, list, sample_steps=1, max_minutes=None)
    monitor.on_step_begin(None, None, None, model=model)
    update()
    monitor.on_optimizer_step(None, None, None, model=model)
    return monitor.change


def test_how_far_sharded_weights_move_is_seen_in_the_part_held_here(first_of_two, tmp_path):
    """Seven rows over two processes: as a whole such a tensor cannot even be flattened."""
    model = torch.nn.Linear(5, 7, bias=False)
    model.weight = torch.nn.Parameter(distribute_tensor(model.weight.data, first_of_two, [Shard(0)]))
    assert change_of(model, tmp_path, lambda: model.weight.data.to_local().add_(0.5)) == pytest.approx(0.5)


def test_how_far_partitioned_weights_move_is_seen_too(tmp_path):
    """ZeRO-3 leaves an empty tensor, with this process's part beside it."""
    model = torch.nn.Linear(5, 7, bias=False)
    model.weight.data = torch.zeros(0)
    assert change_of(model, tmp_path, lambda: None) == 0.0
    model.weight.ds_tensor = torch.zeros(18)
    assert change_of(model, tmp_path, lambda: model.weight.ds_tensor.add_(0.25)) == pytest.approx(0.25)


@pytest.mark.parametrize("targets", ["all-linear", "q_proj,up_proj"])
def test_adapters_are_merged_without_the_model(planner, targets):
    model = peft.get_peft_model(
        load_planner(ModelConfig(path=str(planner))).model, lora_config(LoraConfig(rank=2, alpha=8, targets=targets))
    )
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)
    found = merged_weights(
        model.peft_config["default"], {name: one.clone() for name, one in model.state_dict().items()}
    )
    expected = model.merge_and_unload().state_dict()
    assert set(found) == set(expected)
    for name, weight in expected.items():
        torch.testing.assert_close(found[name], weight)


def test_prompts_with_and_without_pictures_do_not_go_with_spread_weights():
    shown, blind = RowTokens("a", 9, (4,), 16, 3), RowTokens("b", 9, (), 0, 3)
    assert _blind_problems([shown]) == _blind_problems([blind]) == []
    (problem,) = _blind_problems([shown, blind])
    assert "1 of 2 prompts show no picture, such as b" in problem
