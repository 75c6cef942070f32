"""AndroidControl as released: shards in, episodes out; splits, screenshots, damage."""

from __future__ import annotations

import gzip
import io
import json

import pytest
import tfrecord_encoder as tf
from PIL import Image

from tracer1_agents.actions.space import (
    Click,
    Finish,
    LongPress,
    OpenApp,
    PressButton,
    Scroll,
    Type,
    Wait,
    dump_action,
)
from tracer1_agents.blobs import BlobStore
from tracer1_agents.cli import main
from tracer1_agents.errors import DataError
from tracer1_agents.types import ImageRef, ScreenNode


def _png(shade=0):
    content = io.BytesIO()
    Image.new("L", (20, 40), shade).save(content, "PNG")
    return content.getvalue()


def _episode(number, *actions, **changes):
    count = len(actions) + 1
    features = {
        "episode_id": tf.ints_feature([number]),
        "goal": tf.bytes_feature([b"Buy bread."]),
        "screenshots": tf.bytes_feature([_png(shade) for shade in range(count)]),
        "accessibility_trees": tf.bytes_feature([b"\x0a\x00"] * count),
        "screenshot_widths": tf.ints_feature([1080] * count),
        "screenshot_heights": tf.ints_feature([2400] * count),
        "actions": tf.bytes_feature([json.dumps(action).encode() for action in actions]),
        "step_instructions": tf.bytes_feature([f"step {n}".encode() for n in range(len(actions))]),
    }
    return tf.example({**features, **changes})


_WAIT = {"action_type": "wait"}


@pytest.fixture
def shard(tmp_path):
    def write(*payloads, name="android_control-00000-of-00020"):
        return tf.write_shard(tmp_path / name, *payloads)

    return write


def test_every_action_of_the_release_is_read(shard, read):
    path = shard(
        _episode(
            7,
            {"action_type": "open_app", "app_name": "Shop"},
            {"action_type": "click", "x": 540, "y": 600},
            {"action_type": "long_press", "x": 108, "y": 240},
            {"action_type": "input_text", "text": "rye"},
            {"action_type": "scroll", "direction": "down"},
            {"action_type": "scroll", "direction": "right"},
            {"action_type": "navigate_back"},
            {"action_type": "navigate_home"},
            _WAIT,
        )
    )
    [trajectory], problems = read("androidcontrol", path)
    assert problems == []
    assert [step.action for step in trajectory.steps] == [
        OpenApp(app_name="Shop"),
        Click(point=(0.5, 0.25)),
        LongPress(point=(0.1, 0.1)),
        Type(content="rye"),
        Scroll(direction="down"),  # where the view goes, as published
        Scroll(direction="right"),
        PressButton(button="back"),
        PressButton(button="home"),
        Wait(),
        Finish(),
    ]
    assert (trajectory.id, trajectory.source, trajectory.instruction) == ("7", "androidcontrol", "Buy bread.")
    assert [step.instruction for step in trajectory.steps] == [*(f"step {n}" for n in range(9)), ""]
    assert trajectory.steps[-1].flags == {"synthetic"}


def test_screenshots_are_named_and_the_last_shows_the_end(shard, read):
    [trajectory], _ = read("androidcontrol", shard(_episode(7, _WAIT)))
    assert [step.observation.image for step in trajectory.steps] == [
        ImageRef(ref=f"android_control-00000-of-00020#7/{number}", width=1080, height=2400) for number in (0, 1)
    ]


def test_screenshots_are_stored_where_that_is_asked_for(shard, read, tmp_path):
    [trajectory], _ = read("androidcontrol", shard(_episode(7, _WAIT)), blobs=tmp_path / "blobs")
    store = BlobStore(tmp_path / "blobs")
    assert [store.get(step.observation.image.ref) for step in trajectory.steps] == [_png(0), _png(1)]


