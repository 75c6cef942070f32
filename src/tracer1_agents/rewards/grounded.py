"""Stage 2's reward: what the frozen executor made of the first action, against what the reference step gives.

The reference's kind says what is compared: places for pointing actions, arguments for other GUI actions, results for
tools and code, answers for `Finish` (form: the paper's grounded reward; rules and tables: ours). A wrong action, a tool
error and an unreadable reply score 0. A lost executor, or a reference that does not say enough, gives None: the rollout
teaches nothing then. Whether a reference says enough depends on it alone, and one that does scores 1.0 against itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.actions.match import kind_of, operation, point_agreement, token_f1
from tracer1_agents.actions.space import Code, Finish, OpenApp, Select, ToolCall, Type, load_action
from tracer1_agents.actions.targets import boxes_for, is_placed, points_of, reaches, target_box
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.rewards.answers import Rule, gaia_match
from tracer1_agents.rewards.results import RULES, TOOL_MATCHERS, MatcherName, ToolResult
from tracer1_agents.types import FAILED, NO_TARGET

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tracer1_agents.actions.space import Action, Point
    from tracer1_agents.actions.targets import Box
    from tracer1_agents.types import Execution, ReferenceStep


class Judge(Protocol):
    """Compares results that no rule can compare, for example by a model."""

    def __call__(self, got: ToolResult, wanted: ToolResult, instruction: str) -> float | None:
        """Agreement in [0, 1]; None when the judge itself could not be reached."""
        ...


class GroundedConfig(BaseModel):
    """Choices of the grounded reward; the defaults are ours."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pointing: Annotated[
        Literal["hit", "dense"],
        Field(description="hit: in the target or not; dense: outside, falling with the distance"),
    ] = "hit"
    texts: Annotated[
        Literal["exact", "token_f1"], Field(description="how typed texts, chosen entries and app names are compared")
    ] = "exact"
    answers: Annotated[Rule, Field(description="rule of `rewards.answers.gaia_match`")] = "strict"
    matchers: Annotated[
        dict[str, MatcherName], Field(description="by tool name, or 'code'; wins over `results.TOOL_MATCHERS`")
    ] = Field(default_factory=dict)
    other_tools: Annotated[MatcherName, Field(description="for tools in neither table")] = "exact"
    code: Annotated[MatcherName, Field(description="for what code blocks print")] = "numeric"
    alternatives: Annotated[
        bool, Field(description="whether a reference step's alternative GUI actions and ends count as much")
    ] = False
    boxes_alone: Annotated[
        bool,
        Field(description="whether a reference without a point is compared by its boxes: where a grounder adds points"),
    ] = False


DEFAULT_GROUNDED: Final = GroundedConfig()


@dataclass(frozen=True)
class GroundedOutcome:
    """What became of a reply's first pair.

    Attributes:
        action: The first action; None when the reply has none that could run.
        execution: What the executor gave; None where nothing is executed (`Finish`, an unreadable reply).
        files: Files that it wrote or changed, by name, with a hash of their bytes; None where nobody looked.
    """

    action: Action | None
    execution: Execution | None = None
    files: Mapping[str, str] | None = None


class Reason(StrEnum):
    """Why a reward is not 1: first why there is none, then why it is less."""

    NONE = ""
    INFRASTRUCTURE = "the executor or the judge was lost"
    NO_TARGET = "the source does not say where the action belongs"
    NO_REFERENCE_POINT = "the reference has no point"
    NO_SCREEN_SIZE = "no candidate box holds the point, and the screen's size is unknown"
    NO_RESULT = "no result was recorded"
    RECORDED_FAILURE = "the recorded action failed itself"
    UNREADABLE = "no first action that could run"
    KIND = "another kind of action"
    TOOL_ERROR = "the tool refused or failed"
    NO_POINT = "no point"
    DIFFERENT = "another place, argument, result or answer"


