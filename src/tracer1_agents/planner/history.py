"""The planner's bounded memory: the last K steps, each abstracted to one short line.

The paper's history holds summaries of past observations, not the observations (section 3). Who writes a summary is a
choice: the executor's own text cut short, the line the planner gave for what it saw, or another model. Whatever is
chosen, the same class runs in the live graph and when training rows are built.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from tracer1_agents.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tracer1_agents.types import Execution, Forecast, HistoryEntry

SUMMARY_CHARS: Final = 160  # ours
OBSERVATION_CHARS: Final = 1200  # ours: about 300 tokens for the one observation shown in full
WENT_WELL: Final = "ok"  # what a history line of `OutcomeWord` says then
_ELLIPSIS: Final = " ..."


class Summarizer(Protocol):
    """Abstracts what one step returned."""

    def summarize(self, action_text: str, execution: Execution, forecast: Forecast | None) -> str:
        """One line about a past step.

        Args:
            action_text: What ran, as the profile's grammar writes it.
            execution: What came back.
            forecast: What the planner predicted after it had seen `execution`; None where it has not yet been asked.
        """
        ...


def cut(text: str, max_chars: int) -> str:
    """At most `max_chars` characters of `text`; what is cut ends in " ...", as far as that fits."""
    if len(text) <= max_chars:
        return text
    return (text[: max(0, max_chars - len(_ELLIPSIS))].rstrip() + _ELLIPSIS)[:max_chars]


def one_line(text: str, max_chars: int = SUMMARY_CHARS) -> str:
    """`text` on one line: line breaks become " | ", white space collapses, the end is cut with " ..."."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return cut(" | ".join(line for line in lines if line), max_chars)


def last_k(history: Sequence[HistoryEntry], k: int) -> tuple[HistoryEntry, ...]:
    """The newest `k` entries, oldest first; none for 0.

    Raises:
        ConfigurationError: `k` is negative.
    """
    if k < 0:
        msg = f"the number of history entries to show must be 0 or more, got {k}"
        raise ConfigurationError(msg)
    return tuple(history[max(0, len(history) - k) :])


@dataclass(frozen=True)
class ExecutorText:
    """The text that the step returned, on one line of at most `max_chars` characters."""

    max_chars: int = SUMMARY_CHARS

    def summarize(self, action_text: str, execution: Execution, forecast: Forecast | None) -> str:  # noqa: ARG002  (protocol)
        """See `Summarizer`."""
        return one_line(execution.text, self.max_chars)


@dataclass(frozen=True)
class OutcomeWord:
    """Whether the step went well, in one word: for planners that read on the screen what came of it."""

    def summarize(self, action_text: str, execution: Execution, forecast: Forecast | None) -> str:  # noqa: ARG002  (protocol)
        """See `Summarizer`."""
        return WENT_WELL if execution.ok else "failed"


@dataclass(frozen=True)
class PlannerLine:
    """The line the planner gave for what it saw, or the executor's text where it gave none."""

    max_chars: int = SUMMARY_CHARS

    def summarize(self, action_text: str, execution: Execution, forecast: Forecast | None) -> str:
        """See `Summarizer`."""
        if forecast is not None and forecast.summary:
            return one_line(forecast.summary, self.max_chars)
        return ExecutorText(self.max_chars).summarize(action_text, execution, forecast)


@dataclass(frozen=True)
class ModelSummary:
    """A line written by a callable, for example a small chat model.

    Args:
        write: Gets the action as text and the execution, gives the summary. What it raises is not caught.
        max_chars: Its answer is put on one line of at most so many characters.
    """

    write: Callable[[str, Execution], str]
    max_chars: int = SUMMARY_CHARS

    def summarize(self, action_text: str, execution: Execution, forecast: Forecast | None) -> str:  # noqa: ARG002  (protocol)
        """See `Summarizer`."""
        return one_line(self.write(action_text, execution), self.max_chars)
