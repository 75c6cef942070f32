"""What an experiment compares: arms, how each is trained, and what all of them are measured on.

    name: stage1
    seeds: [0, 1, 2]
    arms:
      warm_start: {start: tracer1-tiny}
      stage1: {start: warm_start, train: stage1, config: tiny/stage1, set: ["trainer.max_minutes=12"]}
      continued: {start: warm_start, train: warmstart, config: tiny/warmstart, set: ["trainer.minutes=12"]}
    pairs: [[stage1, warm_start], [stage1, continued]]

An arm starts from a checkpoint or from another arm of the same seed. An arm without `train` is its start, measured.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tracer1_agents.data.taskgen.bundle import BundlePlan
from tracer1_agents.data.taskgen.desk.options import WorldOptions  # noqa: TC001  (pydantic reads it)
from tracer1_agents.data.taskgen.windows import WindowOptions
from tracer1_agents.errors import ConfigurationError

_SEED_STEP: Final = 1009  # between the streams of two seeds
_DEPTH_STEP: Final = 101  # between those of an arm and of the one it starts from: nine in a chain stay below a seed's


class _Plain(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AgentOptions(_Plain):
    """How a planner is asked when it is measured, where that is not the usual way.

    Attributes:
        history_window: Past steps shown (K).
        show_last_forecast: Whether the prompt carries the previous forecast.
        commitment: Pairs of one forecast that may run before the planner is asked again.
        best_of: Forecasts sampled a step.
        agreement_discount: How much later pairs count in the choice among them.
        thoughts: Whether its replies to held-out windows are given room for a thought.
    """

    history_window: int = Field(5, ge=0)
    show_last_forecast: bool = False
    commitment: int = Field(1, ge=1)
    best_of: int = Field(1, ge=1)
    agreement_discount: float = Field(0.8, ge=0, le=1)
    thoughts: bool = False


class Arm(_Plain):
    """One way to come by a planner.

    Attributes:
        start: Name of another arm, "tracer1-tiny", a checkpoint folder, or "" for fresh weights (warmstart).
        train: Which trainer runs (its module in `training`), None for none.
        config: Of that trainer, by name or path.
        set: Overrides of the config; `output_dir`, seed and start are the runner's.
        seeds: How many of the plan's seeds, or which; None for all (without training: all of its start). What starts
            from an arm that lacks its seed starts from that arm's first.
        horizon: Pairs it is trained to forecast and asked for (T), where that differs from the split's.
        group: Arms that are run together; a run may be told to do one group only. Those of "steps" are trained because
            others start from them, and measured only when asked for.
        agent: How it is asked when it is measured. Its training is told by `set`.
    """

    start: str
    train: Literal["warmstart", "stage1", "stage2"] | None = None
    config: str = ""
    set: tuple[str, ...] = ()
    seeds: Annotated[int, Field(ge=1)] | tuple[int, ...] | None = None
    horizon: int | None = Field(None, ge=1)
    group: str = "core"
    agent: AgentOptions = AgentOptions()

    def recipe(self) -> dict[str, Any]:
        """What decides a result; the usual way of asking goes without saying, and other seeds change nothing."""
        left_out = {"seeds", "group", *(["agent"] if self.agent == AgentOptions() else [])}
        return self.model_dump(mode="json", exclude=left_out)


class Claim(_Plain):
    """Something that an experiment may bear out, said before it was run.

    Attributes:
        says: In words.
        better: The arm that should be ahead.
        than: The other arm.
        measure: A name of `measures.MEASURES`.
        items: Which tasks count: all, the long ones (see `measures.LONG_STEPS`), or those of new families.
        lower: Whether less of the measure is better.
    """

    says: str
    better: str
    than: str
    measure: str
    items: Literal["all", "long", "new"] = "all"
    lower: bool = False


@dataclass(frozen=True)
class Cell:
    """An arm with a seed.

    Attributes:
        arm: Name in the plan.
        seed: Of its training.
    """

    arm: str
    seed: int

    @property
    def name(self) -> str:
        """Of its folder and its result."""
        return f"{self.arm}-{self.seed}"


class Measurement(_Plain):
    """What a split is made of; nothing is ever trained on it.

    Attributes:
        windows: Held-out windows: of the task generator, or of `data`, evenly spread.
        window_seed: Of the generator's stream.
        data: A mixture as training configs have it, for windows of recorded trajectories; None for generated ones.
        tasks: Whole tasks of trained families, run in the closed loop with real tools; 0 for none.
        unseen: Whole tasks of families that are never trained on.
        task_set: Name of the set; part of every task's seed.
        horizon: Pairs asked for (T).
        world: The desk's world and its dials; None for the plain families.
        names: Whose words are used.
    """

    windows: int = Field(1000, ge=0)
    window_seed: int = 0
    data: dict[str, Any] | None = None
    tasks: int = Field(500, ge=0)
    unseen: int = Field(0, ge=0)
    task_set: str = ""
    horizon: int = Field(8, ge=1)
    world: WorldOptions | None = None
    names: Literal["train", "held_out"] = "held_out"

    @property
    def bundle(self) -> BundlePlan:
        """The tasks as a set."""
        return BundlePlan(self.task_set, self.tasks, self.unseen, rotating=True, world=self.world, names=self.names)

    @property
    def window_options(self) -> WindowOptions:
        """How the windows are cut."""
        return WindowOptions(self.horizon, world=self.world)


class Plan(_Plain):
    """An experiment.

    Attributes:
        name: Of its results.
        title: Of its page.
        about: What it is, for the page.
        outlook: What its results leave open, and what would show more, for the page.
        seeds: Of training.
        streams: Whether an arm that goes on from another one's training draws in an order of its own, or (shared) the
            same rows once more, in the same order.
        arms: By name.
        pairs: Which differences are reported: first minus second.
        claims: Said before, judged by the test split; the first one is the page's answer.
        horizon_curve: Arms that differ only in the horizon they were trained at, by it.
        development: What choices are made on.
        test: What is reported, looked at once.
    """

    name: str
    title: str = ""
    about: str = ""
    outlook: str = ""
    seeds: tuple[int, ...] = (0, 1, 2)
    streams: Literal["own", "shared"] = "own"
    arms: dict[str, Arm]
    pairs: tuple[tuple[str, str], ...]
    claims: tuple[Claim, ...] = ()
    horizon_curve: dict[int, str] = {}
    development: Measurement
    test: Measurement

    @model_validator(mode="after")
    def _names_exist(self) -> Plan:
        named = [*self.pairs, *((claim.better, claim.than) for claim in self.claims), self.horizon_curve.values()]
        for pair in named:
            for name in pair:
                if name not in self.arms:
                    msg = f"{list(pair)} names the arm {name!r}; there are {', '.join(self.arms)}"
                    raise ValueError(msg)
        for name, arm in self.arms.items():
            if isinstance(arm.seeds, tuple) and not (arm.seeds and set(arm.seeds) <= set(self.seeds)):
                msg = f"the arm {name!r} names the seeds {list(arm.seeds)}; the plan has {list(self.seeds)}"
                raise ValueError(msg)
        self.order()
        return self

    def order(self) -> list[str]:
        """Arms, each after the one it starts from.

        Raises:
            ValueError: Arms start from one another in a circle.
        """
        done: list[str] = []
        while len(done) < len(self.arms):
            ready = [
                name
                for name, arm in self.arms.items()
                if name not in done and (arm.start not in self.arms or arm.start in done)
            ]
            if not ready:
                msg = f"these arms start from one another in a circle: {', '.join(set(self.arms) - set(done))}"
                raise ValueError(msg)
            done += ready
        return done

    def cells(self) -> list[Cell]:
        """Every arm with each of its seeds, seed by seed, each after the one it starts from."""
        return [Cell(name, seed) for seed in self.seeds for name in self.order() if seed in self.seeds_of(name)]

    def choose(self, *, group: str | None = None, arm: str | None = None, seed: int | None = None) -> list[Cell]:
        """Cells of a group, an arm, a seed; all of them where nothing is said.

        Raises:
            ConfigurationError: There are none.
        """
        wanted = [
            cell
            for cell in self.cells()
            if group in {None, self.arms[cell.arm].group} and arm in {None, cell.arm} and seed in {None, cell.seed}
        ]
        if not wanted:
            groups = ", ".join(sorted({one.group for one in self.arms.values()}))
            msg = (
                f"{self.name} has no arm {arm or 'of any name'} in group {group or 'of any name'} with "
                f"{'any seed' if seed is None else f'seed {seed}'}; groups: {groups}; arms: {', '.join(self.arms)}"
            )
            raise ConfigurationError(msg)
        return wanted

    def start_of(self, cell: Cell) -> Cell | None:
        """The cell that a cell starts from; None where that is a checkpoint."""
        start = self.arms[cell.arm].start
        if start not in self.arms:
            return None
        seeds = self.seeds_of(start)
        return Cell(start, cell.seed if cell.seed in seeds else seeds[0])

    def stream_of(self, cell: Cell) -> int:
        """The seed of the rows that a cell is trained on, from 1; no two cells of a chain share one, unless told to."""
        depth, at = 0, self.start_of(cell) if self.streams == "own" else None
        while at is not None:
            depth, at = depth + (self.arms[at.arm].train is not None), self.start_of(at)
        return 1 + cell.seed * _SEED_STEP + depth * _DEPTH_STEP

    def digest(self, split: str) -> str:
        """A hash of what a split is made of."""
        return hashlib.sha256(getattr(self, split).model_dump_json().encode()).hexdigest()[:8]

    def recipe(self, cell: Cell, split: str = "") -> str:
        """A hash of all that decides a result: its arms, their configs, the seeds, what it is measured on.

        Args:
            cell: Whose.
            split: Measured on; "" for the training alone.
        """
        chain: list[Any] = [getattr(self, split).model_dump(mode="json")] if split else []
        chain += ["own streams"] if self.streams == "own" else []
        at: Cell | None = cell
        while at is not None:
            arm = self.arms[at.arm]
            chain.append([arm.recipe(), _config_of(arm), at.seed])
            at = self.start_of(at)
        return hashlib.sha256(json.dumps(chain, sort_keys=True).encode()).hexdigest()[:16]

    def seeds_of(self, name: str) -> tuple[int, ...]:
        """The seeds that an arm is trained with: those of its start where it does not train itself."""
        arm = self.arms[name]
        seeds = self.seeds
        if arm.train is None:
            seeds = self.seeds_of(arm.start) if arm.start in self.arms else self.seeds[:1]
        if isinstance(arm.seeds, tuple):
            return tuple(seed for seed in seeds if seed in arm.seeds)
        return seeds[: arm.seeds]


def _config_of(arm: Arm) -> Any:
    """What the arm's config says, comments apart."""
    if arm.train is None:
        return None
    path = Path(arm.config)
    if not path.is_file():
        path = Path(str(resources.files("tracer1_agents") / "assets" / "configs" / f"{arm.config}.yaml"))
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def load_plan(name: str) -> Plan:
    """A packaged plan by name (`stage1`), or a YAML file.

    Raises:
        ConfigurationError: There is none, or it does not fit.
    """
    path = Path(name)
    if not path.is_file():
        path = Path(str(resources.files("tracer1_agents") / "assets" / "experiments" / f"{name}.yaml"))
    if not path.is_file():
        msg = f"no experiment {name!r}: it is neither a file nor a packaged plan such as stage1"
        raise ConfigurationError(msg)
    try:
        data: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Plan.model_validate(data)
    except (yaml.YAMLError, ValidationError) as error:
        msg = f"experiment {name}: {error}"
        raise ConfigurationError(msg) from None
