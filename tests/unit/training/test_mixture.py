"""Rows and their order: splits never overlap, weights are kept, the order depends on seed and epoch alone."""

from collections import Counter

import pytest
from pydantic import ValidationError

pytest.importorskip("torch", reason="torch is not installed")

from training_cases import trajectory

from tracer1_agents.actions.match import similarity
from tracer1_agents.actions.space import OpenApp, Type, Wait
from tracer1_agents.data.readers.registry import READERS
from tracer1_agents.data.store import write_trajectories
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.training.mixture import MixtureConfig, in_part, load_mixture
from tracer1_agents.training.rows import PromptOptions, rows_of, with_history
from tracer1_agents.training.sampler import MixtureSampler
from tracer1_agents.types import ForecastPair, Observation, ReferenceStep, ReferenceTrajectory

pytestmark = pytest.mark.torch


def options(**changes):
    return PromptOptions(**{"profile": "compact", "horizon": 2, "platform": "mobile", **changes})


def test_a_row_shows_past_steps_and_asks_for_the_next_ones():
    rows = list(rows_of(trajectory(), options()))
    assert [row.number for row in rows] == [1, 2, 3, 4]
    assert [len(row.window.steps) for row in rows] == [2, 2, 2, 1]
    prompt = rows[2].messages[-1].text
    assert 'open_app(app_name="Clock") -> some alarms' in prompt  # what was seen after it
    assert "tap the plus sign" in prompt  # nothing else tells what the newest step did
    assert "enter the time" not in prompt
    assert rows[2].reply == 'type(content="7:30") # "enter the time"\nfinish() # ""'
    for row in rows:
        assert row.score(row.reply).total == 1.0


@pytest.mark.parametrize(("seen", "worth"), [("code 4711", 0.5), ("x" * 1200 + " 4711", 1.0), ("nothing", 1.0)])
@pytest.mark.parametrize("where", ["summary", "observation"])
def test_a_placeholder_stands_for_what_the_prompt_does_not_say(seen, worth, where):
    """History shows the next step's summary, and an observation is cut: what counts as known is what is there."""
    code = Type(content="4711")
    steps = (
        ReferenceStep(
            action=OpenApp(app_name="Mail"), instruction="open", summary="4711 unread"
        ),  # nobody was shown it
        ReferenceStep(action=Wait(), instruction="wait", **({"summary": seen} if where == "summary" else {})),
        ReferenceStep(
            action=code, instruction="type", observation=Observation(text=seen if where == "observation" else "a field")
        ),
    )
    one = ReferenceTrajectory(id="1", source="androidcontrol", instruction="Type the code", steps=steps)
    row = list(rows_of(one, options()))[1 if where == "summary" else 2]
    assert row.window.known_text == "\n".join(message.text for message in row.messages)
    waiting = Type(content="Result(step=2)")
    assert similarity(waiting, code, known_text=row.window.known_text) == worth


def test_the_policys_own_past_replaces_the_references():
    row = list(rows_of(trajectory(), options()))[2]
    other = with_history(row, {0: ForecastPair(action=OpenApp(app_name="Calendar"), instruction="x")})
    assert 'open_app(app_name="Calendar")' in other.messages[-1].text
    assert other.window.steps == row.window.steps
    assert other.window.known_text == "\n".join(message.text for message in other.messages)
    assert row.messages == with_history(row, {}).messages


def test_history_window_bounds_the_prompt():
    row = list(rows_of(trajectory(), options(history_window=1)))[2]
    assert "open_app" not in row.messages[-1].text


@pytest.mark.parametrize("by", ["trajectory", "app"])
def test_parts_are_disjoint_and_cover_everything(by):
    apps = [f"app{number % 40}" for number in range(400)]
    found = Counter()
    where = {}
    for number, app in enumerate(apps):
        one = trajectory(number, app)
        parts = [part for part in ("train", "development", "test") if in_part(one, part, by)]
        assert len(parts) == 1
        assert in_part(one, "all", by)
        found[parts[0]] += 1
        assert where.setdefault(app if by == "app" else number, parts[0]) == parts[0]
    assert found["train"] > 250
    assert min(found["development"], found["test"]) > 5


