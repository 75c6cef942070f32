"""Stage 2 in small: the inference graph gives the rollouts, both ways give the same rewards, one action is executed."""

import asyncio
import json
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import pytest

pytest.importorskip("trl", reason="trl is not installed (extra train)")

import torch
from training_cases import log_of, trajectory, weights

from tracer1_agents.actions.grammars.canonical import CanonicalGrammar
from tracer1_agents.actions.grammars.generic import GenericGrammar
from tracer1_agents.actions.grammars.qwen import QwenGrammar
from tracer1_agents.actions.space import Click, OpenApp, Type, Wait
from tracer1_agents.data.store import write_trajectories
from tracer1_agents.errors import ConfigurationError, TrainingError
from tracer1_agents.graphs.build import create_tracer1_agent
from tracer1_agents.graphs.workbench import find_sandbox
from tracer1_agents.planner.policy import PolicyReply, ReplayPolicy
from tracer1_agents.planner.retries import Retries
from tracer1_agents.rewards.grounded import GroundedConfig, GroundedOutcome
from tracer1_agents.rewards.trajectory import DEFAULT_REWARD
from tracer1_agents.rewards.zero_rates import ZeroRates
from tracer1_agents.testing import RecordingExecutor, ScriptedModel
from tracer1_agents.tools.limited import LimitedExecutor, Slots
from tracer1_agents.training import stage2
from tracer1_agents.training.config import load_config
from tracer1_agents.training.episodes import Episodes
from tracer1_agents.training.grounded_rollouts import Scorer, replay_rewards
from tracer1_agents.training.mixture import MixtureConfig, load_mixture
from tracer1_agents.training.models import load_planner
from tracer1_agents.training.online_rollouts import steps_by_call
from tracer1_agents.training.rows import PromptOptions, rows_of
from tracer1_agents.training.scope import first_pair_tokens
from tracer1_agents.training.settings import ModelConfig
from tracer1_agents.training.trainer import ForecastTrainer
from tracer1_agents.training.worlds import RecordWorld, Scene, TaskWorld
from tracer1_agents.types import Execution, Observation, ReferenceStep, ReferenceTrajectory

pytestmark = pytest.mark.torch
SMALL = [
    "data={profile: compact, horizon: 3, sources: [{reader: taskgen, count: 12, seed: 5, families: [arithmetic]}]}",
    "rollout={engine: local, group_size: 4, prompts_per_update: 2, max_new_tokens: 12}",
    "trainer={max_steps: 2, learning_rate: 1.0e-3, beta: 0.0, micro_batch: 4, save_steps: 2, sample_steps: 2}",
]


def config(planner_folder, folder, *changes):
    overrides = [f"model.path={planner_folder}", *SMALL, f"trainer.output_dir={folder}", *changes]
    return load_config(stage2.Stage2Config, "tiny/stage2", overrides)


def task_rows(count=60, **changes):
    source = {"reader": "taskgen", "count": count, "seed": 11, **changes}
    data = MixtureConfig.model_validate({"horizon": 4, "sources": [source]})
    return data, load_mixture(data).rows


def task_world():
    return TaskWorld(find_sandbox()[0], Slots(8), Retries(attempts=1, timeout=30.0))


def scorer():
    return Scorer(GroundedConfig(), DEFAULT_REWARD, 0.0, ZeroRates())


@pytest.mark.parametrize(
    ("reply", "done", "grounded", "along"),
    [
        # two steps ahead, discounts 1 and 0.9: the first right, or the second
        ('open_app(app_name="Clock") # "open Clock"\nwait() # ""', OpenApp(app_name="Clock"), 1.0, 1 / 1.9),
        ('wait() # ""\nclick() # "tap the plus sign"', Wait(), 0.0, 0.9 / 1.9),
    ],
)
@pytest.mark.parametrize("weight", [0.0, 0.25, 1.0])
def test_the_trajectory_has_its_share_in_the_total(reply, done, grounded, along, weight):
    row = next(rows_of(trajectory(), PromptOptions(horizon=2, platform="mobile")))
    one = Scorer(GroundedConfig(), DEFAULT_REWARD, weight, ZeroRates())
    scored = one.score(row, PolicyReply(reply), GroundedOutcome(done, Execution()))
    assert scored.total == pytest.approx((1 - weight) * grounded + weight * along)
    assert scored.metrics["reward/androidcontrol"] == scored.total
    assert (scored.metrics["reward/grounded"], scored.metrics["graph/no_reward"]) == (grounded, 0.0)
    lost = one.score(row, PolicyReply(reply), None)
    assert (lost.total, lost.metrics["graph/no_reward"]) == (None, 1.0)
    assert "reward/androidcontrol" not in lost.metrics  # a mean over rollouts that earned something


