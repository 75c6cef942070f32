"""docs/benchmarks.md: every suite and rule is there, and the numbers of its table are measured again."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tracer1_agents.cli import main
from tracer1_agents.evals.predictions import Predictions
from tracer1_agents.evals.scoring import CEILING, CENTRE, CONSTANT, References, evaluate
from tracer1_agents.evals.suites import SUITES, references

PAGE = (Path(__file__).parents[3] / "docs" / "benchmarks.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SUITES)
def test_every_suite_has_its_rules_and_its_paper_number(name):
    assert f"`{name}`" in PAGE or f"tracer1 eval {name} " in PAGE
    assert all(f"`{rule}`" in PAGE for rule in SUITES[name].rules)


def test_sections_say_what_they_have_to():
    sections = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    suites = ("Android", "GUI-", "Multimodal", "AgentNet", "GTA", "GAIA", "MiniWoB++", "OSWorld")
    named = [text for text in sections if text.startswith(suites)]
    assert len(named) == len(suites) + 1  # AndroidControl and AndroidWorld
    for text in named:
        missing = [
            word for word in ("*What it measures:*", "*Format", "*Rules", "*Paper", "*Command:*") if word not in text
        ]
        assert missing == [] or (text.startswith("AndroidControl") and missing == ["*Rules"]), text[:20]


def test_options_are_those_that_there_are(capsys):
    for command in ("eval", "report"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
    offered = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) | {"--tasks", "--output"}
    section = PAGE[: PAGE.index("## inspect_ai")] + PAGE[PAGE.index("## Speed") :]
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", section)) <= offered | {"--blobs"}


def test_the_table_of_ceilings_is_what_is_measured():
    folder = os.environ.get("TRACER1_DATA")
    if not folder:
        pytest.skip("TRACER1_DATA does not name the folder of published samples")
    suite = SUITES["androidcontrol-high"]
    found = References.gather(suite, references(suite, Path(folder, suite.sample)))
    for rule in suite.rules:
        beside = {
            name: {score.metric: score for score in scores}
            for name, scores in evaluate(found, Predictions(), rule).baselines.items()
        }
        shown = [f"{beside[CEILING]['step_success'].n:,}"] + [
            f"{100 * beside[name][metric].value:.1f}"
            for name, metric in (
                (CEILING, "step_success"),
                (CENTRE, "step_success"),
                (CENTRE, "click_success"),
                (CONSTANT, "step_success"),
            )
        ]
        assert f"| `{rule}` | {' | '.join(shown)} |" in PAGE
