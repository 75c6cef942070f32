"""Stage 1 in small: it learns, resumes exactly, agrees with its sampler, and stops when something goes wrong."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import islice
from types import SimpleNamespace

import pytest

pytest.importorskip("trl", reason="trl is not installed (extra train)")

import torch
from training_cases import log_of, trajectory, weights

from tracer1_agents.data.store import write_trajectories
from tracer1_agents.errors import ConfigurationError, TrainingError
from tracer1_agents.rewards.trajectory import RewardConfig
from tracer1_agents.serving.engine import SamplingEngine
from tracer1_agents.serving.sampling import Sample
from tracer1_agents.training import rollouts, stage1, stage2, warmstart
from tracer1_agents.training.checkpoints import claimed, mark_complete, newest_checkpoint
from tracer1_agents.training.config import load_config
from tracer1_agents.training.models import load_planner
from tracer1_agents.training.rollouts import Place, seed_of
from tracer1_agents.training.rows import PromptOptions, TrainingRow, rows_of
from tracer1_agents.training.settings import ModelConfig, RolloutConfig
from tracer1_agents.training.trainer import ForecastTrainer

pytestmark = pytest.mark.torch
SMALL = [
    "data={profile: compact, horizon: 3, sources: [{reader: taskgen, count: 12, seed: 5, families: [arithmetic]}]}",
    "rollout={engine: local, group_size: 4, prompts_per_update: 2, max_new_tokens: 12}",
    "trainer={max_steps: 4, learning_rate: 1.0e-3, beta: 0.0, micro_batch: 4, save_steps: 2, sample_steps: 2}",
]


def config(planner, folder, *changes):
    return load_config(
        stage1.Stage1Config,
        "tiny/stage1",
        [f"model.path={planner}", *SMALL, f"trainer.output_dir={folder}", *changes],
    )


def rewarded(monkeypatch, total):
    """Any reward that differs within a group will do where the forecasts of random weights all earn the same."""
    original = stage1.LocalRollouts._scored

    def scored(self, place, example, sample):
        rollout = original(self, place, example, sample)
        return replace(rollout, scored=replace(rollout.scored, total=float(total(place, sample))))

    monkeypatch.setattr(stage1.LocalRollouts, "_scored", scored)


def test_it_runs_logs_and_saves(planner, tmp_path):
    model = stage1.train(config(planner, tmp_path))
    assert weights(model)
    lines = log_of(tmp_path)
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    for key in ("reward", "parts/align", "reward/taskgen", "frac_reward_zero_std", "step_time", "entropy"):
        assert key in lines[0], key
    assert lines[0]["sampling/first_batch_gap_max"] < 1e-4
    assert "sampling/first_batch_gap_max" not in lines[1]
    sample = json.loads((tmp_path / "samples.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert {"prompt", "reply", "reference", "reward", "parts", "outcome"} <= set(sample)
    assert (tmp_path / "checkpoint-4" / "complete").exists()


def test_a_resumed_run_is_the_run_itself_in_a_later_epoch(planner, tmp_path, monkeypatch):
    """12 rows make 6 updates an epoch; the resumed part lies in the second."""
    rewarded(monkeypatch, lambda place, sample: sum(sample.completion_ids) % 7)
    seen = {}

    def record(name):
        original = stage1.LocalRollouts._original

        def collect(self, model, tokenizer, places, update):
            seen.setdefault(name, []).append((update, [place.row for place in places]))
            return original(self, model, tokenizer, places, update)

        monkeypatch.setattr(stage1.LocalRollouts, "collect", collect)

    longer = ("trainer.max_steps=10", "trainer.save_steps=4", "trainer.keep_checkpoints=9")
    monkeypatch.setattr(stage1.LocalRollouts, "_original", stage1.LocalRollouts.collect, raising=False)
    record("whole")
    whole = weights(stage1.train(config(planner, tmp_path / "a", *longer)))
    monkeypatch.setattr(stage1.LocalRollouts, "collect", stage1.LocalRollouts._original)
    stage1.train(config(planner, tmp_path / "b", "trainer.max_steps=8", *longer[1:]))
    record("resumed")
    resumed = weights(stage1.train(config(planner, tmp_path / "b", *longer), resume=True))
    assert [update for update, _ in seen["resumed"]] == [8, 9]
    assert seen["resumed"] == seen["whole"][8:]
    assert seen["whole"][6][1] != seen["whole"][0][1]  # a new epoch has a new order
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_run_out_of_time_ends_after_a_batchs_updates_and_resumes_as_the_run_itself(planner, tmp_path, monkeypatch):
    rewarded(monkeypatch, lambda place, sample: sum(sample.completion_ids) % 7)
    twice = "trainer.num_iterations=2"
    whole = weights(stage1.train(config(planner, tmp_path / "a", twice)))
    stage1.train(config(planner, tmp_path / "b", twice, "trainer.max_minutes=1e-6"))
    assert newest_checkpoint(tmp_path / "b").name == "checkpoint-2"
    resumed = weights(stage1.train(config(planner, tmp_path / "b", twice), resume=True))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_resumed_run_takes_the_learning_rate_it_is_told(planner, tmp_path, monkeypatch):
    rewarded(monkeypatch, lambda place, sample: sum(sample.completion_ids) % 7)
    stage1.train(config(planner, tmp_path, "trainer.max_steps=1", "trainer.learning_rate=4e-4"))
    lower = ("trainer.max_steps=3", "trainer.learning_rate=1e-6", "trainer.warmup_steps=0")
    stage1.train(config(planner, tmp_path, *lower), resume=True)
    assert [line["learning_rate"] for line in log_of(tmp_path)] == pytest.approx([4e-4, 1e-6, 1e-6])


@pytest.mark.parametrize("over", ["trainer.max_minutes=1e-6", "trainer.max_steps=1"])
def test_a_run_that_is_over_is_not_gone_on_with(planner, tmp_path, monkeypatch, over):
    rewarded(monkeypatch, lambda place, sample: sum(sample.completion_ids) % 7)
    first = weights(stage1.train(config(planner, tmp_path, over)))
    (tmp_path / "model" / "model.safetensors").unlink()  # as if it had been killed before it wrote the planner
    again = weights(stage1.train(config(planner, tmp_path, over), resume=True))
    assert len(log_of(tmp_path)) == 1
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_what_takes_a_rows_place_is_drawn_by_the_sources_weights():
    collector = stage1.LocalRollouts(range(1000), RolloutConfig(), RewardConfig(), seed=0)
    collector.shares = [(990, 0.5), (10, 0.5)]
    drawn = [row for update in range(200) for row in islice(collector._spare_rows(update, {0, 1}), 4)]
    assert 0.4 < sum(row >= 990 for row in drawn) / len(drawn) < 0.6
    small = list(islice(collector._spare_rows(0, {0}), 200))  # the small source begins again when it is used up
    assert sum(row >= 990 for row in small) > 60


def test_a_checkpoint_within_a_batchs_updates_is_not_gone_on_from(planner, tmp_path):
    twice = "trainer.num_iterations=2"
    stage1.train(config(planner, tmp_path, twice, "trainer.max_steps=3"))
    with pytest.raises(ConfigurationError, match=r"checkpoint-3 lies within the 2 updates on one batch"):
        stage1.train(config(planner, tmp_path, twice, "trainer.max_steps=5"), resume=True)
    stage1.train(config(planner, tmp_path, twice, "trainer.max_steps=3"), resume=True)  # nothing is drawn any more


@pytest.mark.parametrize("loss", ["grpo", "dr_grpo", "dapo"])
def test_the_same_update_whether_or_not_rows_are_sorted_and_left_out(planner, tmp_path, monkeypatch, loss):
    """Half of the rows have groups that earn the same: they are not computed at all."""
    rewarded(monkeypatch, lambda place, sample: place.member == 0 if place.row % 2 else 1.0)
    options = (
        f"trainer.loss_type={loss}",
        "trainer.optimizer=sgd",
        "trainer.max_steps=1",
        "trainer.clip=0",
        "rollout.prompts_per_update=6",
        "trainer.micro_batch=24",
    )
    fast = weights(stage1.train(config(planner, tmp_path / "fast", *options)))
    monkeypatch.setattr(ForecastTrainer, "_parts", lambda self, inputs: [(inputs, 1.0)])
    slow = weights(stage1.train(config(planner, tmp_path / "slow", *options)))
    start = weights(planner)
    assert any(not torch.equal(slow[name], start[name]) for name in slow)
    assert max(float((fast[name] - slow[name]).abs().max()) for name in slow) < 1e-7


def test_a_sampler_that_disagrees_is_refused(planner, tmp_path):
    with pytest.raises(TrainingError, match="sampler and trainer disagree"):
        stage1.train(config(planner, tmp_path, "trainer.max_logprob_gap=1e-12"))


@pytest.mark.parametrize("loss", ["grpo", "dapo"])
def test_a_first_batch_that_is_cut_everywhere_leaves_the_comparison_to_the_next(planner, tmp_path, monkeypatch, loss):
    """Random weights end no reply within two tokens; from the second update on cut replies count too."""
    original = ForecastTrainer._generate_and_score_completions

    def first_only(self, inputs):
        self.mask_truncated_completions = not self.state.global_step
        return original(self, inputs)

    monkeypatch.setattr(ForecastTrainer, "_generate_and_score_completions", first_only)
    options = ("trainer.mask_truncated=true", "trainer.max_steps=2", f"trainer.loss_type={loss}")
    stage1.train(config(planner, tmp_path, *options, "rollout.max_new_tokens=2"))
    first, second = log_of(tmp_path)
    assert first["completions/clipped_ratio"] == 1.0
    assert "sampling/first_batch_gap_max" not in first
    assert second["sampling/first_batch_gap_max"] < 1e-4


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_checkpoint(planner, tmp_path, monkeypatch):
    original = ForecastTrainer._compute_loss

    def broken(self, model, inputs):
        loss = original(self, model, inputs)
        return loss * float("nan") if self.state.global_step == 3 else loss

    monkeypatch.setattr(ForecastTrainer, "_compute_loss", broken)
    with pytest.raises(TrainingError, match=r"the loss is nan at update 4; .*is kept"):
        stage1.train(config(planner, tmp_path))
    assert newest_checkpoint(tmp_path).name == "checkpoint-2"


def test_a_full_disk_is_told_and_the_last_checkpoint_stays(planner, tmp_path, monkeypatch):
    original = torch.save

    def full(value, path, *args, **options):
        if "checkpoint-4" in str(path):
            raise OSError(28, "No space left on device")
        return original(value, path, *args, **options)

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(TrainingError, match=r"checkpoint at update 4 could not be written.*No space left.*--resume"):
        stage1.train(config(planner, tmp_path))
    monkeypatch.undo()
    assert newest_checkpoint(tmp_path).name == "checkpoint-2"
    stage1.train(config(planner, tmp_path), resume=True)
    assert [line["step"] for line in log_of(tmp_path, "start")] == [0, 2]


def test_an_exploding_ratio_stops_the_run(planner, tmp_path, monkeypatch):
    rewarded(monkeypatch, lambda place, sample: sum(sample.completion_ids) % 7)
    changes = ("trainer.num_iterations=2", "trainer.learning_rate=10", "trainer.max_ratio=1.5")
    with pytest.raises(TrainingError, match="a probability ratio reached"):
        stage1.train(config(planner, tmp_path, *changes))


def test_groups_that_teach_nothing_are_replaced(planner, tmp_path, monkeypatch):
    """Only prompts with an even row number earn differing rewards here."""
    rewarded(monkeypatch, lambda place, sample: place.member if place.row % 2 == 0 else 0.0)
    kept = []
    hand_over = ForecastTrainer._hand_over
    monkeypatch.setattr(
        ForecastTrainer,
        "_hand_over",
        lambda self, prompts, trainer: (
            kept.append([one.row for one in self.rollouts]) or hand_over(self, prompts, trainer)
        ),
    )
    stage1.train(config(planner, tmp_path, "rollout.resample_rounds=8", "trainer.max_steps=3"))
    assert all(row % 2 == 0 for rows in kept for row in rows)
    assert all(len(set(rows[at : at + 4])) == 1 for rows in kept for at in (0, 4))
    assert sum(line["groups/replaced"] for line in log_of(tmp_path)) > 0


@pytest.mark.parametrize(("row", "taught"), [(0, False), (1, False), (2, False), (3, True)])
def test_a_group_teaches_by_rewards_that_differ(monkeypatch, row, taught):
    """No reward is nothing to differ from, and neither is a difference that rounding makes."""
    totals = [(None, None), (0.5, None), (0.5, 0.5 + 1e-7), (0.5, 0.5 + 1e-5)]
    monkeypatch.setattr(rollouts, "SamplingEngine", lambda model, processor: None)
    monkeypatch.setattr(
        stage1.LocalRollouts,
        "_draw",
        lambda self, engine, places, update: [
            SimpleNamespace(row=place.row, scored=SimpleNamespace(total=totals[place.row][place.member]))
            for place in places
        ],
    )
    rows = [SimpleNamespace(key=f"row {at}") for at in range(4)]
    collector = stage1.LocalRollouts(rows, RolloutConfig(group_size=2, resample_rounds=20), RewardConfig(), seed=1)
    found = collector.collect(None, None, [Place(row, 0), Place(row, 1)], 0)
    assert [one.row for one in found] == [3, 3]
    assert collector.metrics() == {"groups/replaced": 0.0 if taught else 1.0}


def test_two_groups_of_a_row_in_one_update_have_replies_of_their_own(planner, tmp_path, monkeypatch):
    """The second source has one row and most of the weight; a row's first group keeps the seed without a count."""
    drawn, asked = [], []
    draw, sample = stage1.LocalRollouts._draw, SamplingEngine.sample
    monkeypatch.setattr(
        SamplingEngine, "sample", lambda self, requests: asked.extend(requests) or sample(self, requests)
    )
    monkeypatch.setattr(
        stage1.LocalRollouts, "_draw", lambda *given: drawn.append((given[0], given[2], draw(*given))) or drawn[-1][2]
    )
    sources = "data.sources=[{reader: taskgen, count: 12}, {reader: taskgen, name: one, count: 1, weight: 9}]"
    few = ("rollout.prompts_per_update=4", "rollout.resample_rounds=0", "trainer.max_steps=1")
    stage1.train(config(planner, tmp_path, sources, *few))
    ((collector, places, rollouts),) = drawn
    again = next(place.row for place in places if place.occurrence)
    twice = [at for at, place in enumerate(places) if place.row == again and place.occurrence < 2]
    assert [(places[at].occurrence, places[at].member) for at in twice] == [(n, at) for n in (0, 1) for at in range(4)]
    replies = [rollouts[at].sample.completion_ids for at in twice]
    assert all(one != other for one, other in zip(replies[:4], replies[4:], strict=True))
    key = collector.rows[places[twice[0]].row].key
    assert [asked[at].seed for at in twice[:4]] == [seed_of(collector.seed, 0, key, member) for member in range(4)]


