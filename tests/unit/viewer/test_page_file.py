"""The HTML file: whole, closed, and nothing of a run gets out of its place."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from viewer_cases import EVIL, hostile_result, result, run_of, screen_result

import tracer1_agents.viewer
from tracer1_agents import cli
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.viewer.html import write_page
from tracer1_agents.viewer.pictures import Pictures

PAGE = Path(tracer1_agents.viewer.__file__).parent / "page"


class Elements(HTMLParser):
    """The page's elements, and the text of its scripts and styles, as a browser cuts them."""

    def __init__(self):
        super().__init__()
        self.found, self.inside = [], {}
        self.raw = False

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        self.raw = tag in {"script", "style"}

    def handle_endtag(self, tag):
        self.raw = False

    def handle_data(self, data):
        if self.raw:
            self.inside[len(self.found) - 1] = self.inside.get(len(self.found) - 1, "") + data


def parsed(path):
    elements = Elements()
    elements.feed(path.read_text(encoding="utf-8"))
    return elements


def written(tmp_path, *runs):
    path = tmp_path / "page.html"
    write_page(runs, Pictures(), path)
    return path


def test_the_data_of_the_page_is_the_run(tmp_path):
    elements = parsed(written(tmp_path, run_of(hostile_result(), result("t-2"))))
    at = next(at for at, (_, attrs) in enumerate(elements.found) if attrs.get("id") == "data")
    episodes = json.loads(elements.inside[at])["runs"][0]["episodes"]
    assert [len(episode["steps"]) for episode in episodes] == [2, 3]
    assert "<script>window.hacked=1</script>" in episodes[0]["task"]


def test_hostile_text_adds_no_element(tmp_path):
    plain = parsed(written(tmp_path, run_of(result(), result("t-2"))))
    hostile = parsed(written(tmp_path, run_of(hostile_result(), result("t-2"), name=EVIL)))
    assert [tag for tag, _ in hostile.found] == [tag for tag, _ in plain.found]


def test_nothing_is_loaded_from_elsewhere(tmp_path):
    path = written(tmp_path, run_of(screen_result(tmp_path)))
    elements = parsed(path)
    assert not [attrs for _, attrs in elements.found if {"src", "style", "onclick"} & attrs.keys()]
    assert [attrs["href"] for _, attrs in elements.found if "href" in attrs] == ["data:,"]  # no icon is asked for
    outside = re.sub(r'<script type="text/plain".*?</script>', "", path.read_text(encoding="utf-8"))
    assert set(re.findall(r"https?://[^\s\"'<]+", outside)) <= {"http://www.w3.org/2000/svg"}  # a name, no address


def test_the_policy_names_this_script_and_this_style_alone(tmp_path):
    elements = parsed(written(tmp_path, run_of(result())))
    policy = next(attrs["content"] for tag, attrs in elements.found if attrs.get("http-equiv"))
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == rules["connect-src"] == "'none'"
    assert rules["img-src"] == "data:"
    for at, (tag, attrs) in enumerate(elements.found):
        if tag in {"script", "style"} and "type" not in attrs:
            digest = base64.b64encode(hashlib.sha256(elements.inside[at].encode()).digest()).decode()
            assert rules[f"{tag}-src"] == f"'sha256-{digest}'"


def test_text_is_only_ever_set_as_text():
    for path in PAGE.glob("*.js"):
        script = path.read_text(encoding="utf-8")
        for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function("):
            assert forbidden not in script, path.name


def test_pictures_are_carried_once_and_not_decoded(tmp_path):
    elements = parsed(written(tmp_path, run_of(screen_result(tmp_path, count=9))))
    blocks = [attrs for _, attrs in elements.found if attrs.get("type") == "text/plain"]
    assert [block["id"] for block in blocks] == ["p0", "p1", "p2"]
    assert not [tag for tag, _ in elements.found if tag == "img"]


def test_the_file_is_the_owners_alone(tmp_path):
    assert written(tmp_path, run_of(result())).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    with pytest.raises(ConfigurationError, match="choose another --html"):
        write_page([run_of(result())], Pictures(), tmp_path / "none" / "page.html")


def luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_every_text_can_be_read_on_its_ground(theme):
    style = (PAGE / "style.css").read_text(encoding="utf-8")
    colours = {
        name: (light, dark)[theme]
        for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#\w+), (#\w+)\)", style)
    }
    assert len(colours) >= 14
    grounds = {"yes": "yes-tint", "no": "no-tint", "open": "open-tint", "warn": "warn-tint", "accent": "accent-tint"}
    for text, ground in [*grounds.items(), *((text, "paper") for text in ("ink", "dim", *grounds)), ("dim", "panel")]:
        assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)  # WCAG 2.1, AA