@dataclass(frozen=True)
class GroundedReward:
    """One step's reward and how it came about.

    Attributes:
        total: In [0, 1]; None when the rollout must not teach.
        kind: The reference's kind, with the name of its tool.
        matcher: Which rule compares for that kind: place, dense, arguments, answer, status, or a matcher of `results`.
        reason: Why it is not 1.0.
    """

    total: float | None
    kind: str
    matcher: str
    reason: Reason = Reason.NONE

    @property
    def compared(self) -> bool:
        """Whether the matcher had something to compare: the kind was right and the executor answered."""
        return self.reason in {Reason.NONE, Reason.DIFFERENT, Reason.NO_POINT}


def grounded_reward(
    outcome: GroundedOutcome,
    reference: ReferenceStep,
    config: GroundedConfig = DEFAULT_GROUNDED,
    *,
    recorded: ToolResult | None = None,
    judge: Judge | None = None,
) -> GroundedReward:
    """Reward of one executed first action.

    Args:
        outcome: What was done and what came back. A GUI executor's typed action (`Execution.value`) says where.
        reference: What should have been done; `observation.image` gives the screen's size.
        config: Choices.
        recorded: What the reference's action gave, where more is known than the text in `reference.result`.
        judge: For tools whose matcher is "judge".

    Raises:
        ConfigurationError: A tool step comes without its execution, or a judge is wanted and missing or out of range.
    """
    comparison = _Comparison(reference, config, recorded or ToolResult(reference.result), judge)
    lacks = comparison.lacks(reference.action)
    if lacks is Reason.NONE and outcome.execution is not None and outcome.execution.infrastructure:
        lacks = Reason.INFRASTRUCTURE
    if lacks is not Reason.NONE:
        return GroundedReward(None, kind_of(reference.action), matcher_for(reference.action, config), lacks)
    best = comparison.reward(outcome, reference.action)
    for other in reference.alternatives if config.alternatives else ():
        if isinstance(other, ToolCall | Code) or comparison.lacks(other) is not Reason.NONE:
            continue  # what an alternative call would have returned was not recorded
        reward = comparison.reward(outcome, other)
        if best.total is not None and (reward.total is None or reward.total > best.total):
            best = reward
    return best


def matcher_for(action: Action, config: GroundedConfig = DEFAULT_GROUNDED) -> str:
    """Name of the rule that compares outcomes when `action` is the reference."""
    match action:
        case ToolCall():
            return config.matchers.get(action.name) or TOOL_MATCHERS.get(action.name, config.other_tools)
        case Code():
            return config.matchers.get("code", config.code)
        case Finish():
            return "status" if action.answer is None else "answer"
        case _ if is_placed(action):
            return "place" if config.pointing == "hit" else "dense"
        case _:
            return "arguments"


