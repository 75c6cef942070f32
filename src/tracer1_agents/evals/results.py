"""A run on disk: one JSON line a task, and a file beside it that says how the run was made.

The results file is the resume point: what is in it is done. A line cut off by a kill is dropped on the next start,
lines of tasks that failed for reasons outside the agent are done again. A trace holds whatever the agent saw: secrets
are taken out before it is written, and only its owner can read the file.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from tracer1_agents.errors import ConfigurationError
from tracer1_agents.redaction import redact
from tracer1_agents.types import Status, Trace

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_PRIVATE: Final = 0o600
REDO: Final = frozenset(status.value for status in Status if status.lost)


class TaskResult(BaseModel):
    """One line of a results file.

    Attributes:
        task_id: Of the task.
        level: 1 to 3, 0 where unknown.
        family: Of a bundled task, else "".
        trained_family: False for tasks of families the shipped planner never trained on.
        traits: What else is new in a bundled task (see `gaia.GaiaTask`).
        prediction: The final answer.
        state: Whether what the task left behind is right; None where only the answer counts.
        correct: The answer by GAIA's official rules, and the state where there is one; None where the truth is hidden.
        raw_reward: What the task itself gave, -1 to 1; None where answers are compared.
        discounted_reward: The same, less its share of the time an episode may take.
        status: How the run ended (`types.Status`), or "data_error" when the task could not start.
        detail: For an unhappy end, why.
        planner_calls: Re-asks included.
        tokens: Planner tokens, input plus output.
        seconds: Wall time.
        trace: The whole episode, None for a task that could not start.
    """

    model_config = ConfigDict(extra="ignore")

    task_id: str
    level: int = 0
    family: str = ""
    trained_family: bool = True
    traits: tuple[str, ...] = ()
    prediction: str | None = None
    state: bool | None = None
    correct: bool | None = None
    raw_reward: float | None = None
    discounted_reward: float | None = None
    status: str
    detail: str = ""
    planner_calls: int = 0
    tokens: int = 0
    seconds: float = 0.0
    trace: Trace | None = None


class RunFile:
    """JSON lines of one run, with a file beside it that says how the run was made.

    Args:
        path: The JSONL file; `path` with suffix ".meta.json" holds how the run was made, with ".scores.json" what it
            was scored when it had come to its end.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.meta_path = path.with_suffix(".meta.json")
        self.scores_path = path.with_suffix(".scores.json")

    def begin(self, setup: dict[str, Any]) -> bool:
        """Write the metadata of a fresh run, or compare them with those of an earlier one.

        Args:
            setup: What decides the results; keys that begin with "info_" are only kept.

        Returns:
            Whether the run is fresh.

        Raises:
            ConfigurationError: The file belongs to a run with another setup, or its name does not end in .jsonl.
        """
        if self.path.suffix != ".jsonl":  # what stands beside it would be another run's, too: m-1.5 and m-1.7
            msg = f"a run's file ends in .jsonl, got {self.path}; name {self.path}.jsonl"
            raise ConfigurationError(msg)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists():
            self._check_setup(setup)
        self.scores_path.unlink(missing_ok=True)  # of what the file held until now
        if not self.path.exists():
            self.meta_path.write_text(json.dumps(redact(setup), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
            self.path.touch(mode=_PRIVATE)
            self.meta_path.chmod(_PRIVATE)
            return True
        return False

    def rewrite(self, lines: Iterable[str]) -> None:
        """Put these lines in the place of what stands there, all or nothing."""
        fresh = self.path.with_suffix(".tmp")
        fresh.touch(mode=_PRIVATE)
        fresh.write_text("".join(lines), encoding="utf-8")
        fresh.replace(self.path)

    def append_line(self, line: str) -> None:
        """Add one line, which ends in a line feed."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line)

    def _check_setup(self, setup: dict[str, Any]) -> None:
        try:
            earlier = json.loads(self.meta_path.read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            msg = f"{self.path} exists but {self.meta_path.name} does not say how it was made; name another file"
            raise ConfigurationError(msg) from None
        plain = redact(json.loads(json.dumps(setup)))
        keys = sorted(key for key in {*plain, *earlier} if not key.startswith("info_"))
        changed = [key for key in keys if earlier.get(key) != plain.get(key)]
        if changed:
            parts = ", ".join(f"{key} was {earlier.get(key)!r} and is {plain.get(key)!r}" for key in changed)
            msg = f"{self.path} belongs to another run ({parts}); name another file, or delete it"
            raise ConfigurationError(msg)


class ResultsFile(RunFile):
    """Results of one run."""

    def resume(self, setup: dict[str, Any]) -> dict[str, TaskResult]:
        """Finished results of an earlier, equal run; writes the metadata of a fresh one.

        Args:
            setup: What decides the results (model, tasks, horizon, ...); must equal that of the earlier run.

        Raises:
            ConfigurationError: The file belongs to a run with another setup.
        """
        if self.begin(setup):
            return {}
        done = {result.task_id: result for result in read_results(self.path)[0] if result.status not in REDO}
        self.rewrite(map(_line, done.values()))
        return done

    def append(self, result: TaskResult) -> None:
        """Add one finished task."""
        self.append_line(_line(result))


def remove_run(path: Path) -> list[Path]:
    """Delete a run: its results, how it was made, its scores, and what an interrupted resume left.

    Args:
        path: The results file.

    Returns:
        What was deleted.

    Raises:
        ConfigurationError: It is no results file.
    """
    if path.suffix != ".jsonl" or not path.is_file():
        msg = f"{path} is no results file (RUN.jsonl); nothing was deleted"
        raise ConfigurationError(msg)
    beside = [path.with_suffix(suffix) for suffix in (".meta.json", ".scores.json", ".tmp")]
    found = [item for item in (path, *beside) if item.is_file()]
    for item in found:
        item.unlink()
    return found


def _line(result: TaskResult) -> str:
    text = json.dumps(redact(result.model_dump(mode="json")), ensure_ascii=False)
    return text.encode("utf-8", "replace").decode() + "\n"  # half a surrogate pair would make the line unreadable


def read_results(path: Path) -> tuple[list[TaskResult], list[str]]:
    """Results of a file, and a message for each line that is none.

    Raises:
        ConfigurationError: There is no such file.
    """
    if not path.is_file():
        what = "this is a folder; name the results file in it" if path.is_dir() else "no such results file"
        msg = f"{path}: {what}; one is written by examples/gaia_agent.py --output"
        raise ConfigurationError(msg)
    results: list[TaskResult] = []
    problems: list[str] = []
    # line by line: a run may be larger than memory likes; only line feeds end one, a carriage return may stand inside
    with path.open(encoding="utf-8-sig", errors="replace", newline="\n") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                results.append(TaskResult.model_validate_json(line))
            except ValidationError as error:
                problems.append(f"{path}:{number}: not a result ({error.errors()[0]['msg']}); the line is left out")
    return results, problems


def read_setup(path: Path) -> dict[str, Any]:
    """How the run of a results file was made; empty where nobody wrote that down."""
    try:
        setup = json.loads(ResultsFile(path).meta_path.read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError, RecursionError):
        return {}
    return setup if isinstance(setup, dict) else {}
