"""The mixture a run learns from: named sources with weights, read into rows.

`sources: [{reader, path, weight, ...}]`. A source is a reader with its file or folder, or `reader: taskgen` for
generated tasks. Weights say how often a source is drawn, whatever its size. Splits are by hash of the trajectory (or of
the app it is about), so that no part of a run ever sees what another part is measured on.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import accumulate, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Discriminator, Field, FiniteFloat, Tag, field_validator

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.actions.space import KINDS, OpenApp
from tracer1_agents.data.prompts import PromptOptions
from tracer1_agents.data.readers.base import ReaderOptions, read_items
from tracer1_agents.data.readers.registry import reader_named
from tracer1_agents.data.registering import import_plugin
from tracer1_agents.data.taskgen.desk.options import WorldOptions  # noqa: TC001  (pydantic reads it)
from tracer1_agents.data.taskgen.windows import WindowOptions, stream_windows
from tracer1_agents.errors import ConfigurationError, DataError
from tracer1_agents.graphs.build import tool_specs
from tracer1_agents.planner.profiles import profile_named
from tracer1_agents.tools.base import ToolRegistry
from tracer1_agents.training.config import BaseConfig
from tracer1_agents.training.offered import offered_tools
from tracer1_agents.training.row_store import RowStore
from tracer1_agents.training.rows import generated_row, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tracer1_agents.actions.space import Platform
    from tracer1_agents.planner.prompt import ToolSpec
    from tracer1_agents.training.rows import TrainingRow
    from tracer1_agents.types import ReferenceTrajectory

Part = Literal["all", "train", "development", "test"]
_PLATFORMS: Final[dict[str, Platform]] = {  # by reader, or by the source that our own store keeps of a trajectory
    "androidcontrol": "mobile",
    "gui_odyssey": "mobile",
    "agentnet": "computer",
    "agenttrek": "computer",
    "mind2web": "computer",
    "miniwob": "computer",
}
_PARTS: Final = {"development": (0.8, 0.9), "test": (0.9, 1.0), "train": (0.0, 0.8), "all": (0.0, 1.0)}


class FilterConfig(BaseConfig):
    """Which trajectories and steps of a source are used."""

    drop_flags: frozenset[str] = Field(
        frozenset(), description="steps with one of these flags are left out (incorrect, redundant, failed, ...)"
    )
    min_steps: int = Field(1, ge=1, description="shorter trajectories are left out")
    max_steps: int | None = Field(None, ge=1, description="longer trajectories are left out")
    kinds: frozenset[str] = Field(
        frozenset(), description="only rows whose first action is of one of these kinds; empty: all"
    )
    limit: int | None = Field(None, ge=1, description="at most so many trajectories")

    @field_validator("kinds")
    @classmethod
    def _known(cls, kinds: frozenset[str]) -> frozenset[str]:
        if unknown := sorted(kinds - set(KINDS)):
            msg = f"there is no kind of action {', '.join(unknown)}; there are {', '.join(KINDS)}"
            raise ValueError(msg)
        return kinds


class FileSource(BaseConfig):
    """Published or own trajectories."""

    reader: str = Field(description="androidcontrol, agentnet, mm_traj, ..., or taskgen for generated tasks")
    path: str = Field(description="file or folder; $VARIABLES of the environment are filled in")
    name: str = Field("", description="in metrics; the reader's name when empty")
    weight: FiniteFloat = Field(1.0, gt=0, description="share of the draws, relative to the other sources")
    images: str = Field("", description="folder of its screenshots, where they do not lie beside it")
    screen: tuple[int, int] | None = Field(None, description="pixels, where neither image nor record tells it")
    platform: Literal["", "computer", "mobile", "tools"] = Field(
        "", description="whose actions the prompt lists; empty: that of a published source, tools for any other"
    )
    points: bool = Field(
        default=True, description="false: pointing actions are written without their points (text-only planners)"
    )
    part: Part = Field("all", description="of the trajectories: train 80%, development 10%, test 10%, or all")
    part_by: Literal["trajectory", "app"] = Field("trajectory", description="what the parts never share")
    filter: FilterConfig = FilterConfig()


class GeneratedSource(BaseConfig):
    """Windows of generated tasks."""

    reader: Literal["taskgen"] = Field("taskgen", description="generated tasks on files")
    name: str = Field("taskgen", description="in metrics")
    weight: FiniteFloat = Field(1.0, gt=0, description="share of the draws, relative to the other sources")
    count: int = Field(20_000, ge=1, description="windows")
    seed: int = Field(1, description="of the window stream")
    families: tuple[str, ...] = Field(
        (), description="task families, one named twice drawn twice; none: the training mix of the world"
    )
    world: WorldOptions | None = Field(None, description="the desk's world and its dials; none: the plain families")
    mishap_rate: float = Field(0.1, ge=0, le=1, description="chance of a failed call before each step of the history")
    names: Literal["train", "held_out"] = Field("train", description="which names and wordings are drawn")


def _which(value: Any) -> str:
    reader = value.get("reader") if isinstance(value, dict) else getattr(value, "reader", None)
    return "generated" if reader == "taskgen" else "file"


Source = Annotated[
    Annotated[GeneratedSource, Tag("generated")] | Annotated[FileSource, Tag("file")], Discriminator(_which)
]


class MixtureConfig(BaseConfig):
    """What is learnt from, and how its prompts are written."""

    sources: tuple[Source, ...] = Field(
        min_length=1, description="reader, path, weight, filter, ... of each; see docs/training.md"
    )
    plugins: tuple[str, ...] = Field(
        (), description="modules imported first, such as one that registers readers or task families of your own"
    )
    profile: str = Field("compact", description="prompt profile")
    horizon: int = Field(10, ge=1, description="pairs asked for (T); paper: about 10 is best (secondary source)")
    history_window: int = Field(5, ge=0, description="past steps in the prompt (K); ours")
    history: Literal["reference", "own"] = Field(
        "reference", description="past actions: the reference's, or those the policy itself would have taken"
    )
    show_last_forecast: bool = Field(
        default=False, description="prompts show the reference's forecast of the step before (a foresight channel)"
    )
    thoughts: bool = Field(
        default=False, description="replies begin with a thought: the kinds of all actions ahead (a foresight channel)"
    )
    images: bool = Field(default=True, description="show screenshots, where profile and source have them")
    max_pixels: int = Field(1_258_291, ge=1, description="larger screenshots are scaled down; 1.26 Mpx, ours")

    @field_validator("plugins")
    @classmethod
    def _imported(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            import_plugin(name)
        return names


@dataclass
class Mixture:
    """Rows of all sources, source after source.

    Attributes:
        rows: In the order in which they were read; the sampler shuffles. Loaded ones are a `RowStore`.
        sizes: Rows of each source.
        weights: Share of each source in the draws; they sum to 1.
        names: Of the sources.
        problems: What could not be read, by file and line.
    """

    rows: Sequence[TrainingRow] = field(default_factory=RowStore)
    sizes: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    problems: list[DataError] = field(default_factory=list)

    @property
    def first_rows(self) -> dict[str, TrainingRow]:
        """The first row of each source, by its name."""
        starts = accumulate(self.sizes, initial=0)
        return {name: self.rows[start] for name, start in zip(self.names, starts, strict=False)}

    @property
    def store(self) -> RowStore:
        """The rows with what was noted of them while they were read.

        Raises:
            TypeError: They were not loaded by `load_mixture`.
        """
        if not isinstance(self.rows, RowStore):
            msg = f"the mixture's rows are a {type(self.rows).__name__}; load it with load_mixture"
            raise TypeError(msg)
        return self.rows


def load_mixture(config: MixtureConfig) -> Mixture:
    """Read every source.

    Args:
        config: Which, and how prompts are written.

    Raises:
        ConfigurationError: A source gives no rows, two have the same name, or one has actions that its platform lacks.
        DataError: There is nothing at a source's path.
    """
    rows = RowStore()
    mixture = Mixture(rows)
    tools = tool_specs(ToolRegistry(offered_tools(config))) if profile_named(config.profile).shows_tools else ()
    total = sum(source.weight for source in config.sources)
    for source in config.sources:
        name = source.name or source.reader
        if name in mixture.names:
            msg = f"two sources are called {name!r}; give one of them another name"
            raise ConfigurationError(msg)
        before, known = len(rows), len(mixture.problems)
        for row in _rows(source, name, config, tools, mixture.problems):
            rows.add(row)
        if len(rows) == before:
            found = mixture.problems[known:]
            unread = f"; of {len(found)} problems the first: {found[0]}" if found else ""
            msg = f"source {name!r} gives no rows; look at its path, filter and part{unread}"
            raise ConfigurationError(msg)
        mixture.names.append(name)
        mixture.sizes.append(len(rows) - before)
        mixture.weights.append(source.weight / total)
    return mixture


def _rows(
    source: GeneratedSource | FileSource,
    name: str,
    config: MixtureConfig,
    tools: tuple[ToolSpec, ...],
    problems: list[DataError],
) -> Iterator[TrainingRow]:
    options = PromptOptions(
        profile=config.profile,
        horizon=config.horizon,
        history_window=config.history_window,
        images=config.images,
        max_pixels=config.max_pixels,
        tools=tools,
        previous=config.show_last_forecast,
        thoughts=config.thoughts,
    )
    if isinstance(source, GeneratedSource):
        yield from _generated(source, name, options)
    else:
        yield from _recorded(source, name, options, problems)


def _generated(source: GeneratedSource, name: str, options: PromptOptions) -> Iterator[TrainingRow]:
    how = WindowOptions(
        options.horizon, options.history_window, source.mishap_rate, source.world, previous=options.previous
    )
    stream = stream_windows(source.seed, how, split=source.names, families=source.families)
    for number, window in enumerate(islice(stream, source.count)):
        yield generated_row(window, options, source=name, key=f"{name}/{window.family}/{source.seed}-{number}")


def _recorded(
    source: FileSource, name: str, options: PromptOptions, problems: list[DataError]
) -> Iterator[TrainingRow]:
    by_platform: dict[Platform, PromptOptions] = {}
    wanted = source.filter.kinds
    for trajectory in islice(_trajectories(source, problems), source.filter.limit):
        platform = _platform(source, trajectory, name)
        changed: dict[str, Any] = {"platform": platform, "points": source.points}
        changed |= {"tools": ()} if platform != "tools" else {}
        written = by_platform.setdefault(platform, replace(options, **changed))
        for row in rows_of(trajectory, written, source=name):
            if not wanted or row.window.steps[0].action.kind in wanted:
                yield row


def _platform(source: FileSource, trajectory: ReferenceTrajectory, name: str) -> Platform:
    """Whose actions the prompts of a trajectory list."""
    known = _PLATFORMS.get(source.reader) or _PLATFORMS.get(trajectory.source, "tools")
    platform = source.platform or known
    on_screen = (step.action for step in trajectory.steps if "tools" not in step.action.platforms)
    if platform == "tools" and (action := next(on_screen, None)):
        msg = (
            f"source {name!r} has actions on a screen ({action.kind} in trajectory {trajectory.id!r}) and the platform "
            "tools, whose prompts list none; set platform: computer or platform: mobile of that source"
        )
        raise ConfigurationError(msg)
    return platform


def _trajectories(source: FileSource, problems: list[DataError]) -> Iterator[ReferenceTrajectory]:
    reader = reader_named(
        source.reader,
        ReaderOptions(
            images=Path(os.path.expandvars(source.images)) if source.images else None,
            screen=Size(*source.screen) if source.screen else None,
            drop_flags=source.filter.drop_flags,
        ),
    )
    longest = source.filter.max_steps or float("inf")
    for item in read_items(reader, Path(os.path.expandvars(source.path))):
        if isinstance(item, DataError):
            problems.append(item)
        elif source.filter.min_steps <= len(item.steps) <= longest and in_part(item, source.part, source.part_by):
            yield item


def in_part(trajectory: ReferenceTrajectory, part: Part, by: Literal["trajectory", "app"] = "trajectory") -> bool:
    """Whether a trajectory belongs to a part of its source; decided by a hash, so that it never changes.

    Args:
        trajectory: Any.
        part: train 80%, development 10%, test 10%, all.
        by: What no two parts share. The app is the first that the trajectory opens; one that opens none counts for
            itself.
    """
    group = f"{trajectory.source}/{trajectory.instruction}"
    if by == "app":
        opened = (step.action.app_name for step in trajectory.steps if isinstance(step.action, OpenApp))
        group = next((f"app/{name.casefold()}" for name in opened), group)
    digest = hashlib.sha256(group.encode()).digest()
    low, high = _PARTS[part]
    return low <= int.from_bytes(digest[:8]) / 2**64 < high


def describe_mixture(mixture: Mixture) -> list[dict[str, Any]]:
    """A line for each source: name, rows, share of the draws, first actions by kind."""
    described = []
    for name, size, weight in zip(mixture.names, mixture.sizes, mixture.weights, strict=True):
        kinds = Counter({kind: count for (source, kind), count in mixture.store.kinds.items() if source == name})
        described.append({"source": name, "rows": size, "share": round(weight, 4), "kinds": dict(kinds.most_common(6))})
    return described


def announce(mixture: Mixture) -> None:
    """Print what is learnt from, and what could not be read."""
    for line in describe_mixture(mixture):
        print(f"{line['source']}: {line['rows']} rows, {line['share']:.0%} of draws, {line['kinds']}")  # noqa: T201
    for problem in mixture.problems[:10]:
        print(f"not read: {problem}")  # noqa: T201
    if len(mixture.problems) > 10:  # noqa: PLR2004
        print(f"and {len(mixture.problems) - 10} more problems; `tracer1 data validate` lists them")  # noqa: T201


def evenly_spread(rows: Sequence[TrainingRow], wanted: int) -> list[TrainingRow]:
    """At most so many rows, from all over the sequence."""
    return [rows[at * len(rows) // wanted] for at in range(wanted)] if wanted < len(rows) else list(rows)