def test_a_mixture_of_files_and_generated_tasks(tmp_path, monkeypatch):
    write_trajectories(tmp_path / "a.jsonl", [trajectory(number) for number in range(6)])
    monkeypatch.setenv("HERE", str(tmp_path))
    config = MixtureConfig.model_validate(
        {
            "horizon": 3,
            "sources": [
                {"reader": "store", "path": "$HERE/a.jsonl", "weight": 3, "platform": "mobile", "filter": {"limit": 4}},
                {"reader": "taskgen", "count": 10, "seed": 3},
            ],
        }
    )
    mixture = load_mixture(config)
    assert mixture.names == ["store", "taskgen"]
    assert mixture.sizes == [16, 10]
    assert mixture.weights == [0.75, 0.25]
    assert len({row.key for row in mixture.rows}) == 26
    assert all(row.score(row.reply).total == 1.0 for row in mixture.rows)


def test_a_source_gives_the_trajectories_and_rows_that_its_config_asks_for(tmp_path):
    def found(**source):
        source = {"reader": "store", "path": str(tmp_path / "a.jsonl"), **source}
        config = {"horizon": 2, "history_window": 1, "sources": [source]}
        return list(load_mixture(MixtureConfig.model_validate(config)).rows)

    whole = [trajectory(number) for number in range(30)]
    kept = [one.model_copy(update={"steps": one.steps[: 1 + at % 4]}) for at, one in enumerate(whole)]
    write_trajectories(tmp_path / "a.jsonl", kept)
    assert {len(row.recorded.trajectory.steps) for row in found()} == {1, 2, 3, 4}
    assert {len(row.recorded.trajectory.steps) for row in found(filter={"min_steps": 2, "max_steps": 3})} == {2, 3}
    assert {row.window.steps[0].action.kind for row in found(filter={"kinds": ["type", "finish"]})} == {
        "type",
        "finish",
    }
    assert not any(row.window.finished for row in found(filter={"drop_flags": ["synthetic"]}))
    assert len(found(filter={"limit": 4})) == 1 + 2 + 3 + 4
    for part in ("train", "development", "test"):
        wanted = {one.id for one in kept if in_part(one, part)}
        assert {row.recorded.trajectory.id for row in found(part=part)} == wanted
    assert {len(row.window.steps) for row in found()} == {1, 2}
    prompts = [row.messages[-1].text for row in found() if row.number == 3]
    assert not any('open_app(app_name="Clock")' in prompt for prompt in prompts)  # two steps ago, and one is shown


def test_generated_rows_have_the_names_that_are_asked_for():
    trained, again, held_out = (
        [
            row.messages
            for row in load_mixture(MixtureConfig(sources=[{"reader": "taskgen", "count": 20, **names}])).rows
        ]
        for names in ({}, {"names": "train"}, {"names": "held_out"})
    )
    assert trained == again != held_out


def test_a_store_lists_the_actions_of_the_platform_that_its_trajectories_came_from(tmp_path):
    sources = ("androidcontrol", "agentnet", "miniwob", "mm_traj")
    kept = [trajectory(number).model_copy(update={"source": name}) for number, name in enumerate(sources)]
    kept[3] = kept[3].model_copy(update={"steps": kept[3].steps[-1:]})  # it finishes, as tool tasks do
    write_trajectories(tmp_path / "a.jsonl", kept)
    source = {"reader": "store", "path": str(tmp_path / "a.jsonl")}
    mixture = load_mixture(MixtureConfig.model_validate({"profile": "qwen-tool-call", "sources": [source]}))
    found = {row.recorded.trajectory.source: row for row in mixture.rows}
    platforms = [found[name].recorded.options.platform for name in sources]
    assert platforms == ["mobile", "computer", "computer", "tools"]
    listed = [[action in found[name].messages[0].text for action in ("long_press", "left_click")] for name in sources]
    assert listed == [[True, False], [False, True], [False, True], [False, False]]


@pytest.mark.parametrize("platform", ["", "tools"])
def test_actions_on_a_screen_are_refused_where_prompts_would_not_list_them(tmp_path, platform):
    own = trajectory(1).model_copy(update={"source": "shop"})
    write_trajectories(tmp_path / "a.jsonl", [own])
    source = {"reader": "store", "path": str(tmp_path / "a.jsonl"), "platform": platform}
    with pytest.raises(ConfigurationError, match=r"'store' has actions on a screen \(open_app in .*set platform: comp"):
        load_mixture(MixtureConfig.model_validate({"sources": [source]}))
    mixture = load_mixture(MixtureConfig.model_validate({"sources": [{**source, "platform": "mobile"}]}))
    assert {row.recorded.options.platform for row in mixture.rows} == {"mobile"}


