"""Predictions against references: scores with intervals, what could not be scored, and what was wrong with them.

Every evaluation also replays the reference itself (the ceiling of the rule on these references) and, where places
count, policies that look at nothing: always the screen's centre, always the same action, always the commonest one.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from tracer1_agents.actions.space import Click, Point, Scroll, dump_action
from tracer1_agents.data.readers.base import CONTINUED
from tracer1_agents.errors import ConfigurationError, DataError
from tracer1_agents.evals.foresight import planning_marks
from tracer1_agents.evals.markers import own_steps, tools_called
from tracer1_agents.evals.marks import Mark, Score, reasons, scores_of
from tracer1_agents.evals.predictions import Prediction, Predictions, Problem
from tracer1_agents.metrics.gta import tool_f1
from tracer1_agents.metrics.intervals import resampled
from tracer1_agents.types import ForecastPair

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tracer1_agents.actions.space import Action
    from tracer1_agents.evals.suites import Suite
    from tracer1_agents.types import ReferenceStep, ReferenceTrajectory

_ORACLE_PAIRS: Final = 10  # a benchmark's step holds fewer actions
CEILING: Final = "the reference itself"
CENTRE, CONSTANT, MAJORITY = "centre click", "constant action (scroll down)", "majority action (of these references)"


@dataclass(frozen=True)
class Evaluation:
    """What one set of predictions comes to.

    Attributes:
        suite: Name of the benchmark.
        rule: By whose rule.
        episodes: References that were read.
        steps: Their own steps.
        scores: Metrics with intervals.
        marks: What they are means of.
        not_scored: Reasons for having no value, by count (of the first metric).
        missed: Reasons for values below 1, by count (of the first metric).
        baselines: Name -> its scores; the ceiling is among them.
        problems: What was wrong with predictions and references.
        planning: How the policy plans (see `foresight`).
        planning_marks: What that is a mean of.
    """

    suite: str
    rule: str
    episodes: int
    steps: int
    scores: Sequence[Score]
    marks: Sequence[Mark] = field(repr=False)
    not_scored: dict[str, int]
    missed: dict[str, int]
    baselines: dict[str, list[Score]]
    problems: list[Problem] = field(repr=False)
    planning: Sequence[Score] = ()
    planning_marks: Sequence[Mark] = field(default=(), repr=False)

    def score(self, metric: str) -> Score | None:
        """One metric, None where it has no value."""
        return next((score for score in self.scores if score.metric == metric), None)


@dataclass(frozen=True)
class References:
    """The references of a suite, read whole.

    Attributes:
        suite: The benchmark.
        trajectories: In file order.
        problems: What of them could not be read.
        left_out: Ids of episodes that were there and are not asked for: predictions of them are no problem.
    """

    suite: Suite
    trajectories: tuple[ReferenceTrajectory, ...]
    problems: tuple[Problem, ...] = ()
    left_out: frozenset[str] = frozenset()

    @classmethod
    def gather(cls, suite: Suite, items: Iterable[ReferenceTrajectory | DataError]) -> References:
        """Sort what a reader gives.

        Raises:
            ConfigurationError: There is no reference in it.
        """
        trajectories: dict[str, ReferenceTrajectory] = {}
        problems = []
        for item in items:
            if isinstance(item, DataError):
                where = f"{item.path}:{item.line}" if item.line else item.path
                problems.append(Problem("unreadable_reference", where, item.problem))
            elif item.id in trajectories:
                what = "another reference has the same id; the first is kept"
                problems.append(Problem("unreadable_reference", f"episode {item.id}", what))
            else:
                trajectories[item.id] = item
        if not trajectories:
            msg = f"no reference of {suite.name} could be read" + (f"; first: {problems[0]}" if problems else "")
            raise ConfigurationError(msg)
        return cls(suite, tuple(trajectories.values()), tuple(problems))

    @property
    def digest(self) -> str:
        """Which references these are, and whether they have pictures; the same wherever their files lie."""
        found = hashlib.sha256()
        for one in self.trajectories:
            steps = [(step.action.model_dump_json(), step.observation.image is not None) for step in one.steps]
            found.update(repr((one.id, one.instruction, steps)).encode("utf-8", "surrogatepass"))
        return found.hexdigest()[:16]

    def spread(self, limit: int) -> References:
        """At most so many episodes, spread evenly over the file.

        Raises:
            ConfigurationError: `limit` is below 1.
        """
        if limit < 1:
            msg = f"--limit counts episodes from 1, got {limit}"
            raise ConfigurationError(msg)
        all_of_them = self.trajectories
        if limit >= len(all_of_them):
            return self
        chosen = tuple(all_of_them[at * len(all_of_them) // limit] for at in range(limit))
        left_out = {one.id for one in all_of_them} - {one.id for one in chosen}
        return replace(self, trajectories=chosen, left_out=self.left_out | left_out)


def evaluate(
    found: References, predictions: Predictions, rule: str | None = None, *, baselines: bool = True
) -> Evaluation:
    """Score predictions.

    Args:
        found: References of a suite.
        predictions: Of one model.
        rule: Of the suite; None: its first.
        baselines: Whether the reference and policies that look at nothing are scored beside.

    Raises:
        ConfigurationError: The suite has no such rule.
        MissingExtraError: numpy is not installed.
    """
    suite = found.suite
    name, _ = suite.marker(rule)
    marks = marks_of(found, predictions, name)
    planning = [] if name in suite.own_course else planning_marks(found, predictions)
    problems = [*found.problems, *predictions.problems, *_mismatches(found, predictions, name)]
    return Evaluation(
        suite=suite.name,
        rule=name,
        episodes=len(found.trajectories),
        steps=sum(len(own_steps(one)) for one in found.trajectories),
        scores=[*scores_of(marks, name), *_tool_scores(found, predictions, name)],
        marks=marks,
        not_scored=reasons(marks, scored=False),
        missed=reasons(marks, scored=True),
        baselines=_baselines(found, name) if baselines else {},
        problems=problems,
        planning=scores_of(planning, name),
        planning_marks=planning,
    )


def marks_of(found: References, predictions: Predictions, rule: str) -> list[Mark]:
    """Every mark of every episode, in order."""
    _, mark = found.suite.marker(rule)
    placed, none = predictions.placed, dict[int, Prediction]()
    return [
        one
        for trajectory in found.trajectories
        for one in mark(trajectory, predictions.by_episode.get(trajectory.id, none), placed)
    ]


def _mismatches(found: References, predictions: Predictions, rule: str) -> list[Problem]:
    """Predictions for what is not there, and what was not predicted."""
    problems = []
    own_course = rule in found.suite.own_course
    numbers = {one.id: {number for number, _ in own_steps(one)} for one in found.trajectories}
    heads = {one.id: asked(one, found.suite, rule) for one in found.trajectories}
    for episode, steps in predictions.by_episode.items():
        if episode in found.left_out:
            continue
        if episode not in numbers:
            what = f"{len(steps)} predictions for an episode that the references do not have"
            problems.append(Problem("unknown_episode", f"episode {episode}", what))
        elif not own_course:
            problems += [
                Problem("unknown_step", f"episode {episode}, step {number}", "the reference has no such step")
                for number in sorted(set(steps) - numbers[episode])
            ]
    for episode, wanted in heads.items():
        given = predictions.by_episode.get(episode, {})
        lacking = ([] if given else [0]) if own_course else sorted(wanted - set(given))
        problems += [
            Problem("missing", f"episode {episode}" + (f", step {number}" if number else ""), "not predicted")
            for number in lacking
        ]
    return problems


def asked(trajectory: ReferenceTrajectory, suite: Suite, rule: str) -> set[int]:
    """Steps that a prediction is wanted for."""
    together = suite.name == "agentnetbench" and rule == "official"
    return {number for number, step in own_steps(trajectory) if not (together and CONTINUED in step.flags)}


def scorable_steps(found: References, rule: str) -> set[tuple[str, int]]:
    """Episodes and steps that a prediction is wanted for and that the rule's first metric can score.

    Args:
        found: References of a suite.
        rule: Of the suite, one that takes single steps.
    """
    wanted = {(one.id, number) for one in found.trajectories for number in asked(one, found.suite, rule)}
    first: dict[tuple[str, int], Mark] = {}
    for mark in marks_of(found, oracle(found), rule):
        first.setdefault((mark.episode, mark.step), mark)
    return {key for key in wanted if key in first and first[key].value is not None}


def _tool_scores(found: References, predictions: Predictions, rule: str) -> list[Score]:
    """GTA's F1 of tools by category: ratios over all episodes, with intervals over drawn episodes."""
    if found.suite.name != "gta" or rule not in {"official", "strict"}:
        return []
    episodes = []
    for trajectory in found.trajectories:
        answers = predictions.by_episode.get(trajectory.id)
        if answers:
            mine = tools_called([one.action for _, one in sorted(answers.items()) if one.action])
            episodes.append((mine, tools_called([step.action for step in trajectory.steps])))
    scores = []
    for category, value in tool_f1(episodes).items():
        if value is not None:
            ends = resampled(episodes, partial(_category_f1, category))
            scores.append(Score(f"{category}_f1", rule, value, *ends, len(episodes), "episodes"))
    return scores


