"""Prompt profiles: for which family of planner models a prompt is written, and in which dialect it answers.

A profile is data: two template files of this folder, a grammar and a frame of coordinates. Templates are
`string.Template` text (`$name`; braces mean nothing, so JSON schemas pass through). A block whose placeholders are all
empty is left out, with its heading; blocks are separated by blank lines, or, in a template without any, by line breaks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import TYPE_CHECKING, Final, Literal, get_args

from tracer1_agents.actions.coordinates import QWEN2_5_VL_PIXELS, THOUSAND, UI_TARS_15, UNIT, Frame, Screen, Size
from tracer1_agents.actions.grammars.canonical import CanonicalGrammar
from tracer1_agents.actions.grammars.generic import GenericGrammar
from tracer1_agents.actions.grammars.qwen import QwenGrammar
from tracer1_agents.actions.grammars.ui_tars import UiTarsGrammar
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.planner.history import OBSERVATION_CHARS

if TYPE_CHECKING:
    from tracer1_agents.actions.codec import Grammar
    from tracer1_agents.actions.space import Platform
    from tracer1_agents.types import ImageRef

GrammarName = Literal["canonical", "ui-tars", "qwen-tool-call", "generic"]


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
        supports_images: Whether the screenshot is sent; if not, a note says that there was one (see `brief_elements`).
        observation_chars: The observation's text is cut to so many characters.
        brief_elements: Whether elements of a screen are shown without their boxes (`actions.elements.in_brief`): for
            small planners that say what, never where; the list is their screen, so there is no note about a screenshot.
        history_instructions: Whether a history line has the step instruction behind its action: where actions have no
            place of their own, nothing else says what was clicked.

    Raises:
        ConfigurationError: The grammar is none of ours, and the class has no `grammar_for` of its own.
    """

    name: str
    grammar: GrammarName
    frame: Frame
    system_template: str
    user_template: str
    shows_tools: bool
    supports_images: bool
    observation_chars: int = OBSERVATION_CHARS
    brief_elements: bool = False
    history_instructions: bool = False

    def __post_init__(self) -> None:
        ours = get_args(GrammarName)
        if self.grammar not in ours and type(self).grammar_for is Profile.grammar_for:
            msg = (
                f"profile {self.name!r} names the grammar {self.grammar!r}; there are {', '.join(ours)}. One of yours "
                "comes with a subclass of Profile whose grammar_for returns it"
            )
            raise ConfigurationError(msg)

    def grammar_for(self, image: ImageRef | None = None, *, platform: Platform = "tools") -> Grammar:
        """The profile's grammar, bound to the screenshot that the reply is about.

        Args:
            image: The screenshot; only frames of pixels need it, and without it they refuse every point.
            platform: For which platform actions are written (Qwen has one tool for each).

        Raises:
            ConfigurationError: The frame cannot hold an image of that size.
        """
        screen = Screen(self.frame, Size(image.width, image.height) if image else None)
        match self.grammar:
            case "canonical":
                return CanonicalGrammar()
            case "ui-tars":
                return UiTarsGrammar(screen)
            case "qwen-tool-call":
                return QwenGrammar(screen, platform)
            case "generic":
                return GenericGrammar(screen)


def _template(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


def _chat(name: str, grammar: GrammarName, *, frame: Frame = THOUSAND) -> Profile:
    return Profile(
        name=name,
        grammar=grammar,
        frame=frame,
        system_template=_template(f"{grammar}.system.txt"),
        user_template=_template("chat.user.txt"),
        shows_tools=True,
        supports_images=True,
    )


COMPACT: Final = Profile(
    name="compact",
    grammar="canonical",
    frame=UNIT,
    system_template="",
    user_template=_template("compact.user.txt"),
    shows_tools=False,
    supports_images=False,
)
COMPACT_SCREEN: Final = replace(COMPACT, name="compact-screen", brief_elements=True, history_instructions=True)
UI_TARS: Final = _chat("ui-tars", "ui-tars")
UI_TARS_1_5: Final = _chat("ui-tars-1.5", "ui-tars", frame=UI_TARS_15)
QWEN_TOOL_CALL: Final = _chat("qwen-tool-call", "qwen-tool-call")
# Qwen2.5-VL and what grew out of it count pixels of the resized screenshot; Qwen3-VL and GUI-Owl 1.5 count thousandths
QWEN_2_5_VL: Final = replace(QWEN_TOOL_CALL, name="qwen2.5-vl", frame=QWEN2_5_VL_PIXELS)
GUI_OWL: Final = replace(QWEN_TOOL_CALL, name="gui-owl", frame=QWEN2_5_VL_PIXELS)
GUI_OWL_1_5: Final = replace(QWEN_TOOL_CALL, name="gui-owl-1.5")
GENERIC: Final = _chat("generic", "generic")

_ALL: Final = (
    *(COMPACT, COMPACT_SCREEN),
    *(UI_TARS, UI_TARS_1_5),
    *(QWEN_TOOL_CALL, QWEN_2_5_VL, GUI_OWL, GUI_OWL_1_5),
    GENERIC,
)
PROFILES: Final[dict[str, Profile]] = {profile.name: profile for profile in _ALL}

# first match wins
_FAMILIES: Final[tuple[tuple[str, str], ...]] = (
    (r"tracer1-gui", "compact-screen"),
    (r"tracer1", "compact"),
    (r"ui-?tars-?v?1[.-]?5", "ui-tars-1.5"),
    (r"ui-?tars", "ui-tars"),
    (r"gui-?owl-?v?1[.-]?5", "gui-owl-1.5"),
    (r"gui-?owl", "gui-owl"),
    (r"qwen-?2[.-]5-?vl", "qwen2.5-vl"),
    (r"qwen-?3[.\d]*-?vl", "qwen-tool-call"),
)


def profile_for(model_name: str) -> str:
    """The profile that a model most likely wants, guessed by its name.

    Args:
        model_name: As a hub or an endpoint calls it, such as "ByteDance-Seed/UI-TARS-1.5-7B".

    Returns:
        Name of a profile; "generic" for models it does not know.
    """
    name = re.sub(r"[\s_]+", "-", model_name.lower())
    return next((profile for pattern, profile in _FAMILIES if re.search(pattern, name)), "generic")


def profile_named(name: str) -> Profile:
    """A shipped profile.

    Raises:
        ConfigurationError: There is none of that name.
    """
    if name not in PROFILES:
        msg = f"there is no prompt profile {name!r:.60}; choose one of {', '.join(PROFILES)}"
        raise ConfigurationError(msg)
    return PROFILES[name]
