"""What processes settle together; that several really do is tested in `test_two_processes.py`."""

import math

import pytest

pytest.importorskip("accelerate", reason="accelerate is not installed (extra train)")

import torch
from transformers import TrainingArguments

from tracer1_agents.errors import ConfigurationError, TrainingError
from tracer1_agents.training import processes
from tracer1_agents.training.mixture import load_mixture

pytestmark = pytest.mark.torch
CPU = torch.device("cpu")


@pytest.fixture
def second_of_two(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr(processes, "join", lambda: None)


def test_alone_everything_is_ones_own():
    assert processes.is_first()
    assert processes.from_first(lambda: 3) == 3
    assert processes.largest(-2.0, CPU) == -2.0
    assert processes.total(2.5, CPU) == 2.5
    processes.check_same("rows", "a")
    processes.wait_for_all()


def test_processes_wait_for_one_another_as_long_as_transformers_lets_them(monkeypatch):
    met = []
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(processes, "PartialState", lambda **options: met.append(options))
    processes.join()
    assert met[0]["timeout"].total_seconds() == TrainingArguments.ddp_timeout  # NCCL's own is 10 minutes


def test_others_hear_what_the_first_decides(second_of_two, monkeypatch):
    monkeypatch.setattr(processes, "broadcast_object_list", lambda said: ["a checkpoint", None])
    assert processes.from_first(pytest.fail) == "a checkpoint"
    monkeypatch.setattr(processes, "broadcast_object_list", lambda said: [None, "the folder is taken"])
    with pytest.raises(ConfigurationError, match="the folder is taken"):
        processes.from_first(pytest.fail)


def test_the_first_tells_the_others_before_it_stops(second_of_two, monkeypatch):
    monkeypatch.setenv("RANK", "0")
    told = []
    monkeypatch.setattr(processes, "broadcast_object_list", lambda said: told.append(said) or said)

    def refuse():
        message = "the folder is taken"
        raise ConfigurationError(message)

    with pytest.raises(ConfigurationError, match="the folder is taken"):
        processes.from_first(refuse)
    assert told == [[None, "the folder is taken"]]


def test_processes_that_read_other_rows_are_named(second_of_two, monkeypatch):
    monkeypatch.setattr(processes, "gather_object", lambda values: ["a", "b", "a", "c"])
    with pytest.raises(TrainingError, match=r"the rows differ: processes \[1, 3\] have others than process 0"):
        processes.check_same("the rows", "a")


def test_one_value_that_is_no_number_is_the_largest(second_of_two, monkeypatch):
    monkeypatch.setattr(processes, "gather", lambda value: torch.cat([value, torch.tensor([math.nan])]))
    assert math.isnan(processes.largest(1.0, CPU))


@pytest.mark.parametrize(("count", "share"), [(1, 8), (3, 2), (16, 1)])
def test_executors_are_shared_out(monkeypatch, count, share):
    pytest.importorskip("trl", reason="trl is not installed (extra train)")
    from tracer1_agents.training import stage2  # noqa: PLC0415

    monkeypatch.setenv("WORLD_SIZE", str(count))
    source = {"reader": "taskgen", "count": 1, "families": ["arithmetic"]}
    config = stage2.Stage2Config.model_validate({"data": {"sources": [source]}, "executors": {"concurrency": 8}})
    world = stage2.build_world(config, load_mixture(config.data))
    assert world.by_source["taskgen"].slots._free == share


def test_counts_are_summed_and_rates_averaged_whichever_process_has_them(monkeypatch):
    found = [
        {"graph/calls": 3.0, "zero_rate/exact": 0.5},
        {"graph/calls": 4.0, "zero_rate/boxes": 1.0, "zero_rate/exact": 0.1},
    ]
    monkeypatch.setattr(processes, "process_count", lambda: 2)
    monkeypatch.setattr(processes, "gather_object", lambda _: found)
    expected = {"graph/calls": 7.0, "zero_rate/boxes": 1.0, "zero_rate/exact": pytest.approx(0.3)}
    assert processes.combined(found[0]) == expected
