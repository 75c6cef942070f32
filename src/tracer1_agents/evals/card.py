"""The card of the shipped planner: what it is, and what was measured.

    python examples/gaia_agent.py --tasks measure --output runs/measure.jsonl
    python -m tracer1_agents.evals.card runs/warmstart/log.jsonl runs/measure.jsonl runs/experiments/stage1/test.md

The card's numbers come out of the training log and the results file; none is typed by hand.
"""

from __future__ import annotations

import argparse
import json
from importlib import resources
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Final

from tracer1_agents.evals.report import summarise
from tracer1_agents.evals.results import read_results
from tracer1_agents.metrics.intervals import interval_text, wilson_interval
from tracer1_agents.serving.tiny import tiny_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer1_agents.evals.results import TaskResult
    from tracer1_agents.metrics.forecasts import Survival

_TRAITS: Final = {
    "unseen_style": "file names in a style never trained on",
    "unseen_phrase": "wording never trained on",
}


def write_card(log: Path, results: Path, comparison: Path, target: Path) -> None:
    """Write the card beside the shipped weights.

    Args:
        log: `log.jsonl` of the training run.
        results: Results of the `measure` set, run with the exported weights.
        comparison: What `python -m tracer1_agents.experiments stage1` wrote of its test split.
        target: Folder of the shipped planner.
    """
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    start = next(line for line in lines if line["event"] == "start")
    end = [line for line in lines if line["event"] == "evaluation"][-1]
    measured, _ = read_results(results)
    report = summarise(measured)
    size = sum(path.stat().st_size for path in target.iterdir() if path.suffix == ".safetensors")
    template = resources.files("tracer1_agents") / "assets" / "tiny_card.md"
    values = {
        "parameters": f"{start['parameters_millions']:.2f}",
        "megabytes": f"{size / 1e6:.1f}",
        "minutes": f"{end['seconds'] / 60:.0f}",
        "updates": f"{end['step']:,}",
        "tokens": f"{end['tokens'] / 1e6:.0f}",
        "windows": str(end["windows"]),
        "first_exact": f"{end['first_exact']:.1%}",
        "pairs_exact": f"{end['pairs_exact']:.1%}",
        "kinds_right": f"{end['kinds_right']:.1%}",
        "comparison": comparison.read_text(encoding="utf-8").strip(),
        "splits": "\n".join(_split_rows(measured)),
        "families": "\n".join(_family_rows(measured)),
        "distances": "\n".join(_distance_row(distance, one) for distance, one in report.survival.items()),
    }
    card = Template(template.read_text(encoding="utf-8")).substitute(values)
    (target / "README.md").write_text(card, encoding="utf-8")


def _split_rows(results: Sequence[TaskResult]) -> list[str]:
    trained = [result for result in results if result.trained_family]
    groups = {
        "families it was trained on": trained,
        "... names held out, nothing else new": [result for result in trained if not result.traits],
        **{f"... {words}": [one for one in trained if trait in one.traits] for trait, words in _TRAITS.items()},
        "families never trained on": [result for result in results if not result.trained_family],
    }
    return [_row(name, *_correct(group)) for name, group in groups.items()]


def _family_rows(results: Sequence[TaskResult]) -> list[str]:
    families = dict.fromkeys(result.family for result in results)
    return [_row(name, *_correct([result for result in results if result.family == name])) for name in families]


def _correct(results: Sequence[TaskResult]) -> tuple[int, int]:
    return sum(bool(result.correct) for result in results), len(results)


def _row(name: str, hits: int, total: int) -> str:
    low, high = wilson_interval(hits, total)
    share = f"{hits / total:.1%}" if total else "-"
    return f"| {name} | {hits} / {total} | {share} | {low:.1%} to {high:.1%} |"


def _distance_row(distance: int, one: Survival) -> str:
    interval = interval_text(one.ends, "{:.1%}".format)
    return f"| {distance} step{'s' * (distance > 1)} ahead | {one.hits} / {one.total} | {one.share:.1%} | {interval} |"


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of `python -m tracer1_agents.evals.card`."""
    parser = argparse.ArgumentParser(
        prog="python -m tracer1_agents.evals.card", description="Write the card of the shipped planner."
    )
    parser.add_argument("log", type=Path, help="log.jsonl of the training run")
    parser.add_argument("results", type=Path, help="results of the bundled measure set")
    parser.add_argument("comparison", type=Path, help="test.md of the stage-1 experiment")
    parser.add_argument("target", type=Path, nargs="?", default=tiny_folder())
    arguments = parser.parse_args(argv)
    write_card(arguments.log, arguments.results, arguments.comparison, arguments.target)


if __name__ == "__main__":
    main()