def write_run(path, *results):
    path.write_text("".join(found.model_dump_json() + "\n" for found in results), encoding="utf-8")
    return str(path)


def test_the_command_writes_a_page(tmp_path, capsys):
    run, other = write_run(tmp_path / "a.jsonl", result()), write_run(tmp_path / "b.jsonl", result(), result("t-2"))
    (tmp_path / "a.meta.json").write_text('{"model": "tiny"}')
    page = tmp_path / "page.html"
    assert cli.main(["show", run, "--against", other, "--html", str(page)]) == 0
    assert "page.html: " in capsys.readouterr().out
    elements = parsed(page)
    at = next(at for at, (_, attrs) in enumerate(elements.found) if attrs.get("id") == "data")
    data = json.loads(elements.inside[at])
    assert [(run["name"], len(run["episodes"]), run["setup"]) for run in data["runs"]] == [
        ("a.jsonl", 1, [["model", "tiny"]]),
        ("b.jsonl", 2, []),
    ]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--against", "RUN"], "add --html OUT.html or --serve"),
        (["--html", "RUN"], "is the run itself"),
        (["--html", "OUT", "--serve"], "choose one of them"),
        (["--html", "OUT", "--blobs", "nowhere"], "no such folder"),
        (["--html", "OUT", "--against", "nowhere.jsonl"], "no such results file"),
        (["--html", "OUT", "--against", "FOLDER"], "this is a folder; name the results file in it"),
        (["--html", "OUT", "--task", "t-9"], "no task 't-9'"),
        (["--serve", "--port", "99999"], "choose another --port"),
        (["--html", "OUT", "--port", "80"], "--port 80 belongs to --serve"),
        (["--html", "OUT", "--pictures", "nan"], "--pictures counts megabytes from 0"),
        (["--html", "OUT", "--pictures", "-1"], "--pictures counts megabytes from 0"),
    ],
)
def test_wrong_usage_is_told(tmp_path, capsys, more, said):
    run = write_run(tmp_path / "a.jsonl", result())
    names = {"RUN": run, "OUT": str(tmp_path / "page.html"), "FOLDER": str(tmp_path)}
    assert cli.main(["show", run, *(names.get(word, word) for word in more)]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "page.html").exists()


def test_a_file_of_something_else_is_told_in_a_few_lines(tmp_path, capsys):
    path = tmp_path / "predictions.jsonl"
    path.write_text('{"suite": "mind2web", "forecast": []}\n' * 2_000)
    page = tmp_path / "page.html"
    assert cli.main(["show", str(path), "--html", str(page)]) == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 7
    assert "predictions.jsonl:1: not a result" in told[0]
    assert told[-2].endswith("predictions.jsonl: and 1,995 more lines that are no results")
    assert "no line of it is a result, so no page is written" in told[-1]
    assert not page.exists()
    run = write_run(tmp_path / "run.jsonl", result())
    assert cli.main(["show", run, "--against", str(path), "--html", str(page)]) == 2
    with path.open("a") as file:
        file.write(Path(run).read_text())
    assert cli.main(["show", str(path), "--html", str(page)]) == 0
    assert page.read_text().count("is left out") == 5
    path.write_text('{"suite": "mind2web", "forecast": []}\n')
    capsys.readouterr()
    assert cli.main(["show", str(path), "--task", "t-1"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "tracer1: no task 't-1' among the 0 of this run"


def test_a_page_that_cannot_take_its_place_leaves_nothing(tmp_path, capsys):
    run = write_run(tmp_path / "a.jsonl", result())
    (tmp_path / "folder.html").mkdir()
    before = sorted(tmp_path.iterdir())
    assert cli.main(["show", run, "--html", str(tmp_path / "folder.html")]) == 2
    assert "the page cannot be written" in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


def test_only_a_file_is_replaced(tmp_path, capsys):
    """`--html /dev/null` by root left a file in the place of the device; a link stays one."""
    run = write_run(tmp_path / "a.jsonl", result())
    pipe, link, file = tmp_path / "pipe", tmp_path / "link.html", tmp_path / "file.html"
    os.mkfifo(pipe)
    link.symlink_to(file)
    assert cli.main(["show", run, "--html", str(pipe)]) == 2
    assert "is a pipe or a device" in capsys.readouterr().err
    assert pipe.is_fifo()
    assert cli.main(["show", run, "--html", str(link)]) == 0
    assert link.is_symlink()
    assert file.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_a_link_that_leads_round_in_a_circle_is_no_run(tmp_path, capsys):
    circle = tmp_path / "circle.jsonl"
    circle.symlink_to(circle)
    assert cli.main(["show", str(circle), "--html", str(tmp_path / "page.html")]) == 2
    assert "circle.jsonl: no such results file" in capsys.readouterr().err
