"""The dials of the desk's world."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class WorldOptions(BaseModel):
    """How a world behaves. The same task, but for what a dial changes, comes out at every setting of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    predictable: float = Field(
        0.8,
        ge=0,
        le=1,
        description="chance that a name or path stands in the question; else a note tells it on the way",
    )
    disturbed: float = Field(
        0.2,
        ge=0,
        le=1,
        description="chance that a call of the task times out once, or a column has another name than in the question",
    )
    slack: int = Field(
        1, ge=0, le=1, description="calls allowed beyond the reference's; with 2, a late conversion would do no harm"
    )