def test_a_split_selects_episodes_before_their_screenshots_are_stored(shard, read, tmp_path):
    shard(_episode(1, _WAIT), _episode(2, _WAIT))
    shard(_episode(3, _WAIT), name="android_control-00001-of-00020")
    (tmp_path / "splits.json").write_text(json.dumps({"train": [2], "test": [1, 3]}), encoding="utf-8")
    (tmp_path / "test_subsplits.json").write_text(json.dumps({"app_unseen": [3]}), encoding="utf-8")

    def ids(split):
        found, problems = read("androidcontrol", tmp_path, split=split, blobs=tmp_path / split)
        assert problems == []
        return [one.id for one in found]

    assert ids("test") == ["1", "3"]
    assert ids("train") == ["2"]
    assert ids("app_unseen") == ["3"]
    assert len(list((tmp_path / "train").iterdir())) == 2


def test_an_unknown_split_is_refused(shard, read, tmp_path):
    path = shard(_episode(1, _WAIT))
    with pytest.raises(DataError, match="the files that define splits are not there"):
        read("androidcontrol", path, split="test")
    (tmp_path / "splits.json").write_text('{"train": [1], "test": 5}', encoding="utf-8")
    with pytest.raises(DataError, match="there are: train, test"):
        read("androidcontrol", path, split="tset")
    with pytest.raises(DataError, match='"test" must be a list of names or numbers, got 5'):
        read("androidcontrol", path, split="test")


@pytest.mark.parametrize(
    ("episode", "problem"),
    [
        (_episode(1, {"action_type": "teleport"}), "step 1: unknown action"),
        (_episode(1, _WAIT, {"action_type": "click", "x": 1081, "y": 5}), "step 2: the point (1081, 5) lies outside"),
        (_episode(1, {"action_type": "scroll", "direction": "in"}), "unknown direction 'in'"),
        (_episode(1, _WAIT, screenshots=tf.bytes_feature([_png()])), "1 actions need 2 screenshots with their sizes"),
        (_episode(1, _WAIT, step_instructions=tf.bytes_feature([])), "1 actions and 0 step instructions"),
        (_episode(1, _WAIT, actions=tf.bytes_feature([b"{"])), "step 1: an action is no JSON"),
        (_episode(1, _WAIT, actions=tf.ints_feature([3])), 'the feature "actions" must hold bytes, got int'),
        (_episode(1, _WAIT, episode_id=tf.ints_feature([])), 'the feature "episode_id" must hold one value, got 0'),
        (_episode(1, _WAIT, screenshot_widths=tf.ints_feature([0, 1])), "sizes of screenshots must be above 0"),
        (_episode(1, _WAIT, goal=tf.bytes_feature([b"\xff"])), "not UTF-8"),
        (_episode(1), "the trajectory has no steps"),
        (b"\x0a\x05abc", "not a protocol buffer message"),
    ],
)
def test_a_broken_episode_is_told_with_its_number(shard, read, episode, problem):
    trajectories, problems = read("androidcontrol", shard(_episode(5, _WAIT), episode, _episode(6, _WAIT)))
    assert [one.id for one in trajectories] == ["5", "6"]
    [(line, text)] = problems
    assert line == 2
    assert problem in text


def test_a_shard_that_is_cut_off_gives_the_episodes_before(shard, read, capsys):
    path = shard(_episode(1, _WAIT), _episode(2, _WAIT))
    whole = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(whole[:-100]))
    trajectories, [(line, text)] = read("androidcontrol", path)
    assert [one.id for one in trajectories] == ["1"]
    assert line == 2
    assert "the file is cut off" in text
    assert main(["data", "validate", "androidcontrol", str(path), "--strict"]) == 1
    assert "trajectories  1\n" in capsys.readouterr().out


def test_payload_checksums_are_verified_on_demand(shard, read):
    path = shard(_episode(1, _WAIT))
    raw = bytearray(gzip.decompress(path.read_bytes()))
    at = raw.index(b"Buy bread.")
    raw[at] = ord("b")
    path.write_bytes(gzip.compress(bytes(raw)))
    assert read("androidcontrol", path)[0][0].instruction == "buy bread."
    assert read("androidcontrol", path, checksums=True) == (
        [],
        [(1, "record 1: the checksum of its payload is wrong; left out")],
    )


