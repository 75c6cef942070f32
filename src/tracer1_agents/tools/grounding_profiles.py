"""How frozen grounding models are asked: prompt files of `grounding_prompts/`, a dialect, a frame of coordinates.

Grammars and frames are those of `planner.profiles`: a model family writes its points the same way in either role.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Final

from tracer1_agents.actions.space import Point
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.planner.profiles import QWEN_TOOL_CALL, UI_TARS, UI_TARS_1_5, Profile, profile_for

if TYPE_CHECKING:
    from tracer1_agents.actions.coordinates import Size
    from tracer1_agents.actions.space import Platform

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
    """

    dialect: Profile
    point_template: str
    drag_template: str

    @property
    def name(self) -> str:
        """Its key in `GROUNDING_PROFILES`."""
        return self.dialect.name

    @property
    def fingerprint(self) -> str:
        """A short hash of everything that changes what a frozen model answers or how it is read."""
        whole = repr((self.name, self.dialect.frame, self.point_template, self.drag_template))
        return hashlib.sha256(whole.encode()).hexdigest()[:12]

    def prompt(self, instruction: str, size: Size, *, drag: bool, platform: Platform) -> str:
        """The words that go with the screenshot.

        Args:
            instruction: What to find, as the planner put it.
            size: Of the screenshot, in pixels.
            drag: Whether both ends of a drag are asked for.
            platform: Whose names of actions are used.
        """
        right, bottom = self.dialect.frame.from_unit(Point(1.0, 1.0), size)
        template = Template(self.drag_template if drag else self.point_template)
        names = _QWEN["mobile" if platform == "mobile" else "computer"]
        return template.substitute(names, instruction=" ".join(instruction.split()), right=right, bottom=bottom)


def _profile(dialect: Profile) -> GroundingProfile:
    prompts = files(__package__) / "grounding_prompts"
    point, drag = (
        (prompts / f"{dialect.grammar}.{form}.txt").read_text(encoding="utf-8") for form in ("point", "drag")
    )
    return GroundingProfile(dialect=dialect, point_template=point.strip(), drag_template=drag.strip())


GROUNDING_PROFILES: Final[dict[str, GroundingProfile]] = {
    dialect.name: _profile(dialect) for dialect in (UI_TARS, UI_TARS_1_5, QWEN_TOOL_CALL)
}


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
