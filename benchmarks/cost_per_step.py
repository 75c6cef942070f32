"""What a step costs as an episode grows: this agent beside LangChain's `create_agent`, same replies, same screenshots.

    python benchmarks/cost_per_step.py [--steps 200] [--kilobytes 200] [--rounds 3]

Both click their way through an episode whose every step returns another screenshot; both are checkpointed to SQLite
(`durability="sync"`, so that what is stored can be looked at as it grows). Theirs holds screenshots as `create_agent`
does when a tool returns one, inline in its messages; ours refers to them. The model is scripted and counts what it is
sent. Then the same with a line of text a step instead of screenshots. 200 steps of theirs write some 9 GB to TMPDIR.
"""
# ruff: noqa: INP001, T201  (a program; what it prints is its result)

from __future__ import annotations

import argparse
import base64
import random
import sys
import tempfile
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.checkpoint.sqlite import SqliteSaver
from paired import measured, ratios, spread

from tracer1_agents import Tracer1Context, create_tracer1_agent
from tracer1_agents.blobs import BlobStore
from tracer1_agents.testing import ScriptedModel
from tracer1_agents.types import Execution, ImageRef

if TYPE_CHECKING:
    from collections.abc import Iterator

EARLY = 20  # the step that later ones are compared with
_SIZES = (
    "select sum(length(checkpoint) + length(metadata)) from checkpoints",
    "select sum(length(value)) from writes",
)
_TEXT = "page {number} of the report: nothing of note"