def outcomes(episodes, rows, replies):
    async def all_of_them():
        runs = [episodes.run(row, ReplayPolicy([reply])) for row, reply in zip(rows, replies, strict=True)]
        return await asyncio.gather(*runs)

    return asyncio.run(all_of_them())


def test_gold_earns_everything_with_real_tools_on_real_files():
    data, rows = task_rows(80)
    if find_sandbox()[0] is None:
        rows = [row for row in rows if row.window.steps[0].action.kind != "code"]
    episodes = Episodes(data, task_world())
    found = outcomes(episodes, rows, [row.reply for row in rows])
    scored = [scorer().score(row, PolicyReply(row.reply), one) for row, one in zip(rows, found, strict=True)]
    wrong = [(row.key, row.reply, one.total) for row, one in zip(rows, scored, strict=True) if one.total != 1.0]
    assert not wrong
    assert episodes.counts.planner_calls == len(rows)
    assert len({row.window.steps[0].action.kind for row in rows}) >= 2


class Listening(ReplayPolicy):
    async def asample(self, messages, **options):
        self.heard = tuple(messages)
        return await super().asample(messages, **options)


@pytest.mark.parametrize("world", [None, {}])
@pytest.mark.parametrize("profile", ["compact", "qwen-tool-call", "generic"])
def test_rows_are_asked_what_the_graph_asks_tools_and_all(profile, world):
    source = {"reader": "taskgen", "count": 20, "seed": 11, "world": world}
    data = MixtureConfig.model_validate({"profile": profile, "horizon": 4, "sources": [source]})
    rows = load_mixture(data).rows
    episodes = Episodes(data, Anywhere(RecordingExecutor([Execution()] * 20)))
    for row in rows:
        policy = Listening([row.reply])
        asyncio.run(episodes.run(row, policy))
        assert policy.heard == row.messages
        assert row.score(row.reply).total == 1.0
    shown = "".join(message.text for message in rows[0].messages)
    for name in ("table_aggregate", "visit_page"):
        assert (name in shown) == (profile != "compact"), name
    assert ("register_lookup" in shown) == (profile != "compact" and world is not None)


def test_gold_earns_everything_on_records():
    """Pointing steps without boxes or a screen cannot be compared; everything else is worth 1.0."""
    records = [trajectory(number) for number in range(3)]
    data = MixtureConfig.model_validate({"horizon": 2, "sources": [{"reader": "store", "path": "unused"}]})
    from tracer1_agents.training.rows import PromptOptions, rows_of  # noqa: PLC0415

    rows = [row for record in records for row in rows_of(record, PromptOptions(horizon=2, platform="mobile"))]
    episodes = Episodes(data, RecordWorld())
    found = outcomes(episodes, rows, [row.reply for row in rows])
    totals = [scorer().score(row, PolicyReply(row.reply), one).total for row, one in zip(rows, found, strict=True)]
    assert totals == [1.0, None, 1.0, 1.0] * 3


SCREEN = '[1] button "No" (0, 0, 80, 105)\n[2] button "Yes" (80, 105, 160, 210)'


