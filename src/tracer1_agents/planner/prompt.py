"""ONE function builds the planner's messages, for the live graph and for training rows alike.

The prompt is bounded: task, at most the history it is given, one observation cut to the profile's length, one image,
the last forecast if asked for. It does not grow with the episode, and the same inputs give the same text.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from string import Template
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.actions.elements import in_brief
from tracer1_agents.actions.space import Point, encodable
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.planner.examples import action_list, in_one_line, worked_example
from tracer1_agents.planner.history import cut
from tracer1_agents.types import ImageRef

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tracer1_agents.actions.codec import Grammar
    from tracer1_agents.actions.space import Platform
    from tracer1_agents.planner.profiles import Profile
    from tracer1_agents.types import Forecast, HistoryEntry, Observation

_NO_SCREENSHOT: Final = ImageRef(ref="", width=1000, height=1000)  # examples are written on it where there is none
_LEFT_OUT: Final = "(an earlier screenshot is left out here)\n"
_END_OF_OBSERVATION: Final = "</observation"  # as the templates write it
_IMAGE_NOTE: Final = "a screenshot was taken, but it cannot be shown here; only the text above describes the screen."


class TextPart(TypedDict):
    """Text of a message."""

    type: Literal["text"]
    text: str


class ImagePart(TypedDict):
    """A picture of a message, by reference."""

    type: Literal["image"]
    ref: ImageRef


@dataclass(frozen=True)
class Message:
    """One chat message.

    Attributes:
        role: Who speaks.
        content: Its parts in order; an image stands in a user message only, before the text.
    """

    role: Literal["system", "user"]
    content: list[TextPart | ImagePart]

    @property
    def text(self) -> str:
        """The message's text parts, joined."""
        return "".join(part["text"] for part in self.content if part["type"] == "text")


def keep_newest_images(messages: Sequence[Message], limit: int) -> list[Message]:
    """The messages with at most `limit` pictures: the newest stay, words stand in for the others.

    Args:
        messages: A prompt; later messages and parts are newer.
        limit: What the server takes in one request.
    """
    left, kept = limit, []
    for message in reversed(messages):
        content: list[TextPart | ImagePart] = []
        for part in reversed(message.content):
            left -= part["type"] == "image"
            content.append(part if part["type"] == "text" or left >= 0 else _text(_LEFT_OUT))
        kept.append(Message(message.role, content[::-1]))
    return kept[::-1]


@dataclass(frozen=True)
class ToolSpec:
    """What the planner is told about a tool.

    Attributes:
        name: As it is called.
        description: What it does, for the model.
        parameters: JSON schema of its arguments (an object schema).
    """

    name: str
    description: str
    parameters: dict[str, Any] = field(default_factory=dict)


def build_messages(
    profile: Profile,
    *,
    instruction: str,
    observation: Observation,
    history: Sequence[HistoryEntry],
    horizon: int,
    tools: Sequence[ToolSpec],
    platform: Platform = "tools",
    previous: Forecast | None = None,
    note: str | None = None,
    step: int = 1,
) -> list[Message]:
    """The messages that ask for one forecast.

    Args:
        profile: Dialect and templates.
        instruction: The task.
        observation: What is seen now; with `history`, it is what the newest entry returned.
        history: Past steps to show, oldest first (see `history.last_k`); the newest one's summary is not shown.
        horizon: How many pairs are asked for at most.
        tools: What the planner may call; ignored by profiles that do not show tools.
        platform: Whose actions are listed.
        previous: The last forecast, shown from its second pair on; None leaves it out.
        note: A line for re-asks and nudges, last in the user message; `compact` has no place for it.
        step: Number of the step that is asked for, counted from 1; told where `history` is empty and cannot say it.

    Raises:
        ConfigurationError: `horizon` is below 1, or a template names what is not known.
    """
    if horizon < 1:
        msg = f"horizon counts from 1, got {horizon}"
        raise ConfigurationError(msg)
    grammar = profile.grammar_for(observation.image or _NO_SCREENSHOT, platform=platform)
    messages: list[Message] = []
    if profile.system_template:
        offered = tools if profile.shows_tools else ()
        system = {
            **_dialect(grammar, platform, horizon, offered),
            **_corner(profile, observation.image or _NO_SCREENSHOT, platform),
        }
        messages.append(Message("system", [_text(_fill(profile.system_template, system))]))
    user = {
        "instruction": instruction,
        "observation": _enclosed(cut(_shown(profile, observation.text), profile.observation_chars)),
        "previous": _previous(previous, grammar),
        "note": " ".join((note or "").split()),
        **_past(history, step, with_instructions=profile.history_instructions),
    }
    messages.append(_user_message(profile, user, observation.image))
    return messages