@dataclass
class Run:
    """What one episode cost.

    Attributes:
        prompts: Bytes that the model was sent, call by call (images as the base64 that goes over the wire).
        stored: Bytes in the checkpointer's tables, by step; looked at early, half-way and late.
    """

    prompts: list[int] = field(default_factory=list)
    stored: dict[int, int] = field(default_factory=dict)

    def look(self, number: int, steps: int, saver: SqliteSaver) -> None:
        """Note what is stored when step `number` is carried out."""
        if number in {EARLY, steps // 2, steps - 1}:
            sizes = [saver.conn.execute(query).fetchone()[0] or 0 for query in _SIZES]
            self.stored[number] = sum(sizes)


class CountingModel(ScriptedModel):
    """Scripted; notes how much it is sent."""

    run: Any = None

    def _next(self, messages: list[Any]) -> Any:
        self.run.prompts.append(sum(map(_size, messages)))
        reply = self.script[min(len(self.run.prompts), len(self.script)) - 1]
        return reply.model_copy(deep=True) if isinstance(reply, AIMessage) else reply


def _size(message: Any) -> int:
    parts = message.content if isinstance(message.content, list) else [message.content]
    return sum(len(part) if isinstance(part, str) else len(str(part)) for part in parts)


def screenshots(steps: int, kilobytes: int) -> list[bytes]:
    """As many different files of noise, which compresses no better than a PNG does."""
    rng = random.Random(1)  # noqa: S311
    return [b"\x89PNG" + rng.randbytes(kilobytes * 1024) for _ in range(steps)]


def ours(run: Run, steps: int, shots: list[bytes], folder: Path) -> None:
    """An episode of this agent."""
    blobs, numbers = BlobStore(folder / "blobs"), iter(range(steps))

    def execute() -> Execution:
        number = next(numbers)
        run.look(number, steps, saver)
        if not shots:
            return Execution(text=_TEXT.format(number=number))
        return Execution(image=ImageRef(ref=blobs.put(shots[number]), width=1280, height=720))

    class Screen:
        def execute(self, *_: Any) -> Execution:
            return execute()

        async def aexecute(self, *_: Any) -> Execution:
            return execute()

    step = '{{"action": "click", "arguments": {{"point": [{x}, 500]}}, "instruction": "Click entry {x}"}}'
    script = [f'{{"plan": [{step.format(x=number % 900)}]}}' for number in range(steps)]
    script.append('{"plan": [{"action": "finish", "arguments": {"answer": "done"}}]}')
    with SqliteSaver.from_conn_string(str(folder / "threads.db")) as saver:
        agent = create_tracer1_agent(
            CountingModel(script=script, run=run), profile="generic", platform="computer", blobs=blobs,
            max_steps=steps + 1, checkpointer=saver,
        )  # fmt: skip
        context = Tracer1Context(grounder=Screen())
        result = agent.invoke(
            {"instruction": "Look through it"}, {"configurable": {"thread_id": "1"}}, context=context, durability="sync"
        )
    assert result["answer"] == "done", result["detail"]  # noqa: S101


def theirs(run: Run, steps: int, shots: list[bytes], folder: Path) -> None:
    """The same episode of `create_agent`."""
    numbers = iter(range(steps))

    @tool
    def click(x: int, y: int) -> Any:
        """Click a point of the screen."""
        del x, y
        number = next(numbers)
        run.look(number, steps, saver)
        if not shots:
            return _TEXT.format(number=number)
        url = f"data:image/png;base64,{base64.b64encode(shots[number]).decode()}"
        return [{"type": "image_url", "image_url": {"url": url}}]

    script: list[Any] = [
        AIMessage("", tool_calls=[{"name": "click", "args": {"x": number % 900, "y": 500}, "id": str(number)}])
        for number in range(steps)
    ]
    script.append(AIMessage("done"))
    with SqliteSaver.from_conn_string(str(folder / "threads.db")) as saver:
        agent = create_agent(CountingModel(script=script, run=run), [click], checkpointer=saver)
        limit = {"configurable": {"thread_id": "1"}, "recursion_limit": 3 * steps + 10}
        result = agent.invoke({"messages": [("user", "Look through it")]}, limit, durability="sync")
    assert result["messages"][-1].content == "done"  # noqa: S101


def _rates(stored: dict[int, int]) -> tuple[float, float]:
    """Bytes a step in the first and in the second half of an episode, its first steps left out."""
    (early, one), (half, two), (late, three) = sorted(stored.items())
    return (two - one) / (half - early), (three - two) / (late - half)


def episode(way: Any, runs: dict[str, Run], name: str, steps: int, shots: list[bytes]) -> None:
    """Run one episode in a folder of its own."""
    runs[name] = Run()
    with tempfile.TemporaryDirectory() as folder:
        way(runs[name], steps, shots, Path(folder))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--kilobytes", type=int, default=200, help="of a screenshot")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    if arguments.steps <= EARLY:
        sys.exit(f"--steps has to be above {EARLY}")
    shots, runs = screenshots(arguments.steps, arguments.kilobytes), {}
    for label, pictures in (("screenshots", shots), ("text", [])):
        ways = {
            name: partial(episode, way, runs, name, arguments.steps, pictures)
            for name, way in (("ours", ours), ("create_agent", theirs))
        }
        timings = measured(ways, arguments.rounds)
        print(f"\n{arguments.steps} steps with {label}")
        for line in lines(timings, runs, arguments.steps):
            print(line)


def lines(timings: Any, runs: dict[str, Run], steps: int) -> Iterator[str]:
    """The report of one kind of episode."""
    base = timings["create_agent"].wall
    for name, timing in timings.items():
        run = runs[name]
        first, second = _rates(run.stored)
        yield f"  {name}"
        early, growth = run.prompts[EARLY - 1], run.prompts[-1] / run.prompts[EARLY - 1]
        yield f"    prompt: {early:,} bytes at step {EARLY}, {growth:.2f} times that at the end"
        yield f"    SQLite: {first:,.0f} bytes a step in the first half, {second:,.0f} in the second"
        milliseconds = [1000 * seconds / steps for seconds in timing.wall]
        yield f"    time: {spread(milliseconds)} ms a step, {spread(ratios(timing.wall, base))} of create_agent's"
    fewer = _rates(runs["create_agent"].stored)[1] / _rates(runs["ours"].stored)[1]
    yield f"  SQLite, second half: {fewer:.0f} times fewer bytes"


if __name__ == "__main__":
    main()