def test_first_steps_are_looked_up_in_the_recorded_elements(tmp_path):
    """The whole way from a config's `executors.elements`: the prompt has no boxes, the grounder finds them."""
    wanted = ReferenceStep(
        observation=Observation(text=SCREEN),
        action=Click(),
        instruction="Click button Yes [2]",
        boxes=((0.5, 0.5, 1.0, 1.0),),
    )
    store = tmp_path / "clicks.jsonl"
    write_trajectories(store, [ReferenceTrajectory(id="1", source="s", instruction="Agree", steps=(wanted,))])
    source = {"reader": "store", "path": str(store), "name": "clicks", "platform": "computer"}
    given = {
        "data": {"profile": "compact-screen", "horizon": 1, "sources": [source]},
        "executors": {"elements": {"clicks": [160, 210]}},
        "grounded": {"boxes_alone": True},
    }
    config = stage2.Stage2Config.model_validate(given)
    mixture = load_mixture(config.data)
    episodes = Episodes(config.data, stage2.build_world(config, mixture))
    (row,) = mixture.rows
    assert row.messages[-1].text.endswith("Now: button No [1]\nbutton Yes [2]")
    replies = [f'click() # "Click button {target}"' for target in ("Yes [2]", "No [1]", "Maybe")]
    found = outcomes(episodes, [row] * 3, replies)
    scorer = Scorer(config.grounded, DEFAULT_REWARD, 0.0, ZeroRates())
    totals = [scorer.score(row, PolicyReply(text), one).total for text, one in zip(replies, found, strict=True)]
    assert totals == [1.0, 0.0, 0.0]
    for executors, problem in (
        ({"elements": {"other": None}}, r"executors\.elements names the source 'other'; there are clicks"),
        (
            {"elements": {"clicks": None}, "live": ["clicks"]},
            r"live names the source 'clicks'; executors\.elements has",
        ),
    ):
        with pytest.raises(ConfigurationError, match=problem):
            stage2.build_world(stage2.Stage2Config.model_validate({**given, "executors": executors}), mixture)


def test_generated_tasks_take_no_other_executor():
    data, _ = task_rows(2)
    given = stage2.Stage2Config.model_validate({"data": data, "executors": {"live": ["taskgen"]}})
    with pytest.raises(ConfigurationError, match="generated tasks run with the real toolbox"):
        stage2.build_world(given, load_mixture(data))


class Anywhere:
    """A world with one executor for every row."""

    def __init__(self, executor):
        self.executor = executor

    @contextmanager
    def open(self, row):
        yield Scene(toolbox=self.executor, grounder=self.executor)

    def metrics(self):
        return {}


def test_only_the_first_pair_is_executed_once():
    data, rows = task_rows(10)
    several = [row for row in rows if len(row.window.steps) > 1]
    executor = RecordingExecutor(["something"])
    episodes = Episodes(data, Anywhere(executor))
    outcomes(episodes, several, [row.reply for row in several])
    assert len([action for action, _ in executor.calls]) == len(several)
    assert sorted(map(repr, [action for action, _ in executor.calls])) == sorted(
        repr(row.window.steps[0].action) for row in several
    )
    assert (episodes.counts.planner_calls, episodes.counts.executions) == (len(several), len(several))


def test_the_graph_is_the_one_that_serves_inference():
    data, _ = task_rows(1)
    training = Episodes(data, Anywhere(RecordingExecutor())).graph("tools")
    inference = create_tracer1_agent(ScriptedModel(script=['finish() # ""']), [], profile="compact")
    ours, theirs = training.builder, inference.builder
    assert set(ours.nodes) == set(theirs.nodes)
    for name, node in ours.nodes.items():
        one, other = node.runnable, theirs.nodes[name].runnable
        assert type(one) is type(other)
        assert getattr(one, "func", None) is getattr(other, "func", None)
    assert {edge[:2] for edge in ours.edges} == {edge[:2] for edge in theirs.edges}


def test_what_goes_wrong_is_zero_and_what_is_lost_is_nothing():
    data, rows = task_rows(20)
    row = next(row for row in rows if row.window.steps[0].action.kind == "tool")
    finish = 'finish(answer="x") # "done"'
    cases = [
        (row.reply, Execution(ok=True, text=row.window.steps[0].result), 1.0),
        (row.reply, Execution(ok=True, text="another result"), 0.0),
        (row.reply, Execution(ok=False, text="error: refused"), 0.0),
        (row.reply, Execution(ok=False, text="error: the sandbox is gone", infrastructure=True), None),
        (finish, Execution(), 0.0),
        ("no action at all", Execution(), 0.0),
    ]
    for reply, execution, total in cases:
        episodes = Episodes(data, Anywhere(RecordingExecutor([execution])))
        (found,) = outcomes(episodes, [row], [reply])
        assert scorer().score(row, PolicyReply(reply), found).total == total, reply


