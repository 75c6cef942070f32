"""How each benchmark marks one episode: reference and predictions in, marks out. Pure; the rules are in `metrics`.

A step without a prediction has no value, except where the benchmark itself counts it 0 (Mind2Web). A prediction without
a readable action is wrong. What cannot be scored is decided by the reference alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import count
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from tracer1_agents.actions.space import Finish, ToolCall
from tracer1_agents.actions.targets import is_placed
from tracer1_agents.data.readers.base import CONTINUED
from tracer1_agents.evals.marks import Mark
from tracer1_agents.evals.predictions import Prediction
from tracer1_agents.metrics.agentnet import Wanted, agentnet_score
from tracer1_agents.metrics.gta import GtaAnswer, gta_answer, same_arguments, tool_recall
from tracer1_agents.metrics.mind2web import element_hit, operation_f1, operation_text
from tracer1_agents.metrics.odyssey import odyssey
from tracer1_agents.metrics.published_rules import RULES, same_type
from tracer1_agents.metrics.step_rules import StepOutcome
from tracer1_agents.rewards.answers import gaia_match
from tracer1_agents.types import SYNTHETIC, ReferenceTrajectory

if TYPE_CHECKING:
    from tracer1_agents.actions.space import Action
    from tracer1_agents.metrics.gta import AnswerRule
    from tracer1_agents.metrics.step_rules import StepVerdict
    from tracer1_agents.rewards.answers import Rule
    from tracer1_agents.types import ReferenceStep

Answers: TypeAlias = Mapping[int, Prediction]  # by step, from 1
Marker: TypeAlias = Callable[[ReferenceTrajectory, Answers, bool], Iterator[Mark]]
"""Reference, predictions, and whether the predictions of the file say where actions happen."""

NO_PREDICTION: Final = "no prediction"
NO_ACTION: Final = "the reply has no readable action"
NOT_PLACED: Final = "the predictions do not say where"
NOT_THERE: Final = "the source lacks the step"


def own_steps(trajectory: ReferenceTrajectory) -> list[tuple[int, ReferenceStep]]:
    """The steps that the source has, with their numbers from 1; a task with holes keeps its own numbers."""
    missing = set(trajectory.metadata.get("missing_steps", []))  # from 0
    steps = [step for step in trajectory.steps if SYNTHETIC not in step.flags]
    numbers = (number for number in count() if number not in missing)
    return [(number + 1, step) for number, step in zip(numbers, steps, strict=False)]


def _judged(
    rule: Callable[[Action, ReferenceStep], StepVerdict], prediction: Prediction | None, step: ReferenceStep
) -> tuple[float | None, str]:
    """Value and reason of a step under a rule."""
    action = prediction.action if prediction else None
    verdict = rule(action or step.action, step)
    if verdict.outcome is StepOutcome.UNSCORABLE:
        return None, verdict.reason.value
    if prediction is None:
        return None, NO_PREDICTION
    if action is None:
        return 0.0, NO_ACTION
    return float(verdict.outcome is StepOutcome.HIT), verdict.reason.value


def android(name: str) -> Marker:
    """Step success by one of AndroidControl's rules, kinds, clicks alone; `ui-s1` adds how far an episode got."""
    rule = RULES[name]

    def mark(trajectory: ReferenceTrajectory, answers: Answers, placed: bool) -> Iterator[Mark]:  # noqa: FBT001, ARG001
        values: list[float | None] = []
        for number, step in own_steps(trajectory):
            prediction = answers.get(number)
            value, why = _judged(rule, prediction, step)
            values.append(value)
            yield Mark("step_success", trajectory.id, number, value, why)
            if prediction:
                same = prediction.action is not None and same_type(prediction.action, step.action)
                yield Mark("type", trajectory.id, number, float(same))
            if is_placed(step.action):
                yield Mark("click_success", trajectory.id, number, value, why)
        if name == "ui-s1":
            yield from _course(trajectory, values)

    return mark


def _course(trajectory: ReferenceTrajectory, values: list[float | None]) -> Iterator[Mark]:
    """Task success and progress up to the first miss; None when a step has no value."""
    whole = bool(values) and None not in values
    until = next((at for at, value in enumerate(values) if not value), len(values))
    why = "" if whole else "a step has no value"
    yield Mark("task_success", trajectory.id, 0, float(until == len(values)) if whole else None, why)
    yield Mark("progress", trajectory.id, 0, until / len(values) if whole else None, why)


