"""The committed page of results is what the committed result files give."""

import re
from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="matplotlib is not installed")
pytest.importorskip("torch", reason="torch is not installed")

from tracer1_agents.experiments.compare import Table
from tracer1_agents.experiments.page import write_page
from tracer1_agents.experiments.plan import load_plan
from tracer1_agents.experiments.results import Results

pytestmark = pytest.mark.torch
ROOT = Path(__file__).parents[3]


PAGES = [("world1", "results.md"), ("stage2", "stage2.md"), ("androidcontrol", "androidcontrol.md")]


@pytest.mark.parametrize(("name", "page_name"), PAGES)
def test_every_number_of_a_page_comes_from_the_result_files(name, page_name, tmp_path):
    plan = load_plan(name)
    table = Table(plan, Results(ROOT / "results" / plan.name), "test")
    page = tmp_path / "docs" / page_name
    write_page(table, page, page.with_suffix(""))
    committed = ROOT / "docs" / page_name
    assert page.read_text(encoding="utf-8") == committed.read_text(encoding="utf-8")
    drawn = {path.name for path in page.with_suffix("").iterdir()}
    assert drawn == {path.name for path in committed.with_suffix("").glob("*.svg")}


def test_the_readme_says_what_the_results_say():
    answer = (ROOT / "docs" / "results.md").read_text(encoding="utf-8").split("\n\n")[1]
    mean, low, high = re.search(r"difference -([\d.]+)% \(-([\d.]+)% to -([\d.]+)%\)", answer).groups()
    told = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert answer.endswith("seeds: 5.")
    assert f"the whole method solves {mean} points fewer" in told
    assert f"(95%: {high} to {low}; five seeds" in told


def test_the_readme_quotes_differences_of_the_page():
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    claims = page.partition("## Claims")[2].partition("## Arms")[0]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    told = " ".join(readme.partition("## Does foresight pay?")[2].partition("- **[MiniWoB++]")[0].split())
    quoted = re.findall(r"\(([+-][\d.]+), ([+-][\d.]+) to ([+-][\d.]+)\)", told)
    assert len(quoted) > 5
    for mean, low, high in quoted:
        assert f"| tasks solved | all | {mean}% ({low}% to {high}%) |" in claims


def test_results_are_those_of_the_plan_as_it_stands():
    for name, _ in PAGES:
        plan = load_plan(name)
        results = Results(ROOT / "results" / name)
        for cell in plan.cells():
            for split in ("development", "test"):
                found = results.read(cell, split)
                assert found is None or found.recipe == plan.recipe(cell, split), (cell, split)