@pytest.mark.parametrize("processes", [1, 2])
def test_no_two_processes_draw_one_reply_twice(monkeypatch, processes):
    """With so few rows both replace a group by the same one, or by one that the other began with."""
    monkeypatch.setattr(rollouts, "SamplingEngine", lambda model, processor: None)
    monkeypatch.setenv("WORLD_SIZE", str(processes))
    rows = [SimpleNamespace(key=f"row {at}") for at in range(3)]
    seeds = []

    def draw(self, engine, places, update):
        seeds.extend(self._seed(place, update) for place in places)
        constant = SimpleNamespace(scored=SimpleNamespace(total=0.0))
        return [constant] * len(places)

    monkeypatch.setattr(stage1.LocalRollouts, "_draw", draw)
    for process in range(processes):
        monkeypatch.setenv("RANK", str(process))
        collector = stage1.LocalRollouts(rows, RolloutConfig(group_size=2, resample_rounds=3), RewardConfig(), seed=1)
        collector.collect(None, None, [Place(process, 0), Place(process, 1)], 0)
    assert len(seeds) == processes * 2 * 4
    assert len(set(seeds)) == len(seeds)


def test_own_history_is_what_the_policy_would_have_done(planner, monkeypatch):
    """The second step's prompt shows the action that the policy gave for the first, not the reference's."""
    rows = list(rows_of(trajectory(), PromptOptions(horizon=2, platform="mobile")))
    reply = 'open_app(app_name="Calendar") # "wrong"\nwait() # "so be it"'
    asked = []

    def sample(self, requests):
        asked.append(len(requests))
        assert {one.max_thought_tokens for one in requests} <= {9}
        return [Sample(one.prompt_ids, (1,), (0.0,), reply, "stop") for one in requests]

    monkeypatch.setattr(SamplingEngine, "sample", sample)
    loaded = load_planner(ModelConfig(path=str(planner)))
    options = RolloutConfig(group_size=2, max_thought_tokens=9)
    collector = stage1.LocalRollouts(rows, options, RewardConfig(), seed=0, own_history=True)
    places = [Place(2, 0), Place(2, 1)]
    (one, _) = collector.collect(loaded.model, loaded.processor, places, 0)
    prompt = one.example.messages[-1].text
    assert 'open_app(app_name="Calendar")' in prompt
    assert "Clock" not in prompt.partition("\n")[2]
    assert one.example.window.steps == rows[2].window.steps
    assert "Calendar" in one.example.window.known_text  # what can be read is this prompt, not the reference's
    assert list(filter(None, asked)) == [1, 1, 2]  # the step two before, the step before, then the group itself