def odyssey_episode(trajectory: ReferenceTrajectory, answers: Answers, placed: bool) -> Iterator[Mark]:  # noqa: FBT001, ARG001
    """GUI-Odyssey's AMS over steps and SR over episodes."""
    category, values = str(trajectory.metadata.get("category", "")), []
    for number, step in own_steps(trajectory):
        value, why = _judged(odyssey, answers.get(number), step)
        values.append(value)
        yield Mark("ams", trajectory.id, number, value, why, category)
        if is_placed(step.action):
            yield Mark("click_success", trajectory.id, number, value, why)
    whole = bool(values) and None not in values
    yield Mark("sr", trajectory.id, 0, float(all(values)) if whole else None, "a step has no value", category)


def mind2web_episode(trajectory: ReferenceTrajectory, answers: Answers, placed: bool) -> Iterator[Mark]:  # noqa: FBT001
    """Mind2Web's three metrics over all steps of the task, missing ones 0; `present_`: over the source's steps."""
    marks: dict[str, list[Mark]] = {"step_success": [], "element_accuracy": [], "operation_f1": []}
    present = []
    for number, step in own_steps(trajectory):
        prediction = answers.get(number)
        values, why = _mind2web(prediction, step, placed=placed)
        for metric, value in values.items():
            marks[metric].append(Mark(metric, trajectory.id, number, value, why))
        present.append(Mark("present_operation_f1", trajectory.id, number, values["operation_f1"], why))
    for missing in trajectory.metadata.get("missing_steps", []):
        for metric, some in marks.items():
            value = 0.0 if placed or metric == "operation_f1" else None
            some.append(Mark(metric, trajectory.id, missing + 1, value, NOT_THERE))
    for metric, some in marks.items():
        yield from some
        known = [mark.value for mark in some if mark.value is not None]
        yield Mark(f"macro_{metric}", trajectory.id, 0, fmean(known) if known else None)
    yield from present


def _mind2web(
    prediction: Prediction | None, step: ReferenceStep, *, placed: bool
) -> tuple[dict[str, float | None], str]:
    values: dict[str, float | None]
    if prediction is None:
        placed_value = 0.0 if placed else None
        values = {"step_success": placed_value, "element_accuracy": placed_value, "operation_f1": 0.0}
        return values, NO_PREDICTION
    mine = operation_text(prediction.action) if prediction.operation is None else prediction.operation
    f1 = operation_f1(mine, operation_text(step.action))
    if not placed:
        return {"step_success": None, "element_accuracy": None, "operation_f1": f1}, NOT_PLACED
    hit = element_hit(prediction.place, step.boxes)
    why = "" if hit else "no positive box" if not step.boxes else "beside the element"
    values = {"step_success": float(hit and f1 == 1.0), "element_accuracy": float(hit), "operation_f1": f1}
    return values, why or ("" if f1 == 1.0 else "another operation")


def agentnet_episode(trajectory: ReferenceTrajectory, answers: Answers, placed: bool) -> Iterator[Mark]:  # noqa: FBT001, ARG001
    """AgentNetBench's score of each step of the benchmark, which may hold several of ours."""
    steps = [step for _, step in own_steps(trajectory)]
    heads = [at for at, step in enumerate(steps) if CONTINUED not in step.flags]
    for head, end in zip(heads, [*heads[1:], len(steps)], strict=True):
        group = steps[head:end]
        prediction = answers.get(head + 1)
        if prediction is None:
            yield Mark("score", trajectory.id, head + 1, None, NO_PREDICTION)
            continue
        options = [[Wanted(step.action, step.boxes) for step in group], *_alternatives(trajectory, head)]
        mine = [pair.action for pair in prediction.forecast[: max(len(group), 1)]]
        value = agentnet_score(mine, options)
        why = "" if value == 1.0 else "partly right" if value else "wrong" if mine else NO_ACTION
        yield Mark("score", trajectory.id, head + 1, value, why)


