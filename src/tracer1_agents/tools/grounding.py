"""The frozen GUI agent: a grounding model turns a step instruction and a screenshot into a place to act on.

The planner decides what is done, the grounding model where: it is asked for a point (two for a drag), and the planner's
action comes back with it as a typed action in `Execution.value`. Actions that need no place come back as they are. With
`asks="action"` the model decides what as well, and its whole action is taken.

Nothing is clicked by it: `GroundThenAct` hands the action to an environment, stage 2's reward compares it. A model that
finds nothing has failed at the step; one that does not answer is infrastructure.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from pydantic import BaseModel, ValidationError

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.actions.grammars.canonical import CanonicalGrammar
from tracer1_agents.actions.space import GUI_KINDS, POINTING_KINDS, Drag, dump_action, load_action
from tracer1_agents.actions.targets import points_of
from tracer1_agents.blobs import ImageFiles
from tracer1_agents.errors import ConfigurationError, DataError, PlannerError
from tracer1_agents.planner.forecast import read_forecast
from tracer1_agents.planner.policy import ChatModelPolicy, PolicyReply
from tracer1_agents.planner.prompt import Message
from tracer1_agents.tools.executor import lost
from tracer1_agents.tools.formatting import short
from tracer1_agents.tools.grounding_profiles import Form, GroundingProfile, grounding_profile
from tracer1_agents.tools.images import open_picture
from tracer1_agents.types import Execution, ImageRef, an_execution

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from tracer1_agents.actions.space import Action, Platform
    from tracer1_agents.blobs import ImageSource
    from tracer1_agents.planner.retries import Retries
    from tracer1_agents.tools.executor import Executor
    from tracer1_agents.types import Observation

_CANONICAL: Final = CanonicalGrammar()
_ERROR: Final = "error: "  # how an executor begins to say that nothing was done
_PLACED: Final = POINTING_KINDS - {"scroll"}  # a scroll goes through the view as a whole


class Answer(NamedTuple):
    """What asking came to.

    Attributes:
        execution: The typed action in `value`, or why there is none.
        reply: What the model said; None when it was not asked, or did not answer.
        size: Of the picture it was shown.
    """

    execution: Execution
    reply: PolicyReply | None = None
    size: Size | None = None


class GroundingModel:
    """An executor for GUI actions that asks a grounding model where.

    Args:
        model: A chat model that takes images; make it greedy (temperature 0), so that it is the same agent every time.
        profile: How it is asked; None picks a profile by the model's name.
        platform: Whose screens it sees.
        images: Where screenshots are looked up; by default `ImageRef.ref` must be the path of a file.
        retries: For busy endpoints and answers that never come.
        trust_points: Keep points that the planner gave itself, and ask only for missing ones.
        asks: "point": the planner's action is done where the model says; "action": what the model does is done.

    Raises:
        ConfigurationError: There is no profile for the model, or `asks` is something else.
    """

    def __init__(
        self,
        model: BaseChatModel,
        *,
        profile: GroundingProfile | str | None = None,
        platform: Platform = "computer",
        images: ImageSource | None = None,
        retries: Retries | None = None,
        trust_points: bool = False,
        asks: Literal["point", "action"] = "point",
    ) -> None:
        if asks not in {"point", "action"}:
            msg = f'asks must be "point" or "action", got {asks!r}'
            raise ConfigurationError(msg)
        self.model_name = _name_of(model)
        chosen = self.model_name if profile is None else profile
        self.profile = grounding_profile(chosen) if isinstance(chosen, str) else chosen
        self.platform, self.trust_points, self.asks = platform, trust_points, asks
        self.images = images or ImageFiles()
        self._policy = ChatModelPolicy(model, blobs=self.images, retries=retries, role="grounding model")

    @property
    def version(self) -> str:
        """Names the agent for caches: model, prompt, frame, platform."""
        trusting = "/trusting" if self.trust_points else ""
        acting = "/acting" if self.asks == "action" else ""
        return f"{self.model_name}/{self.profile.fingerprint}/{self.platform}{trusting}{acting}"

    def execute(self, action: Action, instruction: str, observation: Observation) -> Execution:
        """The action with its place, as a typed action in `value`."""
        return self.ask(action, instruction, observation).execution

    def ask(self, action: Action, instruction: str, observation: Observation) -> Answer:
        """The same, with what the model said."""
        if (known := self._without_asking(action, instruction)) is not None:
            return Answer(known)
        started = time.perf_counter()
        try:
            size, messages = self._question(action, instruction, observation.image)
            reply = self._policy.sample(messages, horizon=1)
        except (PlannerError, DataError) as error:
            return Answer(lost(error, seconds=time.perf_counter() - started))
        return Answer(self._read(action, reply, size, time.perf_counter() - started), reply, size)

    async def aexecute(self, action: Action, instruction: str, observation: Observation) -> Execution:
        """The same as `execute`, awaitable."""
        if (known := self._without_asking(action, instruction)) is not None:
            return known
        started = time.perf_counter()
        try:
            size, messages = self._question(action, instruction, observation.image)
            reply = await self._policy.asample(messages, horizon=1)
        except (PlannerError, DataError) as error:
            return lost(error, seconds=time.perf_counter() - started)
        return self._read(action, reply, size, time.perf_counter() - started)

    def _without_asking(self, action: Action, instruction: str) -> Execution | None:
        if self.asks == "action" and action.kind in GUI_KINDS and instruction.strip():
            return None
        return needs_no_place(action, instruction, trust_points=self.trust_points)

    def _question(self, action: Action, instruction: str, image: ImageRef | None) -> tuple[Size, list[Message]]:
        if image is None:
            msg = "there is no screenshot to find this on; give the observation an image"
            raise PlannerError(msg)
        size = self._size(image)
        form: Form = "action" if self.asks == "action" else "drag" if isinstance(action, Drag) else "point"
        try:
            words = self.profile.prompt(instruction, size, form=form, platform=self.platform)
        except ConfigurationError as error:  # a shape that no image processor takes
            raise DataError(str(error), path=image.ref) from error
        return size, [Message("user", [{"type": "image", "ref": image}, {"type": "text", "text": words}])]

    def _size(self, image: ImageRef) -> Size:
        """The size of what is sent: a reference may be to a picture that its planner sees scaled down."""
        content = self.images.get(image.ref)
        if not self.profile.dialect.frame.needs_size:
            return Size(image.width, image.height)
        with open_picture(content, image.ref) as picture:
            return Size(*picture.size)

    def _read(self, action: Action, reply: PolicyReply, size: Size, seconds: float) -> Execution:
        """The reply as the planner's action with a place."""
        screen = ImageRef(ref="", width=size.width, height=size.height)
        grammar = self.profile.dialect.grammar_for(screen, platform=self.platform)
        forecast = read_forecast(
            reply.text, grammar=grammar, horizon=1, step=1, reasoning=reply.reasoning, truncated=reply.truncated
        )
        if not forecast.ok and reply.truncated:
            return lost("the grounding model was cut off by its token limit; give it more", seconds=seconds)
        found = forecast.pairs[0].action if forecast.ok else None
        if found is not None and self.asks == "point":
            found = _with_place(action, found)
        if found is None or not _can_be_done(found):
            missing = "place" if self.asks == "point" else "action"
            text = f'error: no {missing} was found for this step; the grounding model said "{short(reply.text, 200)}"'
            return Execution(ok=False, text=text, seconds=seconds)
        return done(found, seconds)