def test_own_history_trains(planner, tmp_path):
    write_trajectories(tmp_path / "t.jsonl", [trajectory(number) for number in range(3)])
    source = f"data.sources=[{{reader: store, path: {tmp_path / 't.jsonl'}, platform: mobile}}]"
    stage1.train(config(planner, tmp_path / "run", source, "data.history=own", "trainer.max_steps=1"))
    assert log_of(tmp_path / "run")[0]["reward/store"] <= 0  # random weights write nothing readable


def test_a_log_line_that_a_kill_cut_off_does_not_stop_a_resume(planner, tmp_path):
    stage1.train(config(planner, tmp_path, "trainer.max_steps=2"))
    with (tmp_path / "log.jsonl").open("a", encoding="utf-8") as log:
        log.write('{"event": "train", "st')
    stage1.train(config(planner, tmp_path, "trainer.max_steps=3"), resume=True)
    end = (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()[-1]
    assert json.loads(end)["step"] == 3


def test_two_runs_never_share_a_folder(planner, tmp_path):
    with claimed(tmp_path), pytest.raises(ConfigurationError, match="another run is writing"):
        stage1.train(config(planner, tmp_path))
    stage1.train(config(planner, tmp_path, "trainer.max_steps=2"))
    with pytest.raises(ConfigurationError, match="--resume"):
        stage1.train(config(planner, tmp_path))


def test_a_half_written_checkpoint_is_put_aside(tmp_path):
    (tmp_path / "checkpoint-2").mkdir()
    mark_complete(tmp_path / "checkpoint-2")
    for content in ("first kill", "second kill"):
        (tmp_path / "checkpoint-4").mkdir()
        (tmp_path / "checkpoint-4" / "weights").write_text(content, encoding="utf-8")
        assert newest_checkpoint(tmp_path).name == "checkpoint-2"
        assert (tmp_path / "partial-checkpoint-4" / "weights").read_text(encoding="utf-8") == content
    assert newest_checkpoint(tmp_path / "nothing") is None


def test_what_was_put_aside_costs_no_whole_checkpoint(planner, tmp_path):
    """transformers counts every folder whose name begins like a checkpoint's towards those to keep."""
    stage1.train(config(planner, tmp_path, "trainer.max_steps=2"))
    (tmp_path / "checkpoint-4").mkdir()
    stage1.train(config(planner, tmp_path, "trainer.max_steps=4", "trainer.keep_checkpoints=2"), resume=True)
    assert [path.name for path in sorted(tmp_path.glob("*checkpoint-*"))] == [
        "checkpoint-2",
        "checkpoint-4",
        "partial-checkpoint-4",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("max_steps=3", "trainer.max_steps counts optimiser updates, rollout.max_steps"),
        ("trainer.report_to=[no_such_tracker]", "names no_such_tracker, which is not installed"),
        ("trainer.keep_checkpoints=1", "keep_checkpoints"),
        ("trainer.micro_batch=3", "cannot take in micro-batches of 3"),
        ("trainer.max_step=3", r"trainer\.max_step"),
        ("trainer.report_to=[1", r"--set 'trainer.report_to=\[1': the value is not YAML: expected ',' .*; close its"),
        ("model.path=2026-13-01", "the value is not YAML: month must be"),
        ("trainer.num_iterations=3", r"trainer.save_steps: 2 is no multiple of trainer.num_iterations: 3"),
        ("rollout.prompts_per_update=40", "an update draws 40 prompts and there are 12 rows"),
        ("model.path=/nowhere", "no planner in '/nowhere': there is no such folder"),
        ("model.path=runs/x/model", "no planner in 'runs/x/model': there is no such folder"),
    ],
)
def test_what_cannot_work_is_refused_with_what_to_change(planner, tmp_path, change, message):
    with pytest.raises(ConfigurationError, match=message):
        stage1.train(config(planner, tmp_path, change))