def _user_message(profile: Profile, values: Mapping[str, str], image: ImageRef | None) -> Message:
    """Text after the screenshot, or with a note in its place where the profile has no images.

    Those that read elements in brief take the list for the screen, and need no word of a picture.
    """
    told = image is not None and not (profile.supports_images or profile.brief_elements)
    text = _text(_fill(profile.user_template, {**values, "image_note": _IMAGE_NOTE if told else ""}))
    if image is None or not profile.supports_images:
        return Message("user", [text])
    return Message("user", [{"type": "image", "ref": image}, text])


def _dialect(grammar: Grammar, platform: Platform, horizon: int, tools: Sequence[ToolSpec]) -> dict[str, str]:
    """What a system template says of actions, tools and form."""
    return {
        "actions": action_list(grammar, platform, has_tools=bool(tools)),
        "tools": _tool_lines(tools),
        "example": worked_example(grammar, platform, horizon),
        "horizon": str(horizon),
    }


def _corner(profile: Profile, image: ImageRef, platform: Platform) -> dict[str, str]:
    """How far points reach; nothing where there is no screen to point at."""
    if platform == "tools":
        return {"right": "", "bottom": ""}
    right, bottom = profile.frame.from_unit(Point(1.0, 1.0), Size(image.width, image.height))
    return {"right": str(right), "bottom": str(bottom)}


def _text(text: str) -> TextPart:
    """A part that can be sent: a task or a screen may name files whose names are no text."""
    return {"type": "text", "text": encodable(text)}


def _shown(profile: Profile, observation: str) -> str:
    """A screen's text as the profile's planners know it."""
    return in_brief(observation) if profile.brief_elements else observation


def _enclosed(observation: str) -> str:
    """A text that cannot end the block of the template in which it stands, and so pass for a note or a task of ours."""
    return observation.replace(_END_OF_OBSERVATION, _END_OF_OBSERVATION.replace("/", "\\/"))


def _past(history: Sequence[HistoryEntry], step: int, *, with_instructions: bool) -> dict[str, str]:
    """One line an entry; the newest one's result is the observation, so it is not told twice."""
    done = [
        f"{entry.step}. {entry.action}{f' # {entry.instruction}' if with_instructions else ''}" for entry in history
    ]
    lines = [f"{line} -> {entry.summary}" for line, entry in zip(done[:-1], history, strict=False)] + done[-1:]
    return {"history": "\n".join(lines), "step": str(history[-1].step + 1 if history else step)}


def _previous(previous: Forecast | None, grammar: Grammar) -> str:
    """The actions after the one that was executed, on one line; "" when there are none."""
    pairs = previous.pairs[1:] if previous is not None else ()
    return "; ".join(in_one_line(grammar, pair.action) for pair in pairs)


def _tool_lines(tools: Sequence[ToolSpec]) -> str:
    """One tool a line, in the function form chat models know."""
    functions = [{"name": tool.name, "description": tool.description, "parameters": tool.parameters} for tool in tools]
    return "\n".join(
        json.dumps({"type": "function", "function": function}, ensure_ascii=False) for function in functions
    )


def _fill(template: str, values: Mapping[str, str]) -> str:
    """A template with its values; blocks whose placeholders are all empty are left out (see `profiles`)."""
    text = template.replace("\r\n", "\n").strip("\n")
    separator = "\n\n" if "\n\n" in text else "\n"
    blocks: list[str] = []
    for block in text.split(separator):
        part = Template(block)
        names = part.get_identifiers()
        unknown = [name for name in names if name not in values]
        if unknown or not part.is_valid():
            named = ", ".join(f"${name}" for name in values)
            what = f"nothing is known as ${unknown[0]}" if unknown else "a $ stands alone (write $$ for a dollar)"
            msg = f"a block of a prompt template cannot be filled: {what}; placeholders are {named}: {block[:80]!r}"
            raise ConfigurationError(msg)
        if not names or any(values[name] for name in names):
            blocks.append(part.substitute(values))
    return separator.join(blocks)
