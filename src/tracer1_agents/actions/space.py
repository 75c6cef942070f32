"""What can be done: one discriminated union that every other package walks.

The GUI actions are those of the UI-TARS computer and mobile spaces (plus the few that Qwen3-VL, AgentNet and
GUI-Odyssey add), beside tool calls, code blocks and `Finish`. Points are fractions of the screen in [0, 1]; only
`coordinates.py` knows image sizes. A planner-level pointing action may leave its point out: a grounding executor
supplies it. There is exactly one way to end an episode, `Finish(status, answer)`; `final_answer`, `terminate`,
`finished()` and FAIL are spellings of it that the grammars translate.
"""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, TypeAdapter

Platform = Literal["computer", "mobile", "tools"]
Direction = Literal["up", "down", "left", "right"]
Button = Literal["home", "back", "enter", "menu", "recent"]
FinishStatus = Literal["success", "infeasible"]

TOOL_NAME: Final = r"^[A-Za-z_][A-Za-z0-9_.\-]*$"  # every grammar reads such names
MAX_DEPTH: Final = 50  # of nested arguments: far beyond any tool, well inside what JSON writers and Python's stack take

Unit = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]


class Point(NamedTuple):
    """A place on the screen, as fractions of its width and height from the top left corner."""

    x: Unit
    y: Unit


class Result(NamedTuple):
    """Stands for what step `step` (1-based, counted over the whole episode) will have returned.

    A forecast uses it where a later argument depends on an observation nobody has made yet. Inside a longer string the
    same placeholder is written out, as in ``"Result(step=2) * 3"``.
    """

    step: int


_RESULT_TEXT: Final = re.compile(r"Result\(step=(\d{1,6})\)")
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
_RESULT_KEY: Final = "$result"
_MAX_RESULT: Final = 1_000_000


def is_encodable(text: str) -> bool:
    """Whether files and messages can hold `text`: it has no half of a surrogate pair."""
    return _SURROGATE.search(text) is None


def encodable(text: str) -> str:
    """`text` with a question mark for every half of a surrogate pair."""
    return _SURROGATE.sub("?", text)


def _encodable(text: str) -> str:
    if not is_encodable(text):
        msg = "text must be Unicode without lone surrogates"
        raise ValueError(msg)
    return text


Text = Annotated[str, AfterValidator(_encodable)]


def _revive_arguments(value: Any) -> Any:
    return _revive(value, 0)