class GroundThenAct:
    """Finds out where, and has an environment do it there: what the `ground` node calls where something acts.

    Args:
        grounder: Gives the action with its place in `Execution.value`.
        environment: Does it, and answers with what is seen afterwards.
    """

    def __init__(self, grounder: Executor, environment: Executor) -> None:
        self.grounder, self.inner = grounder, environment

    def execute(self, action: Action, instruction: str, observation: Observation) -> Execution:
        """What became of the action; `value` is the action as it was done."""
        grounded, placed = self._placed(self.grounder.execute(action, instruction, observation))
        if placed is None:
            return _unchanged(grounded, observation)
        acted = self.inner.execute(placed, instruction, observation)
        return _both(grounded, acted)

    async def aexecute(self, action: Action, instruction: str, observation: Observation) -> Execution:
        """The same, awaitable."""
        grounded, placed = self._placed(await self.grounder.aexecute(action, instruction, observation))
        if placed is None:
            return _unchanged(grounded, observation)
        acted = await self.inner.aexecute(placed, instruction, observation)
        return _both(grounded, acted)

    def _placed(self, given: Any) -> tuple[Execution, Action | None]:
        """The grounder's answer and its action; None where there is none, or none that can be on a screen.

        Raises:
            ConfigurationError: The grounder keeps another contract.
        """
        name = type(self.grounder).__name__
        grounded = an_execution(given, f"the grounder {name}")
        if not grounded.ok:
            return grounded, None
        value = grounded.value
        if not isinstance(value, dict | BaseModel):
            msg = (
                f"the grounder {name} gave {value!r:.60} as Execution.value; it gives the action with its place there, "
                "as dump_action writes it"
            )
            raise ConfigurationError(msg)
        try:
            return grounded, load_action(value)
        except ValidationError as error:  # numbers of a model, such as a point beside the screen
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"])) or "the action"
            text = f"error: {name} gave no action on this screen: {where}: {first['msg']}, got {first['input']!r:.60}"
            return grounded.model_copy(update={"ok": False, "text": text, "value": None}), None


