"""One column of text that says how a reply is read and what it is compared with, for engines with tables of their own.

The column is JSON, written by `ground_truth` from a training row and read by `load_ground_truth` where the reward is
computed: another process, maybe another machine. It holds no prompt and no picture.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tracer1_agents.actions.space import Platform  # noqa: TC001  (pydantic reads it)
from tracer1_agents.errors import DataError
from tracer1_agents.planner.forecast import read_forecast
from tracer1_agents.planner.profiles import profile_named
from tracer1_agents.types import ImageRef, ReferenceWindow

if TYPE_CHECKING:
    from tracer1_agents.actions.codec import Grammar
    from tracer1_agents.training.rows import TrainingRow
    from tracer1_agents.types import Forecast

GENERATED_PROFILE: Final = "compact"  # the one that generated tasks are written in


class GroundTruth(BaseModel):
    """What a reply to one training row is scored with.

    Attributes:
        key: Of the row; unique in its mixture.
        step: 1-based number of the step in its episode.
        horizon: Pairs asked for.
        profile: Prompt profile that the prompt was written with; it names the grammar of the reply.
        platform: Whose actions the prompt lists.
        screen: Width and height of the screenshot in pixels; None without one.
        window: What should follow.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    step: Annotated[int, Field(ge=1)]
    horizon: Annotated[int, Field(ge=1)]
    profile: str
    platform: Platform
    screen: tuple[int, int] | None = None
    window: ReferenceWindow

    @property
    def grammar(self) -> Grammar:
        """The dialect of replies, bound to the screenshot's size."""
        image = ImageRef(ref=self.key, width=self.screen[0], height=self.screen[1]) if self.screen else None
        return profile_named(self.profile).grammar_for(image, platform=self.platform)

    def read(self, reply: str, *, truncated: bool = False) -> Forecast:
        """A reply as `TrainingRow.read` reads it."""
        return read_forecast(reply, grammar=self.grammar, horizon=self.horizon, step=self.step, truncated=truncated)


def ground_truth(row: TrainingRow) -> str:
    """The column's text for a row."""
    recorded = row.recorded
    image = None
    if recorded is not None:
        image = row.start.observation.image or recorded.trajectory.steps[recorded.at].observation.image
    return GroundTruth(
        key=row.key,
        step=row.number,
        horizon=row.horizon,
        profile=recorded.options.profile if recorded else GENERATED_PROFILE,
        platform=recorded.options.platform if recorded else "tools",
        screen=(image.width, image.height) if image else None,
        window=row.window,
    ).model_dump_json()


@lru_cache(maxsize=4096)
def load_ground_truth(text: str) -> GroundTruth:
    """Read the column; the replies of a group share one text, which is read once.

    Raises:
        DataError: It is no such column.
    """
    try:
        return GroundTruth.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        problem = (
            f"{place + ': ' if place else ''}{first['msg']}, got {text[:80]!r}; write the column with "
            "tracer1_agents.training.adapters.ground_truth.ground_truth"
        )
        raise DataError(problem, path="ground_truth") from None
