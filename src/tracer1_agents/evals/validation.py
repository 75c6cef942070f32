"""Is a source of references sound, and does each reference score 1.0 against itself?

The policy that repeats the reference is replayed through the two judges that training and evaluation rely on: the
trajectory reward over every window, the `strict` rule over every step that it can score. Anything below 1.0 is a fault
of the reader or of a judge, never of a model. Which steps cannot be scored, and why, is what `strict` says of them.

The source is streamed: counts, problems and the steps that fell short are kept, trajectories are not.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.data.commands import Tally, listed, tallied
from tracer1_agents.data.windows import windows_of
from tracer1_agents.metrics.step_rules import StepOutcome, strict
from tracer1_agents.rewards.trajectory import DEFAULT_REWARD, trajectory_reward
from tracer1_agents.types import SYNTHETIC, Forecast, ForecastPair

if TYPE_CHECKING:
    from pathlib import Path

    from tracer1_agents.data.readers.base import Reader
    from tracer1_agents.types import ReferenceStep, ReferenceTrajectory, ReferenceWindow

_SHOWN: Final = 20  # problems and shortfalls in a text report; --json has all
_SHOWN_ERRORS: Final = 5
_PERFECT: Final = DEFAULT_REWARD.lambda_align


@dataclass(frozen=True)
class Shortfall:
    """A place where the reference does not score 1.0 against itself.

    Attributes:
        trajectory: Its id.
        step: 1-based; of a window, the step that it begins at.
        judge: "trajectory_reward" or "strict".
        got: The reward, or 0.0 for a miss.
        why: What the judge says.
    """

    trajectory: str
    step: int
    judge: str
    got: float
    why: str

    def __str__(self) -> str:
        """One line for people."""
        return f"trajectory {self.trajectory}, step {self.step}: {self.judge} gives {self.got:.4g} ({self.why})"


@dataclass
class GoldScore:
    """What the reference scores against itself, gathered trajectory by trajectory.

    Attributes:
        horizon: Steps in a window at most (T).
        windows: Scored by the reward: one from each step that the source has, none from an appended end.
        scorable: Steps that `strict` can score.
        unscorable: Steps that it cannot, by its reason; appended ends are among them.
        shortfalls: Places below 1.0, in the order in which they were met.
    """

    horizon: int
    windows: int = 0
    scorable: int = 0
    unscorable: Counter[str] = field(default_factory=Counter)
    shortfalls: list[Shortfall] = field(default_factory=list)
    _earned: float = 0.0
    _hits: int = 0

    @property
    def reward(self) -> float | None:
        """Mean trajectory reward over the windows; None where there are none."""
        return self._earned / self.windows if self.windows else None

    @property
    def rule(self) -> float | None:
        """Share of scorable steps that `strict` calls a hit; None where there are none."""
        return self._hits / self.scorable if self.scorable else None

    @property
    def score(self) -> float | None:
        """The lower of the two; 1.0 exactly when nothing fell short, None where nothing can be scored."""
        if self.reward is None or self.rule is None:
            return None
        return min(self.reward, self.rule)

    def add(self, trajectory: ReferenceTrajectory) -> None:
        """Replay one trajectory.

        Raises:
            ConfigurationError: `horizon` is below 1.
        """
        begins = [number for number, step in enumerate(trajectory.steps, 1) if SYNTHETIC not in step.flags]
        windows = windows_of(trajectory, self.horizon, from_synthetic=False)
        for number, window in zip(begins, windows, strict=True):
            self._add_window(trajectory.id, number, window)
        for number, step in enumerate(trajectory.steps, 1):
            self._add_step(trajectory.id, number, step)

    def _add_window(self, trajectory: str, number: int, window: ReferenceWindow) -> None:
        reward = trajectory_reward(gold_forecast(window), window)
        self.windows += 1
        self._earned += reward.total / _PERFECT
        if reward.total != _PERFECT:
            lost = {cause: round(part, 4) for cause, part in asdict(reward.parts).items() if part}
            self.shortfalls.append(Shortfall(trajectory, number, "trajectory_reward", reward.total, f"parts {lost}"))

    def _add_step(self, trajectory: str, number: int, step: ReferenceStep) -> None:
        verdict = strict(step.action, step)
        if verdict.outcome is StepOutcome.UNSCORABLE:
            self.unscorable[verdict.reason.name.lower()] += 1
            return
        self.scorable += 1
        if verdict.outcome is StepOutcome.HIT:
            self._hits += 1
        else:
            self.shortfalls.append(Shortfall(trajectory, number, "strict", 0.0, verdict.reason.value))


@dataclass(frozen=True)
class Validation:
    """What `tracer1 data validate` found."""

    counts: Tally
    gold: GoldScore


def gold_forecast(window: ReferenceWindow) -> Forecast:
    """The reference as a forecast: the policy that is always right."""
    pairs = (ForecastPair(action=step.action, instruction=step.instruction) for step in window.steps)
    return Forecast(pairs=tuple(pairs))


def validate(reader: Reader, path: Path, horizon: int) -> Validation:
    """Read a source to its end, count it, and score its references against themselves.

    Args:
        reader: Of the source's format.
        path: The file, or a folder with files of the format.
        horizon: Steps in a window at most (T).

    Raises:
        DataError: There is nothing at `path`.
        ConfigurationError: `horizon` is below 1.
    """
    found = Validation(Tally(), GoldScore(horizon))
    for trajectory in tallied(reader, path, found.counts):
        found.gold.add(trajectory)
    return found


def failures(found: Validation) -> list[str]:
    """Why a source is not sound, first few only; empty when it is. `--strict` fails on any of them."""
    short = found.gold.shortfalls
    problems = len(found.counts.problems)
    lines = [f"{problems} problem{'s' if problems > 1 else ''} in reading"] if problems else []
    if found.gold.score is None:
        lines.append("nothing in it can be scored, so nothing was checked")
    lines += [f"the reference does not score 1.0: {one}" for one in short[:_SHOWN_ERRORS]]
    if len(short) > _SHOWN_ERRORS:
        lines.append(f"and {len(short) - _SHOWN_ERRORS} more places; --json lists all")
    return lines


def as_json(found: Validation) -> dict[str, Any]:
    """What `tracer1 data validate --json` prints; `gold_score` is null where nothing can be scored."""
    counts, gold = found.counts, found.gold
    return {
        "trajectories": counts.trajectories,
        "steps": counts.steps,
        "windows": gold.windows,
        "kinds": dict(counts.kinds.most_common()),
        "unscorable": dict(gold.unscorable.most_common()),
        "problems": [{"path": one.path, "line": one.line, "problem": one.problem} for one in counts.problems],
        "gold_score": gold.score,
        "gold_parts": {"trajectory_reward": gold.reward, "strict": gold.rule},
        "gold_shortfalls": [asdict(one) for one in gold.shortfalls],
    }


def as_text(found: Validation) -> str:
    """The same for people, lists cut to the first few."""
    counts, gold = found.counts, found.gold
    return "\n".join(
        [
            f"trajectories  {counts.trajectories}",
            f"steps         {counts.steps}",
            f"windows       {gold.windows}",
            f"kinds         {listed(counts.kinds)}",
            f"unscorable    {listed(gold.unscorable)}",
            *_cut("problems", counts.problems),
            f"gold_score    {_gold_text(gold)}",
            *(_cut("below 1.0", gold.shortfalls) if gold.shortfalls else ()),
        ]
    )


def _gold_text(gold: GoldScore) -> str:
    where = f"{gold.windows} windows at T = {gold.horizon}, {gold.scorable} steps by the rule strict"
    if gold.score is None:
        return f"none: nothing can be scored ({where})"
    if gold.reward == gold.rule:
        return f"{_figure(gold.score)} ({where})"
    return f"{_figure(gold.score)} (trajectory reward {_figure(gold.reward)}, strict {_figure(gold.rule)}; {where})"


def _figure(value: float | None) -> str:
    """Four digits, cut and not rounded: only what is perfect reads 1.0."""
    if value is None or value == 1.0:
        return str(value)
    return f"{int(value * 10_000) / 10_000:.4f}"


def _cut(name: str, items: list[Any]) -> list[str]:
    more = [f"  and {len(items) - _SHOWN} more; --json lists all"] if len(items) > _SHOWN else []
    return [f"{name:<14}{len(items)}", *(f"  {item}" for item in items[:_SHOWN]), *more]
