"""Actions of a named class wait for somebody's word (`confirm`); off by default.

    create_tracer1_agent(model, confirm=("password", stays_within(hosts=["shop.example"])), checkpointer=...)

A safeguard looks at the first pair of a forecast and gives a reason to ask, or None. With a reason the run stops by
LangGraph's `interrupt` before anything is executed, as with `approve_plan`: see `graphs.review` for the question and
its answers. Safeguards judge by words, by what the observation lists as elements, and by what is typed. They are a net
with holes, made to ask rather too often: an allow-list that has to hold is the environment's business.

What a grounding model that decides for itself (`asks="action"`) does instead of the planner's action is not seen here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from tracer1_agents.actions.coordinates import PIXELS, Size
from tracer1_agents.actions.elements import FOCUSED, PASSWORD_ROLE, element_at, read_elements
from tracer1_agents.actions.match import fold
from tracer1_agents.actions.space import POINTING_KINDS, Code, Hotkey, OpenApp, PressButton, ToolCall, Type
from tracer1_agents.actions.targets import points_of
from tracer1_agents.errors import ConfigurationError, ToolError
from tracer1_agents.tools.element_match import find_element

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tracer1_agents.actions.elements import Element
    from tracer1_agents.actions.space import Action
    from tracer1_agents.types import Observation

_SECRET: Final = re.compile(r"\b(?:pass(?:word|code|phrase)|pin(?: code| number)?|cvv|cvc|security code|secret|otp)\b")
_PURCHASE: Final = re.compile(
    r"\b(?:buy|purchase|pay|payment|check ?out|place (?:the |an |my )?order|order now|subscribe|donate|book now|bid)\b"
)
_SUBMIT: Final = re.compile(
    r"\b(?:submit|send|post|publish|confirm|delete|remove|register|sign up|apply now|transfer|finali[sz]e)\b"
)
_LOOKING: Final = re.compile(r"\b(?:search|find|filter|look up|address bar|url|go to|navigate|visit)\b")
_ENTER: Final = frozenset({"enter", "return"})
_ADDRESS: Final = re.compile(r"\b(?:address bar|url|website|web site|go to|navigate|visit|open)\b")
_URL: Final = re.compile(r"[a-z][a-z0-9+.\-]*:[/\\]{0,3}[^\s\"'<>]+|\b(?:javascript|data|about):\S*", re.IGNORECASE)
_BARE: Final = re.compile(r"(?:[a-z0-9\-]+\.)+[a-z]{2,}(?::\d+)?(?:[/?#]\S*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Situation:
    """What a safeguard judges.

    Attributes:
        action: Of the first pair: what is about to be done.
        instruction: Its step instruction.
        observation: What is seen now.
        before: Step instruction of the step before, "" at the first.
    """

    action: Action
    instruction: str
    observation: Observation
    before: str = ""

    @property
    def words(self) -> str:
        """The instruction and the name of the element it means, where one is known, folded."""
        target = self.target
        return fold(f"{self.instruction} {target.name}" if target else self.instruction)

    @property
    def target(self) -> Element | None:
        """The listed element that a pointing action means: the smallest at its point, else by the instruction."""
        elements = read_elements(self.observation.text) if self.action.kind in POINTING_KINDS else ()
        if not elements:
            return None
        point, image = points_of(self.action)[-1], self.observation.image
        if point is not None and image is not None:
            return element_at(elements, *PIXELS.from_unit(point, Size(image.width, image.height)))
        try:
            return find_element(self.instruction, elements)
        except ToolError:
            return None


Safeguard = Callable[[Situation], str | None]
"""Gives a reason to ask somebody first, or None."""


def password(situation: Situation) -> str | None:
    """Typing into a password field: the focused element is one, or the words of this step or the last say so."""
    if not isinstance(situation.action, Type):
        return None
    focused = (one for one in read_elements(situation.observation.text) if FOCUSED in one.states)
    if any(one.role == PASSWORD_ROLE or _SECRET.search(fold(one.name)) for one in focused):
        return "text is typed into a password field"
    if _SECRET.search(fold(f"{situation.instruction} {situation.before}")):
        return "text is typed where a password is asked for"
    return None


def purchase(situation: Situation) -> str | None:
    """Buying, paying, ordering: by the words of the step and of the element it means."""
    found = _PURCHASE.search(situation.words) if _does_something(situation.action) else None
    return f'the step may spend money ("{found.group()}")' if found else None


def submit(situation: Situation) -> str | None:
    """Sending, publishing, deleting: by words, or by Enter anywhere but in a search or an address."""
    if not _does_something(situation.action):
        return None
    words = situation.words
    if found := _SUBMIT.search(words):
        return f'the step may not be taken back ("{found.group()}")'
    if _presses_enter(situation.action) and not _LOOKING.search(words):
        return "Enter submits what was typed"
    return None


def stays_within(*, hosts: Iterable[str] = (), apps: Iterable[str] = ()) -> Safeguard:
    """Leaving an allow-list: addresses that are typed or handed to tools, apps that are opened.

    Args:
        hosts: Allowed hosts; their subdomains are allowed with them. Empty: any address asks.
        apps: Allowed apps, by name; empty: any app may be opened.

    Raises:
        ConfigurationError: A text was given where a list of them belongs.
    """
    if isinstance(hosts, str) or isinstance(apps, str):
        msg = 'hosts and apps are lists of names, as in stays_within(hosts=["shop.example"])'
        raise ConfigurationError(msg)
    allowed, known = tuple(host.casefold().lstrip(".") for host in hosts), frozenset(map(fold, apps))

    def leaving(situation: Situation) -> str | None:
        action = situation.action
        if isinstance(action, OpenApp) and known and fold(action.app_name) not in known:
            return f'the app "{action.app_name}" is not on the list'
        for address in _addresses(situation):
            host = _host(address)
            if not any(host == name or host.endswith(f".{name}") for name in allowed):
                return f"{host or address[:80]} is not on the list"
        return None

    return leaving


SAFEGUARDS: Final[dict[str, Safeguard]] = {"password": password, "purchase": purchase, "submit": submit}


def check_safeguards(confirm: Sequence[str | Safeguard]) -> None:
    """Refuse what is no safeguard.

    Raises:
        ConfigurationError: A name is unknown, or something is neither a name nor callable.
    """
    if isinstance(confirm, str):
        msg = f'confirm takes a list, as in confirm=("{confirm}",)'
        raise ConfigurationError(msg)
    for one in confirm:
        if one not in SAFEGUARDS if isinstance(one, str) else not callable(one):
            msg = f"there is no safeguard {one!r}; choose of {', '.join(SAFEGUARDS)}, or hand in a function"
            raise ConfigurationError(msg)


def concerns(confirm: Sequence[str | Safeguard], situation: Situation) -> list[str]:
    """Every reason to ask before the action runs.

    Raises:
        ConfigurationError: A function of the host's own gave something else than a text or None.
    """
    chosen = (SAFEGUARDS[one] if isinstance(one, str) else one for one in confirm)
    return [_told(reason, one) for one in chosen if (reason := one(situation))]


def _told(reason: Any, safeguard: Safeguard) -> str:
    """The reason as text: a bare True asks as well, a coroutine has decided nothing yet."""
    name = getattr(safeguard, "__name__", type(safeguard).__name__)
    if reason is True:
        return f"the safeguard {name} asks"
    if not isinstance(reason, str):
        msg = f"the safeguard {name} gave {type(reason).__name__}; it gives a reason as text, or None, and is not async"
        raise ConfigurationError(msg)
    return reason


def _does_something(action: Action) -> bool:
    return action.kind in POINTING_KINDS - {"hover", "scroll"} or _presses_enter(action) or isinstance(action, ToolCall)


def _presses_enter(action: Action) -> bool:
    match action:
        case Type():
            return action.content.endswith("\n")
        case Hotkey():
            return any(key in _ENTER for key in action.keys)
        case PressButton():
            return action.button == "enter"
        case _:
            return False


def _addresses(situation: Situation) -> list[str]:
    """Addresses that the action would open or hand over."""
    match situation.action:
        case Type(content=content):
            text = content.strip()
            opens = content.endswith("\n") or _ADDRESS.search(fold(situation.instruction))
            bare = [text] if opens and _BARE.fullmatch(text) else []
            return bare or _URL.findall(text)
        case ToolCall(arguments=arguments):
            return _URL.findall("\n".join(_texts(arguments)))
        case Code(source=source):
            return _URL.findall(source)
        case _:
            return []


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for item in items for text in _texts(item)]


def _host(address: str) -> str:
    """The host that a browser would go to; "" for addresses without one (file:, data:, javascript:)."""
    straight = address.replace("\\", "/")  # as browsers read it
    try:
        found = urlsplit(straight if "://" in straight or not _BARE.fullmatch(straight) else f"//{straight}")
        return (found.hostname or "").casefold().rstrip(".")
    except ValueError:
        return ""