def _unchanged(failed: Execution, observation: Observation) -> Execution:
    """Nothing was done: the planner is told why, above the screen as it still is; what was told before is left out."""
    told, _, below = observation.text.partition("\n\n")
    ours = told.startswith(_ERROR) and "\n" not in told
    screen = below if ours else observation.text
    text = f"{failed.text}\n\n{screen}" if screen else failed.text
    return failed.model_copy(update={"text": text, "image": observation.image})


def _both(grounded: Execution, acted: Execution) -> Execution:
    """What the environment says; the action as it was placed, where that says nothing of its own."""
    value = grounded.value if acted.value is None else acted.value
    return acted.model_copy(update={"value": value, "seconds": grounded.seconds + acted.seconds})


def needs_no_place(action: Action, instruction: str, *, trust_points: bool = False) -> Execution | None:
    """The execution of an action that nobody has to look for; None when there is something to find.

    Args:
        action: The planner's.
        instruction: Its step instruction: what is looked for.
        trust_points: Whether points that the planner gave itself stand.
    """
    if action.kind not in GUI_KINDS:
        return Execution(ok=False, text=f"error: {action.kind} is no action on a screen; use it with the tools")
    placed = all(point is not None for point in points_of(action))
    if action.kind not in _PLACED or (trust_points and placed):
        return done(action)
    if not instruction.strip():
        return Execution(ok=False, text=f"error: {action.kind} needs a step instruction that says what it acts on")
    return None


def _can_be_done(action: Action) -> bool:
    """Whether it is an action on a screen that lacks no place."""
    return action.kind in GUI_KINDS and (action.kind not in _PLACED or None not in points_of(action))


def _with_place(action: Action, found: Action) -> Action | None:
    """The planner's action at the place that was found; None when there is none, or one end of a drag is missing."""
    points = points_of(found)
    if any(point is None for point in points) or isinstance(found, Drag) != isinstance(action, Drag):
        return None
    names = ("start", "end") if isinstance(action, Drag) else ("point",)
    return action.model_copy(update=dict(zip(names, points, strict=True)))


def done(action: Action, seconds: float = 0.0) -> Execution:
    """The execution of an action that has its place."""
    return Execution(text=_CANONICAL.render_action(action), value=dump_action(action), seconds=seconds)


def _name_of(model: BaseChatModel) -> str:
    names = (getattr(model, attribute, None) for attribute in ("model_name", "model"))
    return next((name for name in names if isinstance(name, str) and name), type(model).__name__)
