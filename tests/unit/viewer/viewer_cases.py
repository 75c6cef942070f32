"""Runs for the tests of the page: a text episode, one on a screen, hostile text."""

from __future__ import annotations

import struct
import zlib

from tracer1_agents.actions.space import Click, Drag, Finish, Point, ToolCall, dump_action
from tracer1_agents.evals.results import TaskResult
from tracer1_agents.types import Execution, ForecastPair, ImageRef, Observation, Status, StepRecord, Trace, Usage
from tracer1_agents.viewer.episodes import Run

LOOK = ToolCall(name="table_columns", arguments={"file_path": "a.csv"})
ADD = ToolCall(name="table_aggregate", arguments={"file_path": "a.csv", "column": "qty", "operation": "sum"})
MEAN = ToolCall(name="table_aggregate", arguments={"file_path": "a.csv", "column": "qty", "operation": "mean"})
DONE = Finish(answer="7")

# markup, a script that would leave a trace, the end of a script element, colours and title of a terminal, bidi
EVIL = (
    '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script></script><!--<script>'
    "\x1b[31m\x1b]0;title\a\u202egnp.exe\u2066 \"&quot;' {{data}} \u2028 " + "__proto__"
)


def pairs(*found):
    return tuple(ForecastPair(action=action, instruction=instruction) for action, instruction in found)


def text_steps():
    """Three steps; forecast at step 1: ran, a mean where a sum ran, came true, nobody knows."""
    return (
        StepRecord(
            step=1,
            forecast=pairs((LOOK, "Look"), (MEAN, "Take the mean"), (DONE, "Report"), (DONE, "Report again")),
            executed=LOOK,
            instruction="Look",
            execution=Execution(text="table, 3 rows, columns: item, qty", seconds=0.25),
            usage=Usage(input_tokens=1200, output_tokens=30),
            seconds=1.5,
        ),
        StepRecord(
            step=2,
            forecast=pairs((ADD, "Add up"), (DONE, "Report")),
            executed=ADD,
            instruction="Add up",
            execution=Execution(ok=False, text='error: no column "qty"'),
            events=("replan", "re-asked: syntax: what", "loop: table_aggregate()", "may have run twice: a crash"),
            planner_calls=2,
        ),
        StepRecord(step=3, forecast=pairs((DONE, "Report")), executed=DONE, execution=Execution()),
    )


def result(task_id="t-1", steps=None, observation=None, **fields):
    trace = Trace(
        instruction="Add up qty.",
        observation=observation or Observation(),
        steps=text_steps() if steps is None else steps,
        status=Status.FINISHED,
        answer="7",
    )
    known = {"level": 2, "status": "finished", "correct": True, "planner_calls": 4, "tokens": 1230, "seconds": 2.0}
    return TaskResult(task_id=task_id, trace=trace, **{**known, **fields})


def png(width, height, colour=(200, 220, 240), noise=b""):
    """A picture of one colour; `noise` in a text chunk makes another file of the same picture."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    row = b"\0" + bytes(colour) * width
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    extra = chunk(b"tEXt", b"noise\0" + noise) if noise else b""
    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(row * height)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def screen_result(folder, count=4, **fields):
    """An episode on a screen: each click forecast two steps ahead, placed a little off by the executor."""
    images = []
    for number in range(count):
        path = folder / f"screen-{number % 3}.png"
        path.write_bytes(png(320, 200, (60 * (number % 3), 120, 160)))
        images.append(ImageRef(ref=str(path), width=320, height=200))
    clicks = [Click(point=Point(0.1 + 0.2 * (number % 4), 0.3)) for number in range(count)]
    steps = []
    for number, click in enumerate(clicks):
        ahead = [(later, f"Press {at}") for at, later in enumerate(clicks[number : number + 3], number)]
        placed = click.model_copy(update={"point": Point(click.point.x + 0.02, 0.35)})
        after = images[number + 1] if number + 1 < count else images[0]
        execution = Execution(text="clicked", value=dump_action(placed), image=after)
        steps.append(
            StepRecord(
                step=number + 1,
                forecast=pairs(*ahead),
                executed=click,
                instruction=f"Press {number}",
                execution=execution,
            )
        )
    return result(steps=tuple(steps), observation=Observation(image=images[0]), **{"family": "screen", **fields})


def drag_step():
    drag = Drag(start=Point(0.1, 0.2), end=Point(0.12345, 0.4))
    return StepRecord(step=1, forecast=pairs((drag, "Drag")), executed=drag, execution=Execution())


def hostile_result():
    call = ToolCall(name="search", arguments={"query": EVIL})
    step = StepRecord(
        step=1,
        forecast=pairs((call, EVIL), (Finish(answer=EVIL), EVIL)),
        executed=call,
        instruction=EVIL,
        execution=Execution(ok=False, text=EVIL, image=ImageRef(ref=EVIL, width=1, height=1)),
        events=(EVIL, "loop: " + EVIL),
    )
    second = StepRecord(step=2, forecast=pairs((call, EVIL)), executed=call, execution=Execution(text=EVIL))
    trace = Trace(instruction=EVIL, steps=(step, second), status=Status.LOOP, answer=EVIL, detail=EVIL)
    return TaskResult(task_id=EVIL, family=EVIL, status=EVIL, detail=EVIL, trace=trace)


def run_of(*results, **fields):
    return Run(**{"name": "run.jsonl", "episodes": results, **fields})
