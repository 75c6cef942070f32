"""The exceptions this package raises, attributed to the boundary they crossed.

    Tracer1Error
    |-- ConfigurationError          the caller asked for something that cannot be (before any work starts)
    |   `-- MissingExtraError       an optional dependency is not installed
    |-- PlannerError                the planner model did not answer, or its endpoint refused
    |-- ToolError                   a tool could not do what was asked; the text goes back to the planner
    |   `-- ToolUnavailableError    the tool is off here (no model, no program, no network)
    |-- SandboxError                the sandbox itself failed: infrastructure, not the code that ran in it
    |   `-- SandboxUnavailableError no sandbox of this kind can run on this machine
    |-- EnvironmentFailure          a browser, desktop or device went away
    |-- TrainingError               a run had to stop; its last checkpoint is kept
    `-- DataError                   a file could not be read; carries the path and, where known, the line

A rollout that goes wrong is data (`Trace.status`), not an exception: these are for misuse, and for the layer below a
boundary to tell the layer above why. Every message says what was wrong, what was got, and what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Tracer1Error(Exception):
    """Base of everything this package raises on purpose."""


class ConfigurationError(Tracer1Error):
    """The caller asked for something that cannot work; raised before any work starts."""


class MissingExtraError(ConfigurationError, ImportError):
    """An optional dependency is not installed.

    Args:
        feature: What was asked for, as a user would name it.
        extra: The extra of this package that brings it.
    """

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f'{feature} needs the optional extra "{extra}": pip install "tracer1-agents[{extra}]"')
        self.extra = extra


class PlannerError(Tracer1Error):
    """The planner model did not answer, or its endpoint refused."""


class ToolError(Tracer1Error):
    """A tool could not do what was asked; its text is shown to the planner as an observation."""


class ToolUnavailableError(ToolError):
    """The tool is off on this machine; the text says what it would need."""


class SandboxError(Tracer1Error):
    """The sandbox failed (infrastructure); not the same as the code in it failing."""


class SandboxUnavailableError(SandboxError):
    """No sandbox of the wanted kind can run here; the text says why and what to install."""


class EnvironmentFailure(Tracer1Error):  # noqa: N818  (EnvironmentError is a builtin)
    """A browser, desktop or device went away while the agent was using it."""


class TrainingError(Tracer1Error):
    """A training run had to stop; the message says why and where its last checkpoint is."""


class DataError(Tracer1Error):
    """A data file could not be read.

    Args:
        problem: What is wrong and what to do.
        path: The file.
        line: Line number in it, from 1, where known.
    """

    def __init__(self, problem: str, *, path: Path | str, line: int | None = None) -> None:
        where = f"{path}:{line}" if line is not None else str(path)
        self.problem = problem.encode("utf-8", "backslashreplace").decode()  # it may quote what no file can hold
        super().__init__(f"{where}: {self.problem}")
        self.path, self.line = str(path), line
