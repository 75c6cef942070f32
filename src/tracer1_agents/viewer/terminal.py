"""Episodes in a terminal: what was forecast, what ran, what came back, and which forecasts came true.

    show(results)                      one episode whole, several as a list
    show(results, task_id="demo-004")  one of several

Whether a pair came true is decided by `metrics.forecasts.came_true` alone. All text of a run is untrusted: it
goes through `plain` and reaches rich as `Text`, so that neither escape sequences nor markup in it take effect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tracer1_agents.actions.grammars.canonical import CanonicalGrammar
from tracer1_agents.actions.space import Code
from tracer1_agents.errors import ConfigurationError, MissingExtraError
from tracer1_agents.metrics.forecasts import came_true
from tracer1_agents.viewer.episodes import find_episode, rounded
from tracer1_agents.viewer.plain import excerpt, harmless, one_line

try:
    from rich.console import Console, Group
    from rich.padding import Padding
    from rich.rule import Rule
    from rich.table import Table
    from rich.text import Text
except ImportError as error:
    feature = "showing runs in a terminal"
    raise MissingExtraError(feature, "agents") from error

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

    from tracer1_agents.actions.space import Action
    from tracer1_agents.types import StepRecord
    from tracer1_agents.viewer.episodes import Episode

_MARKS: Final = {True: ("✓", "green"), False: ("✗", "red"), None: ("·", "dim")}
_LEGEND: Final = "→ ran at once   ✓ came true   ✗ did not   · the episode ended before, so nobody knows"
_ACTION_LENGTH: Final = 300  # characters of one forecast action
_MATRIX: Final = 30  # rows and columns of the matrix at one time
_RESULT_LINES: Final = 12
_RESULT_LENGTH: Final = 1_500  # characters of what came back


def show(episodes: Sequence[Episode], task_id: str | None = None, *, console: Console | None = None) -> None:
    """Print one episode in full, or the list of several.

    Args:
        episodes: Of one run.
        task_id: Which one to show; None: the only one, or the list.
        console: Where to; None: standard output.

    Raises:
        ConfigurationError: The run is empty, or has no task of that id.
    """
    console = console or Console(highlight=False)
    if not episodes:
        msg = "the run holds no finished task yet; nothing to show"
        raise ConfigurationError(msg)
    if task_id is None and len(episodes) > 1:
        console.print(_list(episodes))
        console.print(Text(f'one in full: --task "{harmless(episodes[0].task_id)}"', style="dim"))
        return
    for part in _episode(episodes[0] if task_id is None else find_episode(episodes, task_id)):
        console.print(part)  # one by one: of a long episode the first step is there at once


def _list(episodes: Sequence[Episode]) -> RenderableType:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("task", "level", "status", "correct", "steps", "calls", "seconds"):
        table.add_column(name, justify="left" if name in {"task", "status"} else "right", overflow="fold")
    for episode in episodes:
        table.add_row(
            Text(one_line(episode.task_id, 60)),
            str(episode.level or "-"),
            _status(episode.status),
            _correct(episode.correct),
            str(len(episode.trace.steps) if episode.trace else 0),
            str(episode.planner_calls),
            f"{episode.seconds:.1f}",
        )
    return table


def _status(status: str) -> Text:
    return Text(one_line(status, 30), style="green" if status == "finished" else "yellow")


def _correct(correct: bool | None) -> Text:  # noqa: FBT001  (its only argument)
    return Text("-", style="dim") if correct is None else Text(*_MARKS[correct])


def _episode(episode: Episode) -> Iterator[RenderableType]:
    title = Text.assemble((one_line(episode.task_id, 80), "bold"), "  ", _status(episode.status))
    if episode.level:
        title.append(f"  level {episode.level}")
    if episode.correct is not None:
        title.append("  correct" if episode.correct else "  wrong", style=_MARKS[episode.correct][1])
    yield title
    yield from _outcome(episode)
    if episode.trace is not None and episode.trace.steps:
        yield Text(_LEGEND, style="dim")
        steps = episode.trace.steps
        yield from _matrix(steps)
        for at in range(len(steps)):
            yield _step(steps, at)


def _outcome(episode: Episode) -> Iterator[RenderableType]:
    """Task, answer, detail and cost, each where there is one."""
    facts = _facts()
    if episode.trace is not None:
        facts.add_row("task", Text(excerpt(episode.trace.instruction, lines=20, characters=3_000)))
        answer = episode.trace.answer
        facts.add_row("answer", Text("none", style="dim") if answer is None else Text(one_line(answer, 500)))
    if episode.detail:
        facts.add_row("why", Text(excerpt(episode.detail, lines=6, characters=1_000), style="yellow"))
    cost = f"{episode.planner_calls} planner calls, {episode.tokens:,} tokens, {episode.seconds:.1f} s"
    facts.add_row("cost", Text(cost))
    yield facts


def _facts() -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", min_width=8, no_wrap=True)
    grid.add_column(overflow="fold")
    return grid


def _matrix(steps: Sequence[StepRecord]) -> Iterator[RenderableType]:
    """A row for the step that made a forecast, a column for the step it was about; long episodes in blocks."""
    longest = max(len(step.forecast) for step in steps)
    if longest <= 1 or len(steps) <= 1:
        return
    for start in range(0, len(steps), _MATRIX):
        columns = range(start, min(start + _MATRIX, len(steps)))
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
        table.add_column("at\\for", justify="right", style="dim", no_wrap=True)
        for column in columns:
            table.add_column(str(steps[column].step), justify="right", no_wrap=True)
        for at in range(max(0, start - longest + 1), columns.stop):
            table.add_row(str(steps[at].step), *(_cell(steps, at, column) for column in columns))
        yield Padding(table, (1, 0, 0, 0))


def _cell(steps: Sequence[StepRecord], at: int, column: int) -> Text:
    if column < at or column - at >= len(steps[at].forecast):
        return Text("")
    return _mark(steps, at, column - at)


def _mark(steps: Sequence[StepRecord], at: int, ahead: int) -> Text:
    came = came_true(steps, at, ahead)
    mark, style = ("→", "dim") if ahead == 0 and came else _MARKS[came]
    return Text(mark, style=style)


def _step(steps: Sequence[StepRecord], at: int) -> RenderableType:
    step = steps[at]
    tokens = f"{step.usage.input_tokens:,} + {step.usage.output_tokens:,} tokens"
    calls = "1 planner call" if step.planner_calls == 1 else f"{step.planner_calls} planner calls"
    facts = _facts()
    if step.events:
        facts.add_row("events", Text("\n".join(one_line(event, 300) for event in step.events), style="yellow"))
    facts.add_row("forecast", _forecast(steps, at))
    facts.add_row("ran", _executed(step))
    facts.add_row("returned", _returned(step))
    rule = Rule(Text(f"step {step.step}  {calls}, {tokens}, {step.seconds:.2f} s"), align="left", style="dim")
    return Group(Padding(rule, (1, 0, 0, 0)), Padding(facts, (0, 0, 0, 2)))


def _forecast(steps: Sequence[StepRecord], at: int) -> RenderableType:
    pairs = steps[at].forecast
    if not pairs:
        return Text("empty", style="dim")
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for ahead, pair in enumerate(pairs):
        line = Text(one_line(CanonicalGrammar.render_action(rounded(pair.action)), _ACTION_LENGTH))
        grid.add_row(_mark(steps, at, ahead), _with_instruction(line, pair.instruction))
    return grid


def _with_instruction(line: Text, instruction: str) -> Text:
    return line.append(f"  {one_line(instruction, _ACTION_LENGTH)}", style="dim italic") if instruction else line


def _executed(step: StepRecord) -> Text:
    return _with_instruction(Text(_wording(step.executed)), step.instruction)


def _wording(action: Action) -> str:
    """The action as its grammar writes it; code as its lines."""
    if isinstance(action, Code):
        return excerpt(action.source, lines=_RESULT_LINES, characters=_RESULT_LENGTH)
    return excerpt(CanonicalGrammar.render_action(rounded(action)), lines=1, characters=_RESULT_LENGTH)


def _returned(step: StepRecord) -> Text:
    execution = step.execution
    text = Text(excerpt(execution.text, lines=_RESULT_LINES, characters=_RESULT_LENGTH) or "nothing")
    if execution.infrastructure:
        text.append("\nthe machinery failed, not the action", style="red")
    elif not execution.ok:
        text.stylize("red")
    if execution.image is not None:
        image = execution.image
        text.append(f"\nscreenshot {one_line(image.ref, 80)}, {image.width} x {image.height} pixels", style="dim")
    return text.append(f"  ({execution.seconds:.2f} s)", style="dim")