def _revive(value: Any, depth: int) -> Any:
    """JSON form to argument value: ``{"$result": 3}`` becomes ``Result(3)``, down to `MAX_DEPTH`."""
    if depth > MAX_DEPTH + 1:
        msg = f"arguments must not be nested deeper than {MAX_DEPTH}"
        raise ValueError(msg)
    if isinstance(value, Result):
        return value
    if isinstance(value, dict):
        step = value.get(_RESULT_KEY)
        if len(value) == 1 and type(step) is int and 0 <= step < _MAX_RESULT:
            return Result(step)
        return {_encodable(str(key)): _revive(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_revive(item, depth + 1) for item in value]
    if isinstance(value, str):
        return _encodable(value)
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    msg = f"an argument must be JSON or Result(step=k), got {value!r:.40} ({type(value).__name__})"
    raise ValueError(msg)


def _freeze(value: Any) -> Any:
    """Argument value to its JSON form (inverse of `_revive`)."""
    if isinstance(value, Result):
        return {_RESULT_KEY: value.step}
    if isinstance(value, dict):
        return {key: _freeze(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_freeze(item) for item in value]
    return value


Arguments = Annotated[dict[str, Any], BeforeValidator(_revive_arguments), PlainSerializer(_freeze)]


class _Action(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    platforms: ClassVar[frozenset[Platform]] = frozenset()


class _Pointing(_Action):
    point: Point | None = None


_BOTH: Final[frozenset[Platform]] = frozenset({"computer", "mobile"})
_COMPUTER: Final[frozenset[Platform]] = frozenset({"computer"})
_MOBILE: Final[frozenset[Platform]] = frozenset({"mobile"})
_EVERYWHERE: Final[frozenset[Platform]] = frozenset({"computer", "mobile", "tools"})


class Click(_Pointing):
    """Click or tap once."""

    kind: Literal["click"] = "click"
    platforms = _BOTH


class LeftDouble(_Pointing):
    """Double-click with the left button."""

    kind: Literal["left_double"] = "left_double"
    platforms = _COMPUTER


class TripleClick(_Pointing):
    """Click three times with the left button (selects a line or paragraph)."""

    kind: Literal["triple_click"] = "triple_click"
    platforms = _COMPUTER


class RightSingle(_Pointing):
    """Click once with the right button."""

    kind: Literal["right_single"] = "right_single"
    platforms = _COMPUTER


class MiddleClick(_Pointing):
    """Click once with the middle button."""

    kind: Literal["middle_click"] = "middle_click"
    platforms = _COMPUTER


class Hover(_Pointing):
    """Move the pointer without clicking."""

    kind: Literal["hover"] = "hover"
    platforms = _COMPUTER


class LongPress(_Pointing):
    """Press and hold."""

    kind: Literal["long_press"] = "long_press"
    platforms = _MOBILE


class Drag(_Action):
    """Press at `start`, move, release at `end`; on a phone, a swipe of the finger."""

    kind: Literal["drag"] = "drag"
    start: Point | None = None
    end: Point | None = None
    platforms = _BOTH


class Scroll(_Pointing):
    """Scroll; `direction` is where the *view* moves: down shows what is further down the page."""

    kind: Literal["scroll"] = "scroll"
    direction: Direction
    platforms = _BOTH


class Type(_Action):
    r"""Type text at the keyboard focus; a final ``\n`` submits."""

    kind: Literal["type"] = "type"
    content: Text
    platforms = _BOTH


class Select(_Pointing):
    """Choose an entry of a drop-down list by its text."""

    kind: Literal["select"] = "select"
    option: Text
    platforms = _COMPUTER


class Hotkey(_Action):
    """Press keys together, as in ("ctrl", "c"); one key is a tuple of one. Lower-case names."""

    kind: Literal["hotkey"] = "hotkey"
    keys: Annotated[tuple[Text, ...], Field(min_length=1)]
    platforms = _COMPUTER


class PressButton(_Action):
    """Press a system button of the device."""

    kind: Literal["press_button"] = "press_button"
    button: Button
    platforms = _MOBILE


class OpenApp(_Action):
    """Start an application by name."""

    kind: Literal["open_app"] = "open_app"
    app_name: Text
    platforms = _BOTH


class Wait(_Action):
    """Do nothing until the screen has settled."""

    kind: Literal["wait"] = "wait"
    platforms = _BOTH


class CallUser(_Action):
    """Hand over to the user: the task cannot go on without them."""

    kind: Literal["call_user"] = "call_user"
    platforms = _BOTH


class ToolCall(_Action):
    """Call one tool of the toolbox by name."""

    kind: Literal["tool"] = "tool"
    name: Annotated[str, Field(pattern=TOOL_NAME)]
    arguments: Arguments = Field(default_factory=dict)
    platforms: ClassVar[frozenset[Platform]] = frozenset({"tools"})


class Code(_Action):
    """Run a block of Python in the sandbox; the tools can be called inside it by name. Print what is needed later."""

    kind: Literal["code"] = "code"
    source: Text
    platforms: ClassVar[frozenset[Platform]] = frozenset({"tools"})


class Finish(_Action):
    """End the episode with an answer, or with status="infeasible" when the task cannot be done."""

    kind: Literal["finish"] = "finish"
    answer: Text | None = None
    status: FinishStatus = "success"
    platforms = _EVERYWHERE


Action = Annotated[
    Click | LeftDouble | TripleClick | RightSingle | MiddleClick | Hover | LongPress | Drag | Scroll | Type | Select
    | Hotkey | PressButton | OpenApp | Wait | CallUser | ToolCall | Code | Finish,
    Field(discriminator="kind"),
]  # fmt: skip

ACTION_TYPES: Final[tuple[type[_Action], ...]] = get_args(get_args(Action)[0])
KINDS: Final[dict[str, type[_Action]]] = {cls.model_fields["kind"].default: cls for cls in ACTION_TYPES}
POINTING_KINDS: Final = frozenset(kind for kind, cls in KINDS.items() if issubclass(cls, _Pointing)) | {"drag"}
GUI_KINDS: Final = frozenset(KINDS) - {"tool", "code", "finish"}
RESERVED_NAMES: Final = frozenset(KINDS) | {"final_answer", "answer", "terminate", "finished"}

_ADAPTER: Final[TypeAdapter[Action]] = TypeAdapter(Action)


def load_action(data: Any) -> Action:
    """Build an action from its JSON form.

    Args:
        data: What `dump_action` gave: a dict with a ``kind``.

    Raises:
        pydantic.ValidationError: The dict is not an action of the union.
    """
    return _ADAPTER.validate_python(data)


def dump_action(action: Action) -> dict[str, Any]:
    """The action as plain JSON, without arguments that have their default value."""
    return {"kind": action.kind, **action.model_dump(mode="json", exclude_defaults=True)}


def pending_results(action: Action) -> tuple[int, ...]:
    """Steps whose results `action` still waits for, ascending; empty when every argument is concrete."""
    found = _results_in(action.arguments if isinstance(action, ToolCall) else action.model_dump())
    return tuple(sorted(found))


def _results_in(value: Any) -> set[int]:
    """Steps that placeholders at any depth of a value name."""
    if isinstance(value, Result):
        return {value.step}
    if isinstance(value, str):
        return {int(step) for step in _RESULT_TEXT.findall(value)}
    items = value if isinstance(value, list | tuple) else ()
    if isinstance(value, dict):
        items = [*value, *value.values()]
    return set().union(*(_results_in(item) for item in items))


def actions_for(platform: Platform) -> tuple[type[_Action], ...]:
    """Action classes that exist on a platform, in the order of the union."""
    return tuple(cls for cls in ACTION_TYPES if platform in cls.platforms)
