"""Measured MiniWoB++ policies beside one another: result files with every episode, and the page that is made of them.

    python -m tracer1_agents.evals.miniwob_page --keep copying=runs/miniwob/copying.jsonl
    python -m tracer1_agents.evals.miniwob_page

`--keep` sums a run of `tracer1 eval miniwob` up, an episode an entry without its trace, as `results/miniwob/NAME.json`;
the page is written from those files and `about.md` beside them, so that no number in a table is typed by hand.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.data.miniwob.named import TASKS
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.evals.miniwob_scores import means, place, scores_by_task
from tracer1_agents.evals.results import TaskResult, read_results, read_setup
from tracer1_agents.metrics.intervals import interval_text, paired_difference

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMPARED_WITH: Final = "anticipatory"  # the paper's way: T pairs, one runs
_FIELDS: Final = ("correct", "raw_reward", "discounted_reward", "status", "planner_calls", "tokens", "seconds")


@dataclass(frozen=True)
class Measured:
    """One policy.

    Attributes:
        name: Of its file.
        setup: How it was run.
        results: Its episodes.
    """

    name: str
    setup: dict[str, Any]
    results: tuple[TaskResult, ...]

    def part(self, *, compositions: bool) -> list[TaskResult]:
        """Its episodes on pages with several tasks, or on those with one."""
        return [one for one in self.results if (one.family not in TASKS) is compositions]


def keep(name: str, run: Path, folder: Path) -> Path:
    """A run as a result file.

    Args:
        name: Of the policy.
        run: Results of `tracer1 eval miniwob`.
        folder: Where the file goes.

    Raises:
        ConfigurationError: There is no such run, or lines of it cannot be read.
    """
    results, problems = read_results(run)
    if problems or not results:
        msg = f"{run} has {len(problems)} lines that are no results, of {len(results) + len(problems)}; run it again"
        raise ConfigurationError(msg)
    ordered = sorted(results, key=place)
    items: dict[str, list[Any]] = {"task_id": [one.task_id for one in ordered]}
    items |= {field: [getattr(one, field) for one in ordered] for field in _FIELDS}
    items["steps"] = [len(one.trace.steps) if one.trace else 0 for one in ordered]
    rows = ",\n".join(
        f"  {json.dumps(field)}: {json.dumps(values, separators=(',', ':'))}" for field, values in items.items()
    )
    setup = {key: value for key, value in read_setup(run).items() if not key.startswith("info_")}
    setup["model"] = Path(str(setup.get("model", ""))).name  # not where it lay
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(f'{{"setup": {json.dumps(setup)},\n "episodes": {{\n{rows}}}}}\n', encoding="utf-8")
    return path


def measured_in(folder: Path) -> list[Measured]:
    """The result files of a folder, by name."""
    return [_read(path) for path in sorted(folder.glob("*.json"))]


def _read(path: Path) -> Measured:
    data = json.loads(path.read_text(encoding="utf-8"))
    columns = data["episodes"]
    results = tuple(
        TaskResult(
            task_id=name,
            family=name.rpartition("/")[0],
            **{field: columns[field][at] for field in _FIELDS},
        )
        for at, name in enumerate(columns["task_id"])
    )
    return Measured(path.stem, data["setup"], results)


def page_of(folder: Path) -> str:
    """The page.

    Args:
        folder: With result files and `about.md`.
    """
    found = measured_in(folder)
    lines = [(folder / "about.md").read_text(encoding="utf-8").rstrip(), "", "## Means", "", *_means(found), ""]
    lines += ["## How each was run", "", *_setups(found), ""]
    if differences := _differences(found):
        lines += ["## Differences", "", *differences, ""]
    lines += ["## Named tasks", "", *_by_task(found, compositions=False), ""]
    lines += [
        "## Compositions",
        "",
        *_by_task(found, compositions=True),
        "",
        "## How episodes ended",
        "",
        *_ends(found),
        "",
    ]
    return "\n".join(lines)


def _means(found: Sequence[Measured]) -> list[str]:
    lines = [
        "| policy | page | T | tasks | episodes | success | raw reward | discounted | unsolved | calls per episode |",
        "|" + "---|" * 10,
    ]
    for one in found:
        for pages in (False, True):
            results = one.part(compositions=pages)
            if not results:
                continue
            mean = means(results)
            cells = " | ".join(_mean(mean[name], share=name == "success") for name in mean)
            tasks = scores_by_task(results)
            never = sum(not task.solved for task in tasks)
            kind = "several tasks" if pages else "one task"
            head = f"| `{one.name}` | {kind} | {one.setup['horizon']} | {len(tasks)} | {len(results)}"
            calls = fmean(result.planner_calls for result in results)
            lines.append(f"{head} | {cells} | {never} | {calls:.1f} |")
    return lines


def _setups(found: Sequence[Measured]) -> list[str]:
    lines = ["| policy | prompt profile | past steps shown | steps at most | else | weights |", "|" + "---|" * 6]
    for one in found:
        shown = [str(one.setup.get(key, "")) for key in ("profile", "history", "max_steps")]
        channels = ", ".join(f"{name} {one.setup[name]}" for name in ("commitment", "best_of") if name in one.setup)
        weights = f"`{one.setup['weights']}`" if one.setup.get("weights") else ""
        lines.append(f"| `{one.name}` | {' | '.join(shown)} | {channels} | {weights} |")
    return lines


def _mean(score: dict[str, Any], *, share: bool) -> str:
    def shown(value: float) -> str:
        return f"{value:.1%}" if share else f"{value:+.2f}"

    return f"{shown(score['value'])} ({interval_text((score['low'], score['high']), shown)})"


def _differences(found: Sequence[Measured]) -> list[str]:
    """Each policy less what it is compared with, over the episodes that both have."""
    lines = ["| difference | pages | episodes | success |", "|---|---|---|---|"]
    other = next((one for one in found if one.name == _COMPARED_WITH), None)
    for one in found:
        if other is None or one is other:
            continue
        for pages in (False, True):
            both = {two.task_id: two for two in other.part(compositions=pages)}
            pairs = [(two, both[two.task_id]) for two in one.part(compositions=pages) if two.task_id in both]
            if not pairs:
                continue
            values = [float(a.correct is True) - float(b.correct is True) for a, b in pairs]
            gained = paired_difference([values], [a.family for a, _ in pairs])
            interval = f"{gained.mean:+.1%} ({interval_text((gained.low, gained.high), '{:+.1%}'.format)})"
            kind = "several tasks" if pages else "one task"
            lines.append(f"| `{one.name}` - `{other.name}` | {kind} | {len(pairs)} | {interval} |")
    return lines if len(lines) > 2 else []  # noqa: PLR2004  (a head)


def _by_task(found: Sequence[Measured], *, compositions: bool) -> list[str]:
    """Solved of all, with Wilson's interval."""
    scores = {
        one.name: {task.task: task for task in scores_by_task(one.part(compositions=compositions))} for one in found
    }
    tasks = {task: score.group for by_task in scores.values() for task, score in by_task.items()}
    if not tasks:
        return ["Not run."]
    lines = [f"| task | group | {' | '.join(f'`{name}`' for name in scores)} |", "|" + "---|" * (len(scores) + 2)]
    for task, group in tasks.items():
        cells = []
        for by_task in scores.values():
            score = by_task.get(task)
            low, high = score.interval if score else (0.0, 0.0)
            cells.append(f"{score.solved} of {score.episodes} ({low:.0%} to {high:.0%})" if score else "")
        lines.append(f"| {task} | {group} | {' | '.join(cells)} |")
    return lines


def _ends(found: Sequence[Measured]) -> list[str]:
    kinds = sorted({result.status for one in found for result in one.results})
    lines = [f"| policy | {' | '.join(kinds)} |", "|" + "---|" * (len(kinds) + 1)]
    for one in found:
        counts = (str(sum(result.status == kind for result in one.results)) for kind in kinds)
        lines.append(f"| `{one.name}` | {' | '.join(counts)} |")
    return lines


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of `python -m tracer1_agents.evals.miniwob_page`."""
    parser = argparse.ArgumentParser(
        prog="python -m tracer1_agents.evals.miniwob_page",
        description="MiniWoB++ results as files with every episode, and as a page.",
    )
    parser.add_argument("--keep", action="append", default=[], metavar="NAME=RUN.jsonl", help="sum a run up first")
    parser.add_argument("--results", type=Path, default=Path("results/miniwob"), metavar="DIR")
    parser.add_argument("--page", type=Path, default=Path("docs/miniwob.md"), metavar="F.md")
    parsed = parser.parse_args(argv)
    for given in parsed.keep:
        name, _, run = given.partition("=")
        keep(name, Path(run), parsed.results)
    parsed.page.write_text(page_of(parsed.results), encoding="utf-8")


if __name__ == "__main__":
    main()
