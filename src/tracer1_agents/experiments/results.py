"""Result files: what is left of a cell once it is measured, small enough to be kept beside the code.

A file holds every item's values, so that all that is printed can be computed anew, and says what it was made by.
"""

from __future__ import annotations

import json
import os
import platform
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from tracer1_agents.errors import DataError
from tracer1_agents.experiments.measures import task_item, window_item

if TYPE_CHECKING:
    from pathlib import Path

    from tracer1_agents.experiments.measures import Item, Kind
    from tracer1_agents.experiments.plan import Cell


class CellResult(BaseModel):
    """A measured cell.

    Attributes:
        plan: Name of the experiment.
        arm: Of the plan.
        seed: Of the training.
        split: What it was measured on.
        recipe: Hash of all that decides it (`Plan.recipe`).
        version: Of this package.
        hardware: It ran on.
        training: What its last training took: updates, seconds, tokens; empty where it has none.
        curve: Of its last training: (seconds, reward) at each logged update.
        windows: Columns, one value a window.
        tasks: Columns, one value a task.
    """

    model_config = ConfigDict(extra="forbid")

    plan: str
    arm: str
    seed: int
    split: str
    recipe: str
    version: str
    hardware: str
    training: dict[str, float] = {}
    curve: list[tuple[float, float]] = []
    windows: dict[str, list[Any]] = {}
    tasks: dict[str, list[Any]] = {}

    def items(self, kind: Kind) -> dict[str, Item]:
        """Items by key."""
        columns = self.windows if kind == "windows" else self.tasks
        rows = zip(*columns.values(), strict=True)
        return {item["key"]: item for item in (dict(zip(columns, row, strict=True)) for row in rows)}


class Results:
    """The result files of one experiment.

    Args:
        folder: They lie in, by split.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, cell: Cell, split: str) -> Path:
        """Where a cell's result lies."""
        return self.folder / split / f"{cell.name}.json"

    def read(self, cell: Cell, split: str, *, plan: str = "") -> CellResult | None:
        """A cell's result; None where it was not measured.

        Args:
            cell: Whose.
            split: Measured on.
            plan: Name of the experiment; "" for any.

        Raises:
            DataError: The file is not one, or one of something else.
        """
        path = self.path(cell, split)
        if not path.exists():
            return None
        try:
            found = CellResult.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            msg = f"this is no result of an experiment: {error}; delete it, and it is made anew"
            raise DataError(msg, path=path) from None
        wanted = {"plan": plan or found.plan, "arm": cell.arm, "seed": cell.seed, "split": split}
        for name, value in wanted.items():
            if (said := getattr(found, name)) != value:
                msg = f"the result says {name} {said!r} where {value!r} belongs; move it to its place, or delete it"
                raise DataError(msg, path=path)
        return found

    def write(self, cell: Cell, result: CellResult) -> None:
        """Keep a result, a column a line."""
        path = self.path(cell, result.split)
        path.parent.mkdir(parents=True, exist_ok=True)
        data = result.model_dump(mode="json")
        lines = [f"{json.dumps(name)}: {_shown(value)}" for name, value in data.items()]
        fresh = path.with_suffix(".new")
        fresh.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
        fresh.replace(path)


def _shown(value: Any) -> str:
    if isinstance(value, dict) and any(isinstance(column, list) for column in value.values()):
        columns = (f"{json.dumps(name)}: {json.dumps(column, separators=(',', ':'))}" for name, column in value.items())
        return "{\n " + ",\n ".join(columns) + "\n}"
    return json.dumps(value)


def condense(measured: Path, tasks: Path) -> dict[str, dict[str, list[Any]]]:
    """The records of a measured cell as columns.

    Args:
        measured: Folder with `windows.jsonl` and `tasks.jsonl`, or one of them.
        tasks: Folder of the task set.
    """
    steps = {row["task_id"]: row["Annotator Metadata"]["number_of_steps"] for row in _lines(tasks / "metadata.jsonl")}
    items = {
        "windows": [window_item(record) for record in _lines(measured / "windows.jsonl")],
        "tasks": [task_item(record, steps[record["task_id"]]) for record in _lines(measured / "tasks.jsonl")],
    }
    items["tasks"].sort(key=lambda item: item["key"])  # they finish in another order every time
    return {kind: {name: [item[name] for item in rows] for name in rows[0]} for kind, rows in items.items() if rows}


def training_summary(folder: Path) -> tuple[dict[str, float], list[tuple[float, float]]]:
    """What a training's log tells: its size, and the reward over time (held-out for a warm start).

    A line that a kill or a full disk cut off, with what a resumed run wrote behind it, is left out.
    """
    found = _lines(folder / "log.jsonl", cut_off=True)
    ends = [line for line in found if "step" in line and "seconds" in line]
    if not ends:
        return {}, []
    last = ends[-1]
    size = {"updates": float(last["step"]), "seconds": float(last["seconds"])}
    tokens = [line[key] for line in ends for key in ("num_tokens", "tokens") if key in line]
    size |= {"tokens": float(tokens[-1])} if tokens else {}
    size |= {name: float(last[name]) for name in ("rows", "taught_tokens") if name in last}
    curve = [(float(line["seconds"]), float(line["reward"])) for line in ends if "reward" in line]
    return size, curve


def hardware() -> str:
    """Processor, cores and, where there is one, the GPU of this machine."""
    import torch  # noqa: PLC0415  (a report needs no torch)

    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_name()}, {os.cpu_count()} CPU cores"
    return f"{os.cpu_count()} CPU cores, {platform.machine()}"


def package_version() -> str:
    """Of this package."""
    return version("tracer1-agents")


def _lines(path: Path, *, cut_off: bool = False) -> list[dict[str, Any]]:
    """JSON lines; none where there is no file. Only a line feed ends one: what a planner wrote may hold other breaks.

    Args:
        path: The file.
        cut_off: Whether a line that is no JSON is left out.
    """
    found: list[dict[str, Any]] = []
    for line in path.read_text(encoding="utf-8").split("\n") if path.exists() else ():
        try:
            found += [json.loads(line)] if line.strip() else []
        except json.JSONDecodeError:
            if not cut_off:
                raise
    return found