def test_a_broken_line_is_a_problem_and_an_empty_source_an_error(tmp_path):
    path = tmp_path / "a.jsonl"
    write_trajectories(path, [trajectory(1)])
    with path.open("a", encoding="utf-8") as file:
        file.write('{"version": 1, "id": \n')
    source = {"reader": "store", "path": str(path)}
    mixture = load_mixture(MixtureConfig.model_validate({"sources": [source]}))
    assert (len(mixture.rows), len(mixture.problems), mixture.problems[0].line) == (4, 1, 2)
    with pytest.raises(ConfigurationError, match="gives no rows"):
        load_mixture(MixtureConfig.model_validate({"sources": [{**source, "filter": {"min_steps": 9}}]}))
    with pytest.raises(ConfigurationError, match="two sources are called 'store'"):
        load_mixture(MixtureConfig.model_validate({"sources": [source, source]}))
    path.write_text('{"version": 1, "id": \n', encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"gives no rows; .* of 1 problems the first: .*a\.jsonl:1: not JSON"):
        load_mixture(MixtureConfig.model_validate({"sources": [source]}))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"filter": {"kinds": ["click", "finsh"]}}, "there is no kind of action finsh; there are click, "),
        ({"filter": {"max_steps": 0}}, "greater than or equal to 1"),
        ({"weight": float("inf")}, "finite number"),
    ],
)
def test_a_value_that_would_pass_for_another_is_refused(change, said):
    with pytest.raises(ValidationError, match=said):
        MixtureConfig.model_validate({"sources": [{"reader": "store", "path": "a.jsonl", **change}]})


def test_screenshots_that_are_not_here_are_not_shown(tmp_path):
    from tracer1_agents.types import ImageRef  # noqa: PLC0415

    here = tmp_path / "s.png"
    here.write_bytes(b"x")
    for name, shown in ((str(here), True), ("elsewhere.png", False)):
        image = ImageRef(ref=name, width=4000, height=1000)
        one = trajectory()
        one = one.model_copy(
            update={
                "steps": (one.steps[0].model_copy(update={"observation": Observation(image=image)}), *one.steps[1:])
            }
        )
        row = next(iter(rows_of(one, options(profile="qwen-tool-call", max_pixels=1_000_000))))
        assert [(image.width, image.height) for image in row.images] == ([(2000, 500)] if shown else [])


SIZES, WEIGHTS = [7, 30], [0.5, 0.5]


def sampler(**changes):
    return MixtureSampler(
        SIZES, WEIGHTS, **{"group_size": 4, "groups_per_batch": 4, "repeats": 2, "seed": 1, **changes}
    )


def test_groups_are_whole_and_batches_repeat():
    rows = list(sampler())
    assert len(rows) == len(sampler()) == 9 * 4 * 4 * 2
    batch, again = rows[:16], rows[16:32]
    assert batch == again
    assert all(len(set(batch[at : at + 4])) == 1 for at in range(0, 16, 4))


def test_the_order_is_a_function_of_seed_and_epoch():
    one, other = sampler(), sampler()
    first = list(one)
    one.set_epoch(3)
    other.set_epoch(3)
    assert list(one) == list(other) != first
    one.set_epoch(0)
    assert list(one) == first
    assert list(sampler(seed=2)) != first


def test_every_row_of_a_source_comes_before_any_comes_again():
    one = sampler()
    drawn = [row for epoch in range(12) for row in one.epoch_order(epoch)]
    counts = Counter(drawn)
    small, large = [counts[row] for row in range(7)], [counts[row] for row in range(7, 37)]
    assert max(small) - min(small) <= 1
    assert max(large) - min(large) <= 1
    assert sum(small) == sum(large) == len(drawn) / 2


def test_a_low_weight_comes_now_and_then():
    one = MixtureSampler([800, 8], [0.9995, 0.0005], group_size=2, groups_per_batch=8, seed=1)
    drawn = [row for epoch in range(50) for row in one.epoch_order(epoch)]
    assert len(drawn) == 50 * 808
    assert sum(row >= 800 for row in drawn) == 20
    assert len({row for row in drawn if row >= 800}) == 8


def test_too_few_rows_say_what_to_change():
    with pytest.raises(ConfigurationError, match="prompts_per_update"):
        MixtureSampler([3], [1.0], group_size=2, groups_per_batch=4)


def test_a_reader_that_yields_something_else_is_named(monkeypatch, tmp_path):
    class Own:
        def __init__(self, options):
            pass

        def read(self, path):
            yield {"id": "1"}

    monkeypatch.setitem(READERS, "own", Own)
    with pytest.raises(ConfigurationError, match=r"Own\.read yielded dict"):
        load_mixture(MixtureConfig(sources=[{"reader": "own", "path": str(tmp_path)}]))
