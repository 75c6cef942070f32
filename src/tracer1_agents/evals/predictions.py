"""Predictions of any model, from a file: what was forecast at each step of each episode.

Canonical form, JSON lines: ``suite, episode_id, step (from 1), forecast [{action, instruction}]``, and where there is
one ``point [x, y]`` (fractions: where a grounding model put an action that has no place for it, such as typing). Lines
may say more: ``usage{input_tokens, output_tokens}, planner_calls, outcome``. ``error`` marks a sample that failed for
reasons outside the model: it predicts nothing. An empty forecast is an answer, and wrong.

``uground``: the plan files of OSU-NLP-Group/UGround for Multimodal-Mind2Web. ``results``: what `examples/gaia_agent.py`
writes.

Nothing here is scored, and nothing is repaired: what cannot be used is a `Problem` with file, line and kind.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from tracer1_agents.actions.space import Click, Finish, Point, Select, Type
from tracer1_agents.data.records import Record, read_records
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.evals.results import REDO
from tracer1_agents.types import ForecastPair, Usage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tracer1_agents.actions.space import Action

Kind = Literal[
    "malformed",
    "bad_coordinates",
    "duplicate",
    "other_suite",
    "failed_sample",
    "unknown_episode",
    "unknown_step",
    "missing",
    "unreadable_reference",
]
_ONLY_FOR: Final = {"uground": "mind2web", "results": "gaia"}
_MOST: Final = 10**12  # tokens or calls of a step that are still believed
_PLACES: Final = frozenset({"point", "start", "end"})


@dataclass(frozen=True)
class Problem:
    """Something that was given and could not be used, or was not given.

    Attributes:
        kind: What sort; problems are counted by it.
        where: File and line, or episode and step.
        what: For people.
    """

    kind: Kind
    where: str
    what: str

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.where}: {self.what}"


class Prediction(BaseModel):
    """What a model gave for one step; also a line of the canonical form."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    suite: str = ""
    episode_id: str = Field(coerce_numbers_to_str=True)
    step: int = Field(ge=1)
    forecast: tuple[ForecastPair, ...]
    point: Point | None = None
    operation: str | None = None  # Mind2Web: as the model named it, where that is no action of ours
    usage: Usage = Usage()
    planner_calls: int = Field(1, ge=0, le=_MOST)

    @field_validator("usage")
    @classmethod
    def _countable(cls, usage: Usage) -> Usage:
        if not (0 <= usage.input_tokens <= _MOST and 0 <= usage.output_tokens <= _MOST):
            msg = f"a count of tokens lies between 0 and {_MOST:,}"
            raise ValueError(msg)
        return usage

    @property
    def action(self) -> Action | None:
        """What would run now; None when the reply had no readable action."""
        return self.forecast[0].action if self.forecast else None

    @property
    def place(self) -> Point | None:
        """Where the action would happen."""
        return self.point or getattr(self.action, "point", None)


@dataclass
class Predictions:
    """A file of them.

    Attributes:
        by_episode: Episode -> step -> prediction.
        problems: Lines that could not be used, in file order.
    """

    by_episode: dict[str, dict[int, Prediction]] = field(default_factory=lambda: defaultdict(dict))
    problems: list[Problem] = field(default_factory=list)

    @property
    def placed(self) -> bool:
        """Whether places are asked of all: some prediction says where, or none has an action, which is wrong anyway."""
        given = [one for steps in self.by_episode.values() for one in steps.values()]
        return any(one.place is not None for one in given) or not any(one.forecast for one in given)

    def add(self, prediction: Prediction, where: str) -> None:
        """Take one in; of several for a step the first stays and the others are problems."""
        steps = self.by_episode[prediction.episode_id]
        if prediction.step in steps:
            what = f"episode {prediction.episode_id}, step {prediction.step} was predicted before; left out"
            self.problems.append(Problem("duplicate", where, what))
        else:
            steps[prediction.step] = prediction


def read_predictions(path: Path, suite: str, form: str = "canonical") -> Predictions:
    """Read a file.

    Args:
        path: JSON lines, or a JSON array of the same objects.
        suite: Predictions for another suite are problems.
        form: "canonical", "uground" or "results".

    Raises:
        ConfigurationError: There is no such form, or it is not one of this suite.
        DataError: There is no such file.
    """
    if form not in _FORMS or _ONLY_FOR.get(form, suite) != suite:
        msg = (
            f"no form {form!r} of predictions for {suite}; there are canonical, uground for mind2web, results for gaia"
        )
        raise ConfigurationError(msg)
    found = Predictions()
    for item in read_records(path):
        if not isinstance(item, Record):
            found.problems.append(Problem("malformed", f"{item.path}:{item.line}", item.problem))
            continue
        where = f"{path}:{item.line}"
        if item.value.get("error"):
            what = f"the sample failed: {str(item.value['error'])[:120]}"
            found.problems.append(Problem("failed_sample", where, what))
            continue
        try:
            prediction = _FORMS[form](item.value)
        except ValidationError as error:
            found.problems.append(_invalid(error, where))
            continue
        if prediction.suite not in {"", suite}:
            what = f"a prediction for {prediction.suite!r}, not for {suite!r}; left out"
            found.problems.append(Problem("other_suite", where, what))
        else:
            found.add(prediction, where)
        if form == "results" and (status := str(item.value.get("status"))) in REDO:
            what = f"the task failed outside the agent ({status}) and counts as wrong; run it again"
            found.problems.append(Problem("failed_sample", where, what))
    return found


def _canonical(value: dict[str, Any]) -> Prediction:
    return Prediction.model_validate(value)


def _uground(value: dict[str, Any]) -> Prediction:
    """A planned action as its script joins it: ``gpt_action gpt_value``, without a value that reads "None"."""
    name, text = str(value.get("gpt_action", "")), str(value.get("gpt_value", ""))
    action: Action = Click()
    if name.upper() == "TYPE":
        action = Type(content=text)
    elif name.upper() == "SELECT":
        action = Select(option=text)
    step = value.get("step")
    data = {
        "episode_id": value.get("annotation_id"),
        "step": step + 1 if isinstance(step, int) else step,  # theirs count from 0
        "forecast": (ForecastPair(action=action, instruction=str(value.get("description", ""))),),
        "operation": name if text.lower() == "none" else f"{name} {text}",
    }
    return Prediction.model_validate(data)


def _result(value: dict[str, Any]) -> Prediction:
    """A line of a results file: the final answer is all that is scored."""
    end = Finish(answer=value.get("prediction"))
    return Prediction(episode_id=value.get("task_id", ""), step=1, forecast=(ForecastPair(action=end),))


_FORMS: Final[dict[str, Callable[[dict[str, Any]], Prediction]]] = {
    "canonical": _canonical,
    "uground": _uground,
    "results": _result,
}


def _invalid(error: ValidationError, where: str) -> Problem:
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    kind: Kind = "bad_coordinates" if _PLACES & set(first["loc"]) else "malformed"
    return Problem(kind, where, f"not a prediction: {place}: {first['msg']}, got {first.get('input')!r:.60}")


def counted(problems: list[Problem]) -> dict[str, int]:
    """Problems by kind, the commonest first."""
    return dict(Counter(problem.kind for problem in problems).most_common())