def test_options_that_another_engine_would_ignore_are_refused(planner, tmp_path):
    with pytest.raises(ConfigurationError, match=r"resample_rounds works with rollout.engine: local only"):
        stage1.train(config(planner, tmp_path, "rollout.engine=transformers", "rollout.resample_rounds=1"))


@pytest.fixture
def thinker(planner, tmp_path):
    """The tiny planner with marks for thoughts, one of which its template opens."""
    loaded = load_planner(ModelConfig(path=str(planner)))
    loaded.processor.add_tokens(["<think>", "</think>"], special_tokens=False)
    loaded.processor.chat_template = loaded.processor.chat_template.replace(
        "<|im_start|>assistant\n' }}{%- endif", "<|im_start|>assistant\n<think>' }}{%- endif"
    )
    torch.manual_seed(1)
    loaded.model.resize_token_embeddings(len(loaded.processor))
    folder = tmp_path / "thinker"
    loaded.save(folder)
    return folder


@pytest.mark.parametrize("stage", [stage1, stage2])
def test_a_thought_beyond_its_budget_teaches_nothing(thinker, tmp_path, stage, monkeypatch):
    """Random weights all but never close a thought: nothing may move, although the replies would earn differently."""
    score = stage2.Scorer.score if stage is stage2 else TrainingRow.score
    masks, drawn, compute = [], [], ForecastTrainer._generate_and_score_completions

    def by_length(self, *args, **options):
        scored = score(self, *args, **options)
        return replace(scored, total=float(len(scored.forecast.text) % 5))

    def kept(self, inputs):
        output = compute(self, inputs)
        masks.append(output["tool_mask"])
        drawn.extend(self.rollouts)
        return output

    monkeypatch.setattr(stage2.Scorer if stage is stage2 else TrainingRow, "score", by_length)
    monkeypatch.setattr(ForecastTrainer, "_generate_and_score_completions", kept)
    kind = stage1.Stage1Config if stage is stage1 else stage2.Stage2Config
    options = [
        f"model.path={thinker}",
        *SMALL,
        f"trainer.output_dir={tmp_path / 'run'}",
        "rollout.max_thought_tokens=6",
        "trainer.max_steps=1",
    ]
    model = stage.train(load_config(kind, f"tiny/{stage.__name__.rpartition('.')[2]}", options))
    lines = log_of(tmp_path / "run")
    assert lines[0]["forecast/thought_cut"] == 1.0
    assert lines[0]["completions/max_length"] == 6
    before, after = weights(thinker), weights(model)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not any(mask.any() for mask in masks)
    assert {one.scored.total for one in drawn} == {None}