def test_a_planner_that_is_lost_teaches_nothing():
    data, rows = task_rows(1)
    episodes = Episodes(data, Anywhere(RecordingExecutor()))
    assert asyncio.run(episodes.run(rows[0], ReplayPolicy([]))) is None
    assert episodes.counts.lost == 1


def test_one_stuck_tool_does_not_stall_the_others():
    class Stuck:
        def execute(self, action, instruction, observation):
            time.sleep(5 if threading.current_thread().name.endswith("stuck") else 0)
            raise AssertionError

        async def aexecute(self, action, instruction, observation):
            await asyncio.sleep(5)

    data, rows = task_rows(12)
    row = next(row for row in rows if row.window.steps[0].action.kind == "tool")
    limited = LimitedExecutor(Stuck(), slots=4, retries=Retries(attempts=1, timeout=0.3))
    began = time.monotonic()
    (found,) = outcomes(Episodes(data, Anywhere(limited)), [row], [row.reply])
    assert time.monotonic() - began < 3
    assert found.execution.infrastructure
    assert scorer().score(row, PolicyReply(row.reply), found).total is None


def test_both_ways_give_the_same_text_the_same_reward(planner, tmp_path):
    seen = {}
    original = Scorer.score

    def score(self, row, reply, outcome):
        scored = original(self, row, reply, outcome)
        seen.setdefault((row.key, reply.text), []).append(scored.total)
        return scored

    Scorer.score = score
    try:
        stage2.train(config(planner, tmp_path, "trainer.max_steps=1"))
        data = load_config(stage2.Stage2Config, "tiny/stage2", SMALL).data
        mixture = load_mixture(data)
        numbers = {row.key: number for number, row in enumerate(mixture.rows)}
        replies = list(seen)
        episodes = Episodes(data, task_world())
        reward = replay_rewards(mixture.rows, episodes, scorer(), frozenset({-1}), read=lambda ids: replies[ids[0]][1])
        again = asyncio.run(
            reward(
                completion_ids=[[number, -1] for number in range(len(replies))],
                row=[numbers[key] for key, _ in replies],
                log_metric=lambda *_: None,
            )
        )
    finally:
        Scorer.score = original
    assert len(replies) > 4
    assert again == [seen[reply][0] for reply in replies]


@pytest.mark.parametrize("change", [(), ("rollout.way=replay",), ("scope=all", "trajectory_weight=0.5")])
def test_it_trains(planner, tmp_path, change):
    model = stage2.train(config(planner, tmp_path, *change))
    assert [line["step"] for line in log_of(tmp_path)] == [1, 2]
    first, second = log_of(tmp_path)
    assert first["forecast/unreadable"] > 0  # random weights
    assert first["weights/change"] >= 0
    assert (first["graph/planner_calls"], second["graph/planner_calls"]) == (8, 16)
    assert weights(model)


def test_the_row_is_trained_on_what_the_node_sent(planner, tmp_path, monkeypatch):
    class Elsewhere(Episodes):
        async def run(self, row, policy):
            other = replace(row.start, instruction="something else")
            return await super().run(replace(row, start=other), policy)

    monkeypatch.setattr(stage2, "Episodes", Elsewhere)
    with pytest.raises(TrainingError, match="the graph sent another prompt"):
        stage2.train(config(planner, tmp_path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("data.history=own", "data.history: own is stage 1's"),
        ("rollout.engine=vllm", "or use way: replay"),
        ("data.show_last_forecast=true", "rollout.way: graph, .*rollout.way: replay works"),
        ("max_steps=3", "rollout.max_steps the steps of an episode"),
    ],
)
def test_what_cannot_work_is_refused(planner, tmp_path, monkeypatch, change, message):
    monkeypatch.setattr("tracer1_agents.training.refusals.is_vllm_available", lambda: True)
    with pytest.raises(ConfigurationError, match=message):
        stage2.train(config(planner, tmp_path, change))


