"""Prompt profiles: for which family of planner models a prompt is written, and in which dialect it answers.

A profile is data: two template files of this folder, a grammar and a frame of coordinates. Templates are
`string.Template` text (`$name`; braces mean nothing, so JSON schemas pass through). A block whose placeholders are all
empty is left out, with its heading; blocks are separated by blank lines, or, in a template without any, by line breaks.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Final, Literal

from tracer1_agents.actions.coordinates import UNIT, Frame
from tracer1_agents.actions.grammars.canonical import CanonicalGrammar
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.planner.history import OBSERVATION_CHARS

if TYPE_CHECKING:
    from tracer1_agents.actions.codec import Grammar
    from tracer1_agents.types import ImageRef

GrammarName = Literal["canonical"]


@dataclass(frozen=True, kw_only=True)
class Profile:
    """How one family of planner models is asked.

    Attributes:
        name: Its key in `PROFILES`.
        grammar: The dialect of its replies.
        frame: What the numbers of its points mean; the canonical dialect always writes fractions.
        system_template: Text of the system message, "" for none.
        user_template: Text of the user message.
        shows_tools: Whether tool schemas are written into the prompt.
        supports_images: Whether the screenshot is sent; if not, a note says that there was one.
        observation_chars: The observation's text is cut to so many characters.
    """

    name: str
    grammar: GrammarName
    frame: Frame
    system_template: str
    user_template: str
    shows_tools: bool
    supports_images: bool
    observation_chars: int = OBSERVATION_CHARS

    def grammar_for(self, image: ImageRef | None = None) -> Grammar:
        """The profile's grammar, bound to the size of the screenshot that the reply is about.

        Raises:
            ConfigurationError: The frame cannot hold an image of that size.
        """
        return CanonicalGrammar()


def _template(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


COMPACT: Final = Profile(
    name="compact",
    grammar="canonical",
    frame=UNIT,
    system_template="",
    user_template=_template("compact.user.txt"),
    shows_tools=False,
    supports_images=False,
)

PROFILES: Final = {profile.name: profile for profile in (COMPACT,)}


def profile_named(name: str) -> Profile:
    """A shipped profile.

    Raises:
        ConfigurationError: There is none of that name.
    """
    if name not in PROFILES:
        msg = f"there is no prompt profile {name!r}; choose one of {', '.join(PROFILES)}"
        raise ConfigurationError(msg)
    return PROFILES[name]