def test_adapters_train_alone_and_end_in_a_whole_model(planner, tmp_path, monkeypatch):
    rewarded(monkeypatch, lambda place, sample: sum(sample.completion_ids) % 7)
    lora = ("model.lora={rank: 2, alpha: 4}", "trainer.learning_rate=0.1", "trainer.beta=0.01")
    model = stage1.train(config(planner, tmp_path, *lora))
    assert (tmp_path / "adapter" / "adapter_config.json").exists()
    before, after = weights(planner), weights(model)
    assert set(before) == set(after)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert not any("embed" in name or "norm" in name for name in moved)
    stage1.train(config(model, tmp_path / "next", "trainer.max_steps=1"))


def test_trl_can_sample_too(planner, tmp_path):
    stage1.train(config(planner, tmp_path, "rollout.engine=transformers", "trainer.max_steps=1", "trainer.beta=0.01"))
    assert log_of(tmp_path)[0]["kl"] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("ended_by", "status"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_a_run_that_was_ended_goes_on_from_its_last_checkpoint(planner, tmp_path, ended_by, status):
    heard = "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "  # deaf in the background
    run = "runpy.run_module('tracer1_agents.training.stage1', run_name='__main__', alter_sys=True)"
    command = [sys.executable, "-c", heard + run, "--config", "tiny/stage1"]
    for change in (f"model.path={planner}", *SMALL, f"trainer.output_dir={tmp_path}", "trainer.max_steps=400"):
        command += ["--set", change]
    process = subprocess.Popen(  # noqa: S603
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not (tmp_path / "log.jsonl").exists() or not log_of(tmp_path, "checkpoint"):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(ended_by)
    assert process.wait() == status
    done = int(newest_checkpoint(tmp_path).name.removeprefix("checkpoint-"))
    stage1.train(config(planner, tmp_path, f"trainer.max_steps={done + 2}"), resume=True)
    starts = log_of(tmp_path, "start")
    assert [line["step"] for line in starts] == [0, done]
    assert log_of(tmp_path, "end")[-1]["step"] == done + 2


def test_a_dry_run_says_what_would_happen_and_writes_nothing(planner, tmp_path, capsys):
    arguments = ["--config", "tiny/stage1", "--dry-run"]
    for change in (f"model.path={planner}", *SMALL, f"trainer.output_dir={tmp_path / 'run'}"):
        arguments += ["--set", change]
    assert stage1.main(arguments) == 0
    assert "updates an epoch" in capsys.readouterr().out
    assert not (tmp_path / "run").exists()
    assert stage1.main([*arguments, "--set", "rollout.max_new_tokens=5000"]) == 1
    assert "set rollout.max_new_tokens (5,000) to at most" in capsys.readouterr().err
    assert stage1.main([*arguments, "--set", "trainer.micro_batch=7"]) == 1
    assert "cannot take in micro-batches of 7" in capsys.readouterr().err
    assert stage1.main([*arguments, "--set", "data.sources=[{reader: taskgen, count: 1}]"]) == 1
    assert "prompts and there are 1 rows" in capsys.readouterr().err


@pytest.mark.parametrize("module", [stage1, warmstart])
def test_a_folder_that_cannot_be_written_is_said(tmp_path, capsys, module):
    (tmp_path / "file").touch()
    config = f"tiny/{module.__name__.rpartition('.')[2]}"
    assert module.main(["--config", config, "--set", f"trainer.output_dir={tmp_path / 'file' / 'run'}"]) == 1
    told = f"nothing can be written to {tmp_path}/file/run: Not a directory; choose another trainer.output_dir"
    assert told in capsys.readouterr().err


def test_help_names_every_key(capsys):
    with pytest.raises(SystemExit):
        stage1.main(["--help"])
    shown = capsys.readouterr().out
    for key in ("trainer.max_steps", "rollout.group_size", "reward.gamma", "data.history_window", "model.lora"):
        assert key in shown
