"""Mind2Web rows as published: JSON inside strings, screenshots inside rows, grouping."""

from __future__ import annotations

import io
import json

import pytest
from PIL import Image

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.actions.space import Click, Finish, Select, Type
from tracer1_agents.cli import main
from tracer1_agents.types import ImageRef


def _candidate(rect):
    attributes = {"backend_node_id": "7", **({"bounding_box_rect": rect} if rect else {})}
    return json.dumps({"tag": "button", "backend_node_id": "7", "attributes": json.dumps(attributes)})


def _row(number, op="CLICK", value="", *, rects=("128,125,64,250",), task="t1", total=2, **more):
    return {
        "action_uid": f"{task}-{number}",
        "annotation_id": task,
        "confirmed_task": "Rent a boat.",
        "website": "boats",
        "domain": "Travel",
        "subdomain": "Other",
        "operation": json.dumps({"original_op": op, "value": value, "op": op}),
        "pos_candidates": [_candidate(rect) for rect in rects],
        "neg_candidates": [_candidate("0,0,1,1")],
        "action_reprs": [f"[link] number {n} -> CLICK" for n in range(total)],
        "target_action_index": str(number),
        "target_action_reprs": f"[link] number {number} -> CLICK",
        "cleaned_html": "<html></html>",
        **more,
    }


def _png(width, height):
    content = io.BytesIO()
    Image.new("L", (width, height)).save(content, "PNG")
    return {"bytes": content.getvalue(), "path": None}


def test_rows_of_a_task_become_one_trajectory(write_lines, read):
    path = write_lines(
        _row(1, "TYPE", "two people", total=4),
        _row(0, total=4),
        _row(2, "SELECT", "May", total=4),
        _row(3, rects=(), total=4),
    )
    [trajectory], problems = read("mind2web", path)
    assert problems == []
    assert [step.action for step in trajectory.steps] == [
        Click(point=(0.125, 0.25)),
        Type(content="two people"),
        Select(option="May", point=(0.125, 0.25)),
        Click(),
        Finish(),
    ]
    assert trajectory.steps[0].boxes == ((0.1, 0.125, 0.15, 0.375),)
    assert trajectory.steps[0].observation.image == ImageRef(ref="t1-0", width=1280, height=1000)
    assert [step.instruction for step in trajectory.steps] == [*(f"[link] number {n} -> CLICK" for n in range(4)), ""]
    assert [sorted(step.flags) for step in trajectory.steps] == [[], [], [], ["no_target"], ["synthetic"]]
    about = {"website": "boats", "domain": "Travel", "subdomain": "Other"}
    assert trajectory.metadata == {**about, "total_steps": 4}


def test_a_screenshot_tells_the_size_of_the_page(write_rows, read, tmp_path):
    path = write_rows(
        _row(0, screenshot=_png(1280, 5000)),
        _row(0, task="t2", total=1, screenshot=_png(1280, 2000)),
        _row(1, screenshot=_png(1280, 4000)),
    )
    (other, whole), problems = read("mind2web", path, blobs=tmp_path / "blobs")
    assert problems == []
    assert (other.id, whole.id) == ("t2", "t1")
    assert whole.steps[0].boxes == ((0.1, 0.025, 0.15, 0.075),)
    assert whole.steps[0].action == Click(point=(0.125, 0.05))
    stored = whole.steps[1].observation.image
    assert (stored.width, stored.height) == (1280, 4000)
    assert (tmp_path / "blobs" / stored.ref).read_bytes() == _png(1280, 4000)["bytes"]
    [named, _], _ = read("mind2web", path)
    assert named.steps[0].observation.image.ref == "source.parquet#t2-0"


def test_a_screenshot_beside_the_source_is_found(write_lines, read, tmp_path):
    Image.new("L", (1280, 2500)).save(tmp_path / "page.png")
    path = write_lines(_row(0, screenshot="page.png"), _row(1, screenshot="gone.png"))
    [trajectory], [(line, text)] = read("mind2web", path)
    assert trajectory.steps[0].boxes == ((0.1, 0.05, 0.15, 0.15),)
    assert (line, text.split(" is not")[0]) == (2, "the image 'gone.png'")


def test_the_screen_option_and_candidates_without_a_box(write_lines, read):
    path = write_lines(_row(0, rects=(None, "128,100,64,200"), total=1))
    [trajectory], _ = read("mind2web", path, screen=Size(1280, 2000))
    assert trajectory.steps[0].boxes == ((0.1, 0.05, 0.15, 0.15),)


def test_missing_steps_are_named_and_flagged(write_lines, read):
    [trajectory], _ = read("mind2web", write_lines(_row(0, total=4), _row(2, total=4)))
    assert trajectory.metadata["missing_steps"] == [1, 3]
    assert [sorted(step.flags) for step in trajectory.steps] == [[], ["after_gap"]]
    assert trajectory.steps[1].instruction == "[link] number 2 -> CLICK"


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (_row(1, "FLY"), "unknown operation 'FLY'"),
        (_row(1, operation="{"), '"operation" is no JSON'),
        (_row(1, operation='{"value": ""}'), 'the key "op" is missing'),
        (_row(1, rects=("1,2,3",)), '"bounding_box_rect" must be "x,y,width,height", got \'1,2,3\''),
        (_row(1, rects=("1,2,3,nan",)), '"bounding_box_rect" must be'),
        (_row(1, pos_candidates=["["]), "a candidate is no JSON"),
        (_row(1, target_action_index="-1"), '"target_action_index" must be a number'),
        (_row(1, "TYPE", None), '"value" must be str'),
    ],
)
def test_a_broken_row_is_told_with_its_line(write_lines, read, row, problem):
    trajectories, [(line, text)] = read("mind2web", write_lines(_row(0), row, _row(0, task="t2", total=1)))
    assert [one.id for one in trajectories] == ["t2"]
    assert line == 2
    assert problem in text


def test_a_folder_may_hold_both_layouts_and_a_file_may_be_cut_off(write_lines, write_rows, capsys):
    path = write_rows(_row(0, total=1))
    write_lines(_row(0, total=1), '{"annotation_id": "t', name="rows.jsonl", end="")
    assert main(["data", "validate", "mind2web", str(path.parent), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["trajectories"], [one["line"] for one in found["problems"]]) == (2, [2])
    path.write_bytes(path.read_bytes()[:50])
    main(["data", "validate", "mind2web", str(path), "--json"])
    assert "not readable as Parquet" in json.loads(capsys.readouterr().out)["problems"][0]["problem"]
