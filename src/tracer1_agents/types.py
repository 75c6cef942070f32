"""The nouns: what flows between the rooms, frozen and JSON-able.

Glossary: an *observation* is what the agent sees before a step; a *forecast* is the planner's trajectory of (action,
step instruction) pairs; an *execution* is what became of its first pair; a *reference trajectory* is what should have
happened; a *trace* is what did. All of them are pydantic models, so that `model_dump(mode="json")` is what graph state,
run files and training rows hold. Screenshots are references into `blobs`, never bytes.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, PlainSerializer

from tracer1_agents.actions.codec import ParseOutcome
from tracer1_agents.actions.space import Action, Finish, dump_action
from tracer1_agents.errors import ConfigurationError

TRACE_VERSION: Final = 1
SYNTHETIC: Final = "synthetic"  # flag of a reference step that the source does not have, such as an appended `Finish`
NO_TARGET: Final = "no_target"  # flag of a reference step whose source does not say where the action belongs
FAILED: Final = "failed"  # flag of a reference step whose recorded result is an error

_CompactAction = Annotated[Action, PlainSerializer(dump_action)]


class _Noun(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ImageRef(_Noun):
    """A picture by reference.

    Attributes:
        ref: Key in a `blobs` store (content hash), or a path.
        width: Pixels.
        height: Pixels.
    """

    ref: str
    width: Annotated[int, Field(gt=0)]
    height: Annotated[int, Field(gt=0)]


class Observation(_Noun):
    """What the agent sees before a step: text, a screenshot, or both."""

    text: str = ""
    image: ImageRef | None = None


class HistoryEntry(_Noun):
    """One past step in the planner's bounded history (paper, section 3: abstracted summaries of past observations).

    Attributes:
        step: 1-based number of the step in its episode.
        action: What ran, as the profile's grammar writes it.
        instruction: Its step instruction.
        summary: What came back, abstracted.
    """

    step: Annotated[int, Field(ge=1)]
    action: str
    instruction: str = ""
    summary: str = ""


class ForecastPair(_Noun):
    """One predicted (action, step instruction)."""

    action: _CompactAction
    instruction: str = ""


class Usage(_Noun):
    """Tokens of one or more planner calls."""

    input_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        """Sum of two."""
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
        )


class Forecast(_Noun):
    """What the planner predicted at one step.

    Attributes:
        pairs: The readable pairs up to the first broken one, at most `horizon`; empty when the first is broken.
        outcome: OK, or what is wrong with the *first* pair: then nothing is executed.
        problem: For a broken first pair, words a model can act on.
        tail_outcome: OK, or why the forecast ends early after its first pair.
        summary: The planner's own line about what it sees, where it gave one.
        thought: Reasoning before the answer, never parsed as an action.
        text: The reply as it came; in a run's state without a thought longer than its `thought_chars`.
    """

    pairs: tuple[ForecastPair, ...] = ()
    outcome: ParseOutcome = ParseOutcome.OK
    problem: str = ""
    tail_outcome: ParseOutcome = ParseOutcome.OK
    summary: str | None = None
    thought: str = ""
    text: str = ""

    @property
    def ok(self) -> bool:
        """Whether the first pair can be executed."""
        return self.outcome is ParseOutcome.OK and bool(self.pairs)


class Execution(_Noun):
    """What came back from executing one action.

    Attributes:
        ok: False when the tool refused or failed; the text then says why, for the planner to act on.
        text: What the planner will observe.
        value: The typed result as JSON, where the tool has one.
        image: What the screen shows afterwards, for GUI actions.
        seconds: Wall time.
        infrastructure: True when the failure says nothing about the action (sandbox lost, network down).
    """

    ok: bool = True
    text: str = ""
    value: Any = None
    image: ImageRef | None = None
    seconds: float = 0.0
    infrastructure: bool = False


def an_execution(given: Any, giver: str) -> Execution:
    """What code of a host's own gave back as an execution.

    Args:
        given: Anything.
        giver: Whose it is, for the message.

    Raises:
        ConfigurationError: It is no execution; the run cannot go on with it.
    """
    if isinstance(given, Execution):
        return given
    msg = f"{giver} gave {type(given).__name__}, not an Execution (tracer1_agents.types)"
    raise ConfigurationError(msg)


class Status(StrEnum):
    """How a run ended. The graph never says "cancelled": programs record so what was interrupted, which raises."""

    FINISHED = "finished"
    STEP_LIMIT = "step_limit"
    TIME_LIMIT = "time_limit"
    TOKEN_LIMIT = "token_limit"  # noqa: S105  (not a password)
    LOOP = "loop"
    PARSE_ERROR = "parse_error"
    TOOL_ERROR = "tool_error"
    MODEL_ERROR = "model_error"
    INFRASTRUCTURE_ERROR = "infrastructure_error"
    REJECTED = "rejected"
    CANCELLED = "cancelled"

    @property
    def lost(self) -> bool:
        """Whether the run ended for reasons that say nothing of the planner: not scored, and worth another try."""
        return self in {Status.MODEL_ERROR, Status.INFRASTRUCTURE_ERROR, Status.CANCELLED}


class StepRecord(_Noun):
    """One step of a trace: what was forecast, what was executed, what came back.

    Attributes:
        step: 1-based.
        observation: What was seen before the first step of a run; None for all others, which saw what the step before
            them gave, and in a `Trace`, which holds it itself.
        forecast: The whole prediction, first pair included.
        executed: The action that ran.
        instruction: Its step instruction.
        execution: What came back.
        events: Things worth knowing: "replan", "loop: ...", "re-asked: ...".
        usage: Tokens of this step's planner calls.
        planner_calls: How many there were (re-asks included).
        seconds: Wall time of planning and executing.
    """

    step: Annotated[int, Field(ge=1)]
    observation: Observation | None = None
    forecast: tuple[ForecastPair, ...]
    executed: _CompactAction
    instruction: str = ""
    execution: Execution
    events: tuple[str, ...] = ()
    usage: Usage = Usage()
    planner_calls: int = 1
    seconds: float = 0.0


class Trace(_Noun):
    """One episode from beginning to end.

    Attributes:
        version: Of this format.
        instruction: The task.
        observation: What was seen before the first step, empty where nobody wrote it down; what was seen before any
            other step is what the step before it gave.
        steps: In order.
        status: How it ended.
        answer: The final answer, None where there was none.
        detail: For an unhappy end, what happened.
    """

    version: int = TRACE_VERSION
    instruction: str
    observation: Observation = Observation()
    steps: tuple[StepRecord, ...] = ()
    status: Status
    answer: str | None = None
    detail: str = ""


class ScreenNode(NamedTuple):
    """An element of a screen's accessibility tree.

    Attributes:
        box: (left, top, right, bottom) in fractions of the screen.
        text: What it shows or is described by; lines where it is both.
    """

    box: tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]
    text: str


class ReferenceStep(_Noun):
    """One step of a reference trajectory.

    Attributes:
        observation: What was seen before the step.
        action: What should be done.
        instruction: The step instruction.
        result: Text that the action returned when the reference was recorded.
        summary: The source's own abstract of the observation, where it has one.
        boxes: Candidate boxes of a pointing action as (left, top, right, bottom) fractions of the screen.
        nodes: What the screen's accessibility tree names, where it was asked for (`ReaderOptions.trees`).
        alternatives: Other actions that are just as right.
        flags: What the source says of the step, such as "redundant" or "incorrect".
    """

    observation: Observation = Observation()
    action: _CompactAction
    instruction: str = ""
    result: str = ""
    summary: str | None = None
    boxes: tuple[tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat], ...] = ()
    nodes: tuple[ScreenNode, ...] = ()
    alternatives: tuple[_CompactAction, ...] = ()
    flags: frozenset[str] = frozenset()


class ReferenceTrajectory(_Noun):
    """What should happen, from the first observation to `Finish`.

    Attributes:
        id: Unique in its source.
        source: Name of the reader or generator.
        instruction: The task.
        steps: In order.
        metadata: What else the source says (plain JSON).
    """

    id: str
    source: str
    instruction: str
    steps: tuple[ReferenceStep, ...]
    metadata: dict[str, Any] = Field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """Whether the record ends in `Finish`."""
        return bool(self.steps) and isinstance(self.steps[-1].action, Finish)


class ReferenceWindow(_Noun):
    """What a forecast is compared with: the next steps of a reference trajectory (paper, section 3).

    Attributes:
        steps: The step that is forecast first, and those after it, at most the horizon.
        finished: Whether the reference ends with the last of them; otherwise it goes on unseen.
        known_text: What the planner could read before the first of them: task, history, observation.
    """

    steps: Annotated[tuple[ReferenceStep, ...], Field(min_length=1)]
    finished: bool = False
    known_text: str = ""