def test_the_scope_ends_with_the_first_pair():
    tokenizer = load_planner(ModelConfig()).tokenizer
    grammar = CanonicalGrammar()
    text = 'double(x=1) # "double it"\nfinish(answer="2") # "say it"'
    ids = tokenizer(text)["input_ids"] + [tokenizer.eos_token_id]
    kept = first_pair_tokens(ids, tokenizer, grammar)
    assert tokenizer.decode(ids[:kept]).strip() == 'double(x=1) # "double it"'
    one = tokenizer('finish(answer="2") # "x"')["input_ids"] + [tokenizer.eos_token_id]
    assert first_pair_tokens(one, tokenizer, grammar) == len(one)
    broken = tokenizer("what is this")["input_ids"]
    assert first_pair_tokens(broken, tokenizer, grammar) == len(broken)


THOUGHTS = ["plan", 'first wait() # "x"', '{"action": "wait"}', '<tool_call>{"name": "wait"}</tool_call>']


@pytest.mark.parametrize("opening", ["<think>", ""])  # "": the chat template wrote it
@pytest.mark.parametrize("thought", THOUGHTS)
@pytest.mark.parametrize("grammar", [CanonicalGrammar(), QwenGrammar(), GenericGrammar()], ids=lambda one: one.name)
def test_the_scope_covers_the_first_pair_whatever_a_thought_quotes(grammar, thought, opening):
    tokenizer = load_planner(ModelConfig()).tokenizer
    first, second = (Type(content="7:30"), "enter it"), (Wait(), "see")
    reply = grammar.render([first, second])
    front = f"{opening}{thought}</think>\n"
    ids = tokenizer(front + reply)["input_ids"]
    kept = tokenizer.decode(ids[: first_pair_tokens(ids, tokenizer, grammar)])
    end = reply.index(grammar.parse(reply).pairs[0].text) + len(grammar.parse(reply).pairs[0].text)
    assert kept.startswith(front + reply[:end])
    assert len(kept) < len(front) + end + 4  # the last token may reach beyond it


def test_the_scope_of_a_thought_without_an_end_is_the_whole_reply():
    tokenizer = load_planner(ModelConfig()).tokenizer
    ids = tokenizer('<think>first wait() # "x"\nfinish(answer="2") # "say it"')["input_ids"]
    assert first_pair_tokens(ids, tokenizer, CanonicalGrammar()) == len(ids)


def test_a_tail_is_left_out_of_the_gradient(planner, tmp_path, monkeypatch):
    """With one token in scope only the logits of that token push: another scope gives another update."""
    from tracer1_agents.training import trainer  # noqa: PLC0415

    moved = {}
    for tokens in (1, 3):
        monkeypatch.setattr(trainer, "first_pair_tokens", lambda ids, tokenizer, grammar, tokens=tokens: tokens)
        original = Scorer.score

        def score(self, row, reply, outcome, original=original):
            scored = original(self, row, reply, outcome)
            return type(scored)(scored.forecast, scored.trajectory, float(len(reply.text) % 5), scored.metrics)

        monkeypatch.setattr(Scorer, "score", score)
        folder = tmp_path / str(tokens)
        moved[tokens] = weights(stage2.train(config(planner, folder, "trainer.max_steps=1", "trainer.optimizer=sgd")))
        monkeypatch.undo()
    start = weights(planner)
    changed = {
        tokens: max(float((new[name] - start[name]).abs().max()) for name in start) for tokens, new in moved.items()
    }
    assert changed[1] > 0
    assert any(not torch.equal(moved[1][name], moved[3][name]) for name in start)


def test_records_from_a_file_train_too(planner, tmp_path):
    write_trajectories(tmp_path / "t.jsonl", [trajectory(number) for number in range(3)])
    source = f"data.sources=[{{reader: store, path: {tmp_path / 't.jsonl'}, platform: mobile}}]"
    stage2.train(config(planner, tmp_path / "run", source, "trainer.max_steps=1"))
    sample = json.loads((tmp_path / "run" / "log.jsonl").read_text(encoding="utf-8").splitlines()[1])
    assert "reward/grounded" in sample


ONLINE = ("rollout.max_steps=3", "rollout.max_new_tokens=60", "model.path=tracer1-tiny", "data.horizon=8")


@pytest.fixture
def episodes(monkeypatch):
    """What the trainer is given, batch by batch."""
    seen = []
    hand_over = ForecastTrainer._hand_over

    def kept(self, prompts, trainer):
        seen.append(list(self.rollouts))
        return hand_over(self, prompts, trainer)

    monkeypatch.setattr(ForecastTrainer, "_hand_over", kept)
    return seen


