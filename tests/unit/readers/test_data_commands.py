"""`tracer1 data`: counts, problems, exit codes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tracer1_agents.cli import main
from tracer1_agents.data.readers.base import ReaderOptions
from tracer1_agents.data.readers.registry import READERS, reader_named
from tracer1_agents.errors import ConfigurationError

_WAIT = {"action_content": {"action": "wait"}, "step_instruction": "wait", "screenshot": "1.png"}
_CLICK = {"action_content": {"action": "click", "coordinate": [540, 600]}, "check_options": {"candidate_bbox": []}}


def _line(*steps):
    return {"goal": "g", "is_successful": True, "steps": list(steps)}


@pytest.fixture
def source(write_lines):
    return str(write_lines(_line(_WAIT, _CLICK), _line(_WAIT), "{broken"))


def test_validate_counts_as_json(source, capsys):
    assert main(["data", "validate", "androidcontrol", source, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["problems"].pop()["line"] == 3
    assert found == {
        "trajectories": 2,
        "steps": 3,
        "windows": 3,
        "kinds": {"wait": 2, "click": 1},
        "unscorable": {"synthetic": 2, "no_screen_size": 1},
        "problems": [],
        "gold_score": 1.0,
        "gold_parts": {"trajectory_reward": 1.0, "strict": 1.0},
        "gold_shortfalls": [],
    }


def test_validate_prints_for_people_and_strict_minds_problems(source, capsys):
    assert main(["data", "validate", "androidcontrol", source, "--strict"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("trajectories  2\nsteps         3\nwindows       3\nkinds         wait 2, click 1\n")
    assert "source.jsonl:3: not JSON" in out


def test_strict_is_content_with_a_sound_source(write_lines):
    assert main(["data", "validate", "androidcontrol", str(write_lines(_line(_WAIT))), "--strict"]) == 0


def test_many_problems_are_cut_for_people(write_lines, capsys):
    main(["data", "validate", "androidcontrol", str(write_lines(*["{"] * 25))])
    assert "and 5 more; --json lists all" in capsys.readouterr().out


def test_control_characters_of_a_source_do_not_reach_the_terminal(write_lines, capsys):
    bad = {"action_content": {"action": "\x1b[2J"}}
    main(["data", "validate", "androidcontrol", str(write_lines(_line(bad)))])
    assert "\x1b" not in capsys.readouterr().out


def test_export_writes_what_the_store_reads(source, tmp_path, capsys):
    out = str(tmp_path / "out.jsonl")
    assert main(["data", "export", "androidcontrol", source, "--out", out, "--strict"]) == 1
    captured = capsys.readouterr()
    assert captured.out == f"2 trajectories in {out}\n"
    assert "source.jsonl:3: not JSON" in captured.err
    assert main(["data", "validate", "store", out, "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["trajectories"], again["steps"], again["problems"]) == (2, 3, [])


def test_export_takes_the_place_of_no_source_and_of_no_pipe(source, tmp_path, capsys):
    before = Path(source).read_text(encoding="utf-8")
    assert main(["data", "export", "androidcontrol", source, "--out", source]) == 2
    assert "is the source itself and would be overwritten" in capsys.readouterr().err
    assert Path(source).read_text(encoding="utf-8") == before
    os.mkfifo(pipe := tmp_path / "pipe")
    assert main(["data", "export", "androidcontrol", source, "--out", str(pipe)]) == 2
    assert "is a pipe or a device" in capsys.readouterr().err
    assert pipe.is_fifo()
    assert main(["data", "export", "androidcontrol", source, "--out", ""]) == 2
    assert capsys.readouterr().err == "tracer1: .: Is a directory\n"


def test_stats_describe(source, capsys):
    assert main(["data", "stats", "androidcontrol", source]) == 0
    rows = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    assert {name: value.strip() for name, value in rows.items()} == {
        "trajectories": "2",
        "steps": "3 (1 to 2, middle 2 a trajectory)",
        "kinds": "wait 2, click 1",
        "without a box": "click 1",
        "with a step instruction": "2",
        "with a screenshot named": "2",
        "alternatives": "0",
        "flags": "none",
        "problems": "1",
    }


def test_options_reach_the_reader(source, tmp_path, capsys):
    out = tmp_path / "out.jsonl"
    options = ["--screen", "1080x1200", "--keep-open", "--drop", "nothing"]
    main(["data", "export", "androidcontrol", source, "--out", str(out), *options])
    first = json.loads(out.read_text(encoding="utf-8").splitlines()[0])
    assert [step["action"] for step in first["steps"]] == [{"kind": "wait"}, {"kind": "click", "point": [0.5, 0.5]}]


def test_splits_pictures_and_checksums_reach_the_reader(source, tmp_path, monkeypatch):
    seen = []

    def spy(name, options):
        seen.append((name, options.split, options.blobs, options.checksums))
        return reader_named(name)

    monkeypatch.setattr("tracer1_agents.data.readers.registry.reader_named", spy)
    main(["data", "stats", "androidcontrol", source, "--split", "test", "--blobs", str(tmp_path), "--checksums"])
    main(["data", "stats", "androidcontrol", source])
    assert seen == [("androidcontrol", "test", tmp_path, True), ("androidcontrol", None, None, False)]


@pytest.mark.parametrize("screen", ["1080", "0x3", "axb", "-1x4"])
def test_a_screen_has_two_sides(source, screen, capsys):
    with pytest.raises(SystemExit):
        main(["data", "stats", "androidcontrol", source, f"--screen={screen}"])
    assert "written like 1080x2400" in capsys.readouterr().err


def test_what_is_not_there_ends_with_a_message(tmp_path, capsys):
    assert main(["data", "validate", "mind2web", str(tmp_path / "none")]) == 2
    assert main(["data", "validate", "agentnet", str(tmp_path)]) == 2
    assert main(["data", "validate", "nonesuch", str(tmp_path)]) == 2
    assert (
        "choose one of: agentnet, agenttrek, androidcontrol, gta, gui_odyssey, mind2web, miniwob, mm_traj, store"
        in capsys.readouterr().err
    )


def test_a_folder_stands_for_the_files_of_the_format_in_it(write_lines, capsys):
    write_lines(_line(_WAIT), name="a.jsonl")
    write_lines("{broken", name="b.jsonl")
    write_lines({"something": "else"}, name="c.jsonl")
    folder = str(write_lines(_line(_CLICK), name="d.jsonl").parent)
    assert main(["data", "validate", "androidcontrol", folder, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["kinds"] == {"wait": 1, "click": 1}
    assert [problem["path"][-7:] for problem in found["problems"]] == ["b.jsonl"]


def test_every_reader_has_its_name():
    assert [reader_named(name).name for name in READERS] == list(READERS)
    with pytest.raises(ConfigurationError, match="there is no reader 'x'"):
        reader_named("x")


def test_a_split_needs_files_that_define_it():
    assert reader_named("gui_odyssey", ReaderOptions(split="random_split/test"))
    with pytest.raises(ConfigurationError, match="mind2web has no files that define splits; name the file of the part"):
        reader_named("mind2web", ReaderOptions(split="test_task"))
