"""What no planner is needed for on MiniWoB++: clicks by lot, and copying what the task names.

Both read the prompt of the `compact-screen` profile as a small text planner does, and answer in its dialect through the
same graph and grounder; so their scores say what interface and tasks give away.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.environments.miniwob import OVER
from tracer1_agents.planner.policy import PolicyReply

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tracer1_agents.planner.prompt import Message

_LINE: Final = re.compile(
    r"^(?P<called>(?P<role>\S+)(?: (?P<name>.*?))? \[\d+\])(?: = (?P<value>.*?))?(?P<states>(?: [a-z]+)*)$"
)
_QUOTED: Final = re.compile(r'"([^"]+)"')
_SENDING: Final = frozenset({"submit", "login", "search", "ok", "send"})
_FIELDS: Final = frozenset({"textbox", "password", "searchbox", "spinbutton"})
_DONE: Final = 'finish() # "The task is done"'


class _Baseline:
    """A policy that needs no model."""

    def sample(self, messages: Sequence[Message], *, horizon: int, again: int = 0, **_: Any) -> PolicyReply:
        """One pair."""
        del horizon
        prompt = messages[-1].text
        task, _now, seen = prompt.partition("\nNow: ")
        if OVER in seen:
            return PolicyReply(text=_DONE)
        lines = [match for line in seen.split("\n") if (match := _LINE.match(line))]
        return PolicyReply(text=self.act(task, lines, again) if lines else 'wait() # "Wait"')

    async def asample(self, messages: Sequence[Message], *, horizon: int, again: int = 0, **_: Any) -> PolicyReply:
        """The same, awaitable."""
        return self.sample(messages, horizon=horizon, again=again)

    def act(self, task: str, lines: Sequence[re.Match[str]], again: int) -> str:
        """A line of the dialect."""
        raise NotImplementedError


class RandomClicks(_Baseline):
    """Clicks any element that is listed; the same prompt gives the same click."""

    def act(self, task: str, lines: Sequence[re.Match[str]], again: int) -> str:
        """See `_Baseline`."""
        text = "\n".join([task, *(line.group() for line in lines), str(again)])
        draw = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
        return _click(lines[draw % len(lines)])


class Copying(_Baseline):
    """Types what the task quotes into fields that are empty, clicks what it names, and then what sends."""

    def act(self, task: str, lines: Sequence[re.Match[str]], again: int) -> str:
        """See `_Baseline`."""
        instruction = task.split("\n", maxsplit=1)[0].removeprefix("Task: ")
        quoted = _QUOTED.findall(instruction)
        fields = [line for line in lines if line["role"] in _FIELDS]
        empty = [line for line in fields if not line["value"]]
        filled = len(fields) - len(empty)
        if empty and filled < len(quoted):
            if "focused" in empty[0]["states"]:
                return f'type(content={json.dumps(quoted[filled])}) # "Type"'
            return _click(empty[0])
        named = [line for line in lines if _names(line, instruction) and "checked" not in line["states"]]
        others = [line for line in named if (line["name"] or "").casefold() not in _SENDING]
        return _click((others or named or list(lines))[again % len(others or named or lines)])


def _names(line: re.Match[str], instruction: str) -> bool:
    name = (line["name"] or "").casefold()
    return bool(name) and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", instruction.casefold()) is not None


def _click(line: re.Match[str]) -> str:
    return f"click() # {json.dumps('Click ' + line['called'], ensure_ascii=False)}"


BASELINES: Final[dict[str, Callable[[], _Baseline]]] = {"random-clicks": RandomClicks, "copying": Copying}