def test_an_online_episode_has_a_row_for_every_planner_call(planner, tmp_path, episodes):
    source = (
        "data.sources=[{reader: taskgen, count: 12, seed: 5, families: [arithmetic, table_lookup], mishap_rate: 0}]"
    )
    stage2.train(config(planner, tmp_path, *ONLINE, source, "trainer.max_steps=1", "trainer.micro_batch=8"))
    (rollouts,) = episodes
    assert len(rollouts) == 2 * 3 * 4  # prompts, turns, members
    for group in range(2):
        for turn in range(3):
            rows = rollouts[(group * 3 + turn) * 4 : (group * 3 + turn + 1) * 4]
            assert len({one.row for one in rows}) == 1
            real = [one for one in rows if one.example.key.endswith(f"+{turn}")]
            assert all(one.scored.total in {0.0, 1.0} for one in real)
            assert all(one.scored.total is None for one in rows if one not in real)
    line = log_of(tmp_path)[0]
    assert line["graph/executions"] <= 2 * 4 * 3
    assert line["sampling/first_batch_gap_max"] < 1e-3
    assert "reward/turn_0" in line


def test_step_credit_ends_where_the_episode_leaves_the_reference(planner, tmp_path, episodes):
    source = "data.sources=[{reader: taskgen, count: 12, seed: 5, families: [table_lookup], mishap_rate: 0}]"
    credit = ("rollout.credit=step", "trainer.max_steps=1", "trainer.micro_batch=8", "rollout.temperature=2.0")
    stage2.train(config(planner, tmp_path, *ONLINE, source, *credit))
    (rollouts,) = episodes
    by_episode = {}
    for at, one in enumerate(rollouts):
        group, turn, member = at // 12, at // 4 % 3, at % 4
        by_episode.setdefault((group, member), []).append((turn, one.scored.total))
    assert len(by_episode) == 8
    for turns in by_episode.values():
        totals = [total for _, total in turns]
        assert totals[0] is not None
        for before, after in pairwise(totals):
            assert after is None or before == 1.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("rollout.way=replay",), "works with rollout.way: graph"),
        (("rollout.resample_rounds=1",), "replaces groups of single steps"),
    ],
)
def test_what_online_episodes_cannot_do_is_refused(planner, tmp_path, change, message):
    with pytest.raises(ConfigurationError, match=message):
        stage2.train(config(planner, tmp_path, "rollout.max_steps=3", *change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("executors.live=[nowhere]",), "executors.live names the source 'nowhere'"),
        (("rollout.max_steps=3", "rollout.resample_rounds=1"), "replaces groups of single steps"),
        (("data.show_last_forecast=true",), "does not go with rollout.way: graph"),
        (("rollout.engine=transformers", "rollout.resample_rounds=0"), "rollout.way: graph samples with"),
        (("data.history=own",), "data.history: own is stage 1's"),
    ],
)
def test_a_dry_run_refuses_what_the_run_would(planner, tmp_path, capsys, change, message):
    arguments = ["--config", "tiny/stage2", "--dry-run"]
    for one in (f"model.path={planner}", *SMALL, f"trainer.output_dir={tmp_path / 'run'}", *change):
        arguments += ["--set", one]
    assert stage2.main(arguments) == 1
    assert message in capsys.readouterr().err


def test_a_world_in_which_the_reference_earns_nothing_is_refused(planner, tmp_path, monkeypatch):
    """As where there is no sandbox: right actions would be taught to be wrong."""
    monkeypatch.setattr(
        stage2, "build_world", lambda *_: Anywhere(RecordingExecutor([Execution(ok=False, text="off")]))
    )
    with pytest.raises(
        ConfigurationError, match=r"the reference's own .* earns 0.0 in source 'taskgen'.*: off\. Install"
    ):
        stage2.train(config(planner, tmp_path))


def test_each_planner_call_is_credited_with_the_step_it_led_to():
    """The second step took two calls: its first reply was not used."""
    steps = [SimpleNamespace(planner_calls=1), SimpleNamespace(planner_calls=2)]
    trace = SimpleNamespace(steps=steps)
    assert steps_by_call(trace, 4) == [steps[0], None, steps[1], None]