@dataclass(frozen=True)
class _Comparison:
    """One reference step with the choices that it is compared under."""

    reference: ReferenceStep
    config: GroundedConfig
    recorded: ToolResult
    judge: Judge | None

    def lacks(self, action: Action) -> Reason:
        """What is missing to compare anything with `action`."""
        if isinstance(action, ToolCall | Code):
            if FAILED in self.reference.flags:
                return Reason.RECORDED_FAILURE
            return Reason.NONE if self.recorded else Reason.NO_RESULT
        if NO_TARGET in self.reference.flags:
            return Reason.NO_TARGET
        if not is_placed(action):
            return Reason.NONE
        points, boxes = points_of(action), boxes_for(action, self.reference.boxes)
        if any(point is None for point in points):
            return Reason.NONE if boxes and self.config.boxes_alone else Reason.NO_REFERENCE_POINT
        boxed = all(target_box(point, boxes) for point in points if point is not None)
        return Reason.NONE if boxed or self.reference.observation.image is not None else Reason.NO_SCREEN_SIZE

    def reward(self, outcome: GroundedOutcome, wanted: Action) -> GroundedReward:
        """Reward against one accepted action."""
        total, reason = self._score(outcome, wanted)
        return GroundedReward(total, kind_of(wanted), matcher_for(wanted, self.config), reason)

    def _score(self, outcome: GroundedOutcome, wanted: Action) -> tuple[float | None, Reason]:
        if outcome.action is None:
            return 0.0, Reason.UNREADABLE
        if kind_of(outcome.action) != kind_of(wanted):
            return 0.0, Reason.KIND
        if outcome.execution is not None and not outcome.execution.ok:
            return 0.0, Reason.TOOL_ERROR
        match wanted:
            case ToolCall() | Code():
                total = self._result(outcome, wanted)
            case Finish() if isinstance(outcome.action, Finish):
                total = self._end(outcome.action, wanted)
            case _:
                return self._on_screen(outcome, wanted)
        if total is None:
            return None, Reason.INFRASTRUCTURE
        return total, Reason.NONE if total == 1.0 else Reason.DIFFERENT

    def _result(self, outcome: GroundedOutcome, wanted: Action) -> float | None:
        execution = outcome.execution
        if execution is None:
            msg = f"a step of kind {kind_of(wanted)} is scored by its result: hand in the execution"
            raise ConfigurationError(msg)
        got = ToolResult(execution.text, execution.value, outcome.files)
        matcher = matcher_for(wanted, self.config)
        return self._judged(got) if matcher == "judge" else RULES[matcher](got, self.recorded)

    def _judged(self, got: ToolResult) -> float | None:
        if self.judge is None:
            msg = f"{kind_of(self.reference.action)} is to be judged, but there is no judge: pass judge=..."
            raise ConfigurationError(msg)
        said = self.judge(got, self.recorded, self.reference.instruction)
        if said is not None and not 0.0 <= said <= 1.0:
            msg = f"a judge must say a number from 0 to 1, or None when it was not reached; got {said!r}"
            raise ConfigurationError(msg)
        return said

    def _end(self, done: Finish, wanted: Finish) -> float:
        if done.status != wanted.status:
            return 0.0
        if wanted.answer is None:
            return 1.0
        return float(gaia_match(done.answer, wanted.answer, rule=self.config.answers))

    def _on_screen(self, outcome: GroundedOutcome, wanted: Action) -> tuple[float | None, Reason]:
        try:
            done = _carried_out(outcome)
        except ValidationError:  # the executor broke its promise; the planner can do nothing about that
            return None, Reason.INFRASTRUCTURE
        if done is None or kind_of(done) != kind_of(wanted):
            return 0.0, Reason.KIND
        total = self._same_text(done, wanted) if isinstance(wanted, Select) or not is_placed(wanted) else 1.0
        if is_placed(wanted):
            points = points_of(done)
            if any(point is None for point in points):
                return 0.0, Reason.NO_POINT
            total *= self._placed(points, wanted)
        return total, Reason.NONE if total == 1.0 else Reason.DIFFERENT

    def _same_text(self, done: Action, wanted: Action) -> float:
        mine, right = operation(done)[1], operation(wanted)[1]
        if self.config.texts == "token_f1" and isinstance(wanted, Type | Select | OpenApp):
            return token_f1(mine, right)
        return float(mine == right)

    def _placed(self, points: Sequence[Point | None], wanted: Action) -> float:
        """How well both ends of a drag, or the one point, are placed: the worse of them counts."""
        image, boxes = self.reference.observation.image, boxes_for(wanted, self.reference.boxes)
        screen = Size(image.width, image.height) if image else None
        return min(
            self._there(point, target, boxes, screen)
            for point, target in zip(points, points_of(wanted), strict=True)
            if point is not None
        )

    def _there(self, point: Point, target: Point | None, boxes: Sequence[Box], screen: Size | None) -> float:
        if target is None:
            return float(target_box(point, boxes) is not None)
        return 1.0 if reaches(point, target, boxes, screen) else self._near(point, target)

    def _near(self, point: Point, target: Point) -> float:
        return point_agreement(point, target) if self.config.pointing == "dense" else 0.0


def _carried_out(outcome: GroundedOutcome) -> Action | None:
    """What was done on the screen: the executor's typed action where it gave one, else the planner's."""
    value = outcome.execution.value if outcome.execution is not None else None
    return load_action(value) if isinstance(value, dict) and "kind" in value else outcome.action