def _category_f1(category: str, episodes: Sequence[tuple[list[str], list[str]]]) -> float | None:
    return tool_f1(episodes)[category]


def oracle(found: References) -> Predictions:
    """The reference as predictions: what every rule should call right where it can."""
    predictions = Predictions()
    for trajectory in found.trajectories:
        steps = own_steps(trajectory)
        mine = [ForecastPair(action=step.action, instruction=step.instruction) for _, step in steps]
        for at, (number, step) in enumerate(steps):
            pairs = tuple(mine[at : at + _ORACLE_PAIRS])
            point = None
            if step.boxes:
                left, top, right, bottom = step.boxes[0]
                point = getattr(step.action, "point", None) or Point((left + right) / 2, (top + bottom) / 2)
            one = Prediction(episode_id=trajectory.id, step=number, forecast=pairs, point=point)
            predictions.add(one, "the reference")
    return predictions


def always(found: References, action: Action) -> Predictions:
    """The same action at every step."""
    predictions = Predictions()
    pair = ForecastPair(action=action)
    for trajectory in found.trajectories:
        for number, _ in own_steps(trajectory):
            predictions.add(Prediction(episode_id=trajectory.id, step=number, forecast=(pair,)), "a baseline")
    return predictions


def commonest(steps: Iterable[ReferenceStep]) -> Action:
    """The action that occurs most often, arguments included; of equals the first."""
    counts: Counter[str] = Counter()
    actions: dict[str, Action] = {}
    for step in steps:
        key = str(dump_action(step.action))
        counts[key] += 1
        actions.setdefault(key, step.action)
    return actions[counts.most_common(1)[0][0]]


def _baselines(found: References, rule: str) -> dict[str, list[Score]]:
    policies: dict[str, Callable[[], Predictions]] = {CEILING: lambda: oracle(found)}
    if found.suite.clicks:
        own = [step for one in found.trajectories for _, step in own_steps(one)]
        policies[CENTRE] = lambda: always(found, Click(point=Point(0.5, 0.5)))
        policies[CONSTANT] = lambda: always(found, Scroll(direction="down"))
        policies[MAJORITY] = lambda: always(found, commonest(own))
    return {name: _replayed(found, policy(), rule) for name, policy in policies.items()}


def _replayed(found: References, predictions: Predictions, rule: str) -> list[Score]:
    return [*scores_of(marks_of(found, predictions, rule), rule), *_tool_scores(found, predictions, rule)]