def _alternatives(trajectory: ReferenceTrajectory, at: int) -> Iterator[list[Wanted]]:
    boxes = trajectory.metadata.get("alternative_boxes", {}).get(str(at), [])
    for number, action in enumerate(trajectory.steps[at].alternatives):
        own = boxes[number] if number < len(boxes) else []
        yield [Wanted(action, tuple(tuple(box) for box in own))]


def _answer_of(answers: Answers) -> str | None:
    """The answer that an episode ended with."""
    ends = [one.action for _, one in sorted(answers.items()) if isinstance(one.action, Finish)]
    return ends[-1].answer if ends else None


def tools_called(actions: list[Action]) -> list[str]:
    """Names of the tools, in order."""
    return [action.name for action in actions if isinstance(action, ToolCall)]


def gta_episode(rule: AnswerRule) -> Marker:
    """GTA end to end: the policy's own course. `t3` adds ToolAcc; tools' F1 are scores of the whole set."""

    def mark(trajectory: ReferenceTrajectory, answers: Answers, placed: bool) -> Iterator[Mark]:  # noqa: FBT001, ARG001
        truth = truth_of(trajectory.metadata.get("answer"))
        if truth is None:
            yield Mark("answer_accuracy", trajectory.id, 0, None, "compared by pictures or embeddings")
        elif not answers:
            yield Mark("answer_accuracy", trajectory.id, 0, None, NO_PREDICTION)
        else:
            right = gta_answer(_answer_of(answers), truth, rule=rule)
            yield Mark("answer_accuracy", trajectory.id, 0, float(right), "" if right else "wrong")
        if rule == "t3" and answers:
            mine = tools_called([one.action for _, one in sorted(answers.items()) if one.action])
            wanted = tools_called([step.action for step in trajectory.steps])
            yield Mark("tool_accuracy", trajectory.id, 0, tool_recall(mine, wanted))

    return mark


def truth_of(value: Any) -> GtaAnswer | None:
    """A published reference answer; None for what is not compared by words."""
    if not isinstance(value, dict):
        return None
    lists = ([tuple(map(str, group)) for group in value.get(key) or []] for key in ("whitelist", "blacklist"))
    return GtaAnswer(*map(tuple, lists))


def gta_steps(trajectory: ReferenceTrajectory, answers: Answers, placed: bool) -> Iterator[Mark]:  # noqa: FBT001, ARG001
    """GTA step by step, the reference's past given: InstAcc, ToolAcc, ArgAcc, SummAcc."""
    truth = truth_of(trajectory.metadata.get("answer"))
    for number, step in own_steps(trajectory):
        prediction, wanted = answers.get(number), step.action
        if prediction is None:
            yield Mark("instruction_accuracy", trajectory.id, number, None, NO_PREDICTION)
            continue
        mine = prediction.action
        same = mine is not None and isinstance(mine, ToolCall) == isinstance(wanted, ToolCall)
        yield Mark("instruction_accuracy", trajectory.id, number, float(same), "" if same else "call or answer")
        if isinstance(wanted, ToolCall):
            named = isinstance(mine, ToolCall) and mine.name == wanted.name
            equal = named and isinstance(mine, ToolCall) and same_arguments(mine.arguments, wanted.arguments)
            yield Mark("tool_accuracy", trajectory.id, number, float(named), "" if named else "another tool")
            yield Mark("argument_accuracy", trajectory.id, number, float(equal), "" if equal else "other arguments")
        elif truth:
            answer = mine.answer if isinstance(mine, Finish) else None
            yield Mark("summary_accuracy", trajectory.id, number, float(gta_answer(answer, truth)))


def gaia_episode(rule: Rule) -> Marker:
    """GAIA's accuracy, by level too."""

    def mark(trajectory: ReferenceTrajectory, answers: Answers, placed: bool) -> Iterator[Mark]:  # noqa: FBT001, ARG001
        truth, level = trajectory.metadata["truth"], trajectory.metadata["level"]
        value, why = None, NO_PREDICTION
        if truth is None:
            why = "the reference answer is hidden"
        elif answers:
            right = gaia_match(_answer_of(answers), truth, rule=rule)
            value, why = float(right), "" if right else "wrong"
        yield Mark("accuracy", trajectory.id, 0, value, why)
        if level:
            yield Mark(f"accuracy_level_{level}", trajectory.id, 0, value, why)

    return mark