def _node(box, text="", description="", *, visible=True):
    sides = b"".join(tf.varint(side << 3) + tf.varint(value) for side, value in enumerate(box, 1) if value)
    parts = [tf.message(2, sides), tf.message(3, b"android.widget.TextView")]
    parts += [tf.message(4, description.encode())] * bool(description) + [tf.message(7, text.encode())] * bool(text)
    return b"".join([*parts, tf.varint(23 << 3) + tf.varint(int(visible))])


def _forest(*nodes):
    tree = b"".join(tf.message(1, node) for node in nodes)
    return tf.message(1, tf.message(5, b"a title") + tf.message(11, tree))


SHOWN = _forest(
    _node((0, 0, 1080, 2400)),  # says nothing
    _node((108, 240, 540, 480), text="Maps", description="Open Maps"),
    _node((0, 240, 1080, 1200), description="apps"),
    _node((108, 240, 120, 250), text="hidden", visible=False),
    _node((0, 2400, 1080, 2500), text="below the screen"),
    _node((540, 2280, 1188, 2520), text="half on it"),
)


def test_accessibility_trees_are_read_on_demand(shard, read):
    trees = tf.bytes_feature([SHOWN, SHOWN])
    path = shard(_episode(7, {"action_type": "click", "x": 216, "y": 360}, accessibility_trees=trees))
    [plain], _ = read("androidcontrol", path)
    assert (plain.steps[0].nodes, plain.steps[0].boxes) == ((), ())
    [trajectory], problems = read("androidcontrol", path, trees=True)
    assert problems == []
    first = trajectory.steps[0]
    assert first.nodes == (
        ScreenNode((0.1, 0.1, 0.5, 0.2), "Maps\nOpen Maps"),
        ScreenNode((0.0, 0.1, 1.0, 0.5), "apps"),
        ScreenNode((0.5, 0.95, 1.0, 1.0), "half on it"),
    )
    assert first.boxes == ((0.1, 0.1, 0.5, 0.2), (0.0, 0.1, 1.0, 0.5))  # those that hold the point
    assert type(trajectory).model_validate_json(trajectory.model_dump_json()) == trajectory


@pytest.mark.parametrize(
    ("trees", "problem"),
    [
        ([SHOWN], "2 screenshots and 1 accessibility trees"),
        ([SHOWN[:-3], SHOWN], "step 1: not a protocol buffer message"),
        ([b"\xff" * 20, SHOWN], "step 1: not a protocol buffer message"),
    ],
)
def test_a_broken_tree_is_told(shard, read, trees, problem):
    path = shard(_episode(1, _WAIT, accessibility_trees=tf.bytes_feature(trees)), _episode(2, _WAIT))
    trajectories, [(line, text)] = read("androidcontrol", path, trees=True)
    assert [one.id for one in trajectories] == ["2"]
    assert line == 1
    assert problem in text


def test_ugrounds_rule_reads_the_trees(shard, tmp_path, capsys):
    """A click on a node that names the app is as good as opening it; a click is right in the smallest node."""
    path = shard(
        _episode(
            1,
            {"action_type": "open_app", "app_name": "maps"},
            {"action_type": "open_app", "app_name": "shop"},
            {"action_type": "click", "x": 216, "y": 360},
            {"action_type": "click", "x": 216, "y": 360},
            accessibility_trees=tf.bytes_feature([SHOWN] * 5),
        )
    )
    points = [(0.2, 0.15), (0.2, 0.15), (0.45, 0.11), (0.45, 0.3)]  # named; names another; in the node; in a larger one
    lines = [
        {
            "suite": "androidcontrol-high",
            "episode_id": "1",
            "step": number,
            "forecast": [{"action": dump_action(Click(point=point))}],
        }
        for number, point in enumerate(points, 1)
    ]
    predictions = tmp_path / "predictions.jsonl"
    predictions.write_text("".join(json.dumps(line) + "\n" for line in lines))
    asked = ["eval", "androidcontrol-high", "--data", str(path), "--predictions", str(predictions), "--rule", "uground"]
    assert main([*asked, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["metrics"]["step_success"]["value"] == 0.5
    assert found["metrics"]["click_success"]["value"] == 0.5
