"""`tracer1 eval --model`: runs a model over a suite, or a grid of settings, and keeps each run's scores beside it.

The scores of `F.jsonl` stand in `F.scores.json`, as `--json` prints them, with the run's setup: reports read these.
"""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.blobs import ImageFiles
from tracer1_agents.evals.collect import PredictionsFile, collect, cost, grid, setup_of, spent
from tracer1_agents.evals.eval_report import as_json, figure
from tracer1_agents.evals.marks import Mark, Score, scores_of
from tracer1_agents.evals.predictions import read_predictions
from tracer1_agents.evals.scoring import evaluate
from tracer1_agents.graphs.build import as_policy
from tracer1_agents.metrics.intervals import interval_text
from tracer1_agents.metrics.planning import first_action_agreement
from tracer1_agents.planner.profiles import profile_named
from tracer1_agents.serving.endpoint import check_endpoint, endpoint_model

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tracer1_agents.blobs import ImageSource
    from tracer1_agents.evals.collect import Asking
    from tracer1_agents.evals.predictions import Predictions
    from tracer1_agents.evals.scoring import Evaluation, References
    from tracer1_agents.planner.policy import Policy

CONTROL: Final = (
    "The horizon was cut at run time, and no channel leads from forecast to action: this grid is a control. "
    "What T changes here is cost, and what a longer prompt or reply does to the first action."
)
Price = tuple[float, float]


def policy_of(asking: Asking, base_url: str | None, *, images: ImageSource | None = None) -> Policy:
    """The model as a policy: a name, a checkpoint folder, or what an OpenAI-compatible endpoint serves.

    Args:
        asking: Its name and profile.
        base_url: Of an endpoint; it has to answer and to serve the model.
        images: Where its screenshots are; None: files, by their paths.

    Raises:
        ConfigurationError: It cannot be loaded.
        MissingExtraError: It needs an extra that is not installed.
    """
    model: Any = asking.model
    if base_url:
        check_endpoint(asking.model, base_url)
        model = endpoint_model(asking.model, base_url, seed=asking.seed)
    return as_policy(model, blobs=images or ImageFiles(), profile=profile_named(asking.profile))


def run(
    found: References,
    policy: Policy,
    asking: Asking,
    out: Path,
    *,
    rule: str | None = None,
    price: Price | None = None,
    on_line: Callable[[dict[str, Any], int], None] = lambda _line, _left: None,
) -> Evaluation:
    """Ask what is not asked yet, score everything, write the scores beside it.

    Args:
        found: References of a suite.
        policy: The model.
        asking: How it is asked.
        out: The predictions file.
        rule: Of the suite; None: its first.
        price: Of a million input and output tokens, for the cost.
        on_line: Gets each new line, and how many are still to come.

    Raises:
        ConfigurationError: Suite, rule or file do not fit.
    """
    found.suite.marker(rule)
    asyncio.run(collect(found, policy, asking, PredictionsFile(out), on_line))
    evaluation = evaluate(found, read_predictions(out, found.suite.name), rule)
    write_scores(out, evaluation, setup_of(found, asking), price)
    return evaluation


def write_scores(out: Path, evaluation: Evaluation, setup: Mapping[str, Any], price: Price | None) -> None:
    """The scores of a predictions file, beside it."""
    usage = spent(out)
    about = {"setup": dict(setup), "usage": usage.model_dump(), "cost": cost(usage, price) if price else None}
    text = json.dumps({**as_json(evaluation), **about}, indent=2, ensure_ascii=False)
    out.with_suffix(".scores.json").write_text(text + "\n", encoding="utf-8")


def ablate(
    found: References,
    policy: Policy,
    asking: Asking,
    axes: Sequence[str],
    out: Path,
    *,
    rule: str | None = None,
    price: Price | None = None,
    on_line: Callable[[dict[str, Any], int], None] = lambda _line, _left: None,
) -> dict[str, Evaluation]:
    """A run for each combination of settings, in a folder.

    Args:
        found: References of a suite.
        policy: The model.
        asking: What the axes do not say.
        axes: See `collect.grid`.
        out: The folder.
        rule: As in `run`.
        price: As in `run`.
        on_line: As in `run`.

    Raises:
        ConfigurationError: An axis is none, or suite, rule or files do not fit.
    """
    return {
        name: run(found, policy, one, out / f"{name}.jsonl", rule=rule, price=price, on_line=on_line)
        for name, one in grid(asking, axes).items()
    }


def agreement(found: References, one: Predictions, other: Predictions) -> Score | None:
    """Share of first actions on which two runs agree, over the steps that both answered."""
    keys = [
        (trajectory.id, step)
        for trajectory in found.trajectories
        for step in one.by_episode.get(trajectory.id, {})
        if step in other.by_episode.get(trajectory.id, {})
    ]
    plans = ([run.by_episode[episode][step].forecast for episode, step in keys] for run in (one, other))
    same = first_action_agreement(*plans)
    marks = [Mark("agreement", episode, step, float(yes)) for (episode, step), yes in zip(keys, same, strict=True)]
    return next(iter(scores_of(marks, "")), None)


def grid_text(found: References, cells: Mapping[str, Evaluation], out: Path) -> str:
    """The grid as a table: first metric, agreement of first actions with the first cell, tokens."""
    suite, names = found.suite.name, list(cells)
    first = read_predictions(out / f"{names[0]}.jsonl", suite)
    lines = [f"{suite}   rule {cells[names[0]].rule}", ""]
    for name, evaluation in cells.items():
        score = next(iter(evaluation.scores), None)
        if score is None:
            lines.append(f"  {name:<24}nothing could be scored")
            continue
        shown = partial(figure, score.metric)
        ends = interval_text((score.low, score.high), shown)
        same = agreement(found, first, read_predictions(out / f"{name}.jsonl", suite))
        agreed = f"{same.value:.1%} first actions as {names[0]}" if same else ""
        tokens = next((one.value for one in evaluation.planning if one.metric == "tokens_per_step"), None)
        used = "" if tokens is None else f"{tokens:,.0f} tokens a step"
        lines.append(
            f"  {name:<24}{score.metric} {shown(score.value)} ({ends}, n = {score.n:,})   {agreed}   {used}".rstrip()
        )
    if any("horizon=" in name for name in names):
        lines += ["", CONTROL]
    return "\n".join(lines)
