"""How frozen grounding models are asked: prompt files of `grounding_prompts/`, a dialect, a frame of coordinates.

Grammars and frames are those of `planner.profiles`: a model family writes its points the same way in either role.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Final, Literal

from tracer1_agents.actions.space import Point
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.planner.examples import action_list
from tracer1_agents.planner.profiles import (
    GUI_OWL,
    GUI_OWL_1_5,
    QWEN_2_5_VL,
    QWEN_TOOL_CALL,
    UI_TARS,
    UI_TARS_1_5,
    Profile,
    profile_for,
)
from tracer1_agents.types import ImageRef

if TYPE_CHECKING:
    from tracer1_agents.actions.coordinates import Size
    from tracer1_agents.actions.space import Platform

Form = Literal["point", "drag", "action"]

_QWEN: Final = {
    "computer": {
        "tool": "computer_use",
        "click": "left_click",
        "drag": '{"action": "left_click_drag", "start_coordinate": [x1, y1], "coordinate": [x2, y2]}',
    },
    "mobile": {
        "tool": "mobile_use",
        "click": "click",
        "drag": '{"action": "swipe", "coordinate": [x1, y1], "coordinate2": [x2, y2]}',
    },
}


@dataclass(frozen=True, kw_only=True)
class GroundingProfile:
    """How one family of grounding models is asked.

    Attributes:
        dialect: Grammar and frame of its replies; a server that resizes screenshots otherwise wants
            `dataclasses.replace(dialect, frame=ResizedFrame(...))`.
        point_template: Prompt for one place (`string.Template`).
        drag_template: Prompt for the two ends of a drag.
        action_template: Prompt for whatever action the step needs.
    """

    dialect: Profile
    point_template: str
    drag_template: str
    action_template: str

    @property
    def name(self) -> str:
        """Its key in `GROUNDING_PROFILES`."""
        return self.dialect.name

    @property
    def fingerprint(self) -> str:
        """A short hash of everything that changes what a frozen model answers or how it is read."""
        whole = repr((self.name, self.dialect.frame, self.point_template, self.drag_template, self.action_template))
        return hashlib.sha256(whole.encode()).hexdigest()[:12]

    def prompt(self, instruction: str, size: Size, *, form: Form, platform: Platform) -> str:
        """The words that go with the screenshot.

        Args:
            instruction: What to find, as the planner put it.
            size: Of the screenshot, in pixels.
            form: Whether one place, both ends of a drag, or a whole action is asked for.
            platform: Whose names of actions are used.
        """
        right, bottom = self.dialect.frame.from_unit(Point(1.0, 1.0), size)
        templates = {"point": self.point_template, "drag": self.drag_template, "action": self.action_template}
        names = _QWEN["mobile" if platform == "mobile" else "computer"]
        actions = self._actions(size, platform) if form == "action" else ""
        words = " ".join(instruction.split())
        return Template(templates[form]).substitute(
            names, instruction=words, right=right, bottom=bottom, actions=actions
        )

    def _actions(self, size: Size, platform: Platform) -> str:
        screen = ImageRef(ref="", width=size.width, height=size.height)
        grammar = self.dialect.grammar_for(screen, platform=platform)
        return action_list(grammar, "mobile" if platform == "mobile" else "computer", has_tools=False)


def _profile(dialect: Profile) -> GroundingProfile:
    prompts = files(__package__) / "grounding_prompts"
    point, drag, action = (
        (prompts / f"{dialect.grammar}.{form}.txt").read_text(encoding="utf-8").strip()
        for form in ("point", "drag", "action")
    )
    return GroundingProfile(dialect=dialect, point_template=point, drag_template=drag, action_template=action)


QWEN_3_VL: Final = replace(QWEN_TOOL_CALL, name="qwen3-vl")  # the name by which people look for it

_DIALECTS: Final = (UI_TARS, UI_TARS_1_5, QWEN_TOOL_CALL, QWEN_2_5_VL, QWEN_3_VL, GUI_OWL, GUI_OWL_1_5)
GROUNDING_PROFILES: Final[dict[str, GroundingProfile]] = {dialect.name: _profile(dialect) for dialect in _DIALECTS}


def grounding_profile(name: str) -> GroundingProfile:
    """A shipped profile by its name, or by the name of a model such as "ByteDance-Seed/UI-TARS-1.5-7B".

    Raises:
        ConfigurationError: There is none of that name, and the name is of no family that has one.
    """
    found = GROUNDING_PROFILES.get(name) or GROUNDING_PROFILES.get(profile_for(name))
    if found is None:
        msg = f"there is no grounding profile for {name!r}; choose one of {', '.join(GROUNDING_PROFILES)}"
        raise ConfigurationError(msg)
    return found
