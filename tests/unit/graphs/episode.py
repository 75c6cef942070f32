"""One episode in a process of its own, on a SQLite file, so that a test can kill it.

    python episode.py FOLDER start|resume [where to die: plan, execute, execute-once, observe]

The folder's files `planned` and `ran` get a line for every planner call and every tool run. Dying is SIGKILL from
within: nothing is flushed, no handler runs.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver

from tracer1_agents import create_tracer1_agent
from tracer1_agents.planner.policy import PolicyReply

FOLDER, MODE, DIES = Path(sys.argv[1]), sys.argv[2], (sys.argv[3:] or [""])[0]
REPLIES = ['write(text="a") # "1"', 'order(item="b") # "2"', 'write(text="c") # "3"', 'finish(answer="done")']


def note(name: str, text: str) -> int:
    """Add a line to a file, for good, and count its lines."""
    path = FOLDER / name
    with path.open("a", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    return len(path.read_text(encoding="utf-8").splitlines())


def die(where: str) -> None:
    if where == DIES:
        os.kill(os.getpid(), signal.SIGKILL)


class Planner:
    """Answers by what the history shows, so that asking twice gives the same."""

    def sample(self, messages: Any, *, horizon: int, again: int = 0, config: Any = None) -> PolicyReply:
        del horizon, again, config
        done = sum(line[:1].isdigit() for line in messages[-1].text.splitlines())
        note("planned", str(done))
        if done == 1:
            die("plan")
        return PolicyReply(REPLIES[done])

    async def asample(self, messages: Any, *, horizon: int, again: int = 0, config: Any = None) -> PolicyReply:
        return self.sample(messages, horizon=horizon, again=again, config=config)


def write(text: str) -> str:
    """Write a line."""
    note("ran", f"write {text}")
    if text == "c":
        die("execute")
    return f"wrote {text}"


def order(item: str, idempotency_key: str) -> str:
    """Order an item."""
    note("ran", f"order {item} {idempotency_key}")
    die("execute-once")
    return f"ordered {item}"


def main() -> None:
    serde = JsonPlusSerializer(pickle_fallback=False, allowed_msgpack_modules=None)
    with SqliteSaver.from_conn_string(str(FOLDER / "threads.db")) as saver:
        saver.serde = serde
        agent = create_tracer1_agent(Planner(), [write, order], profile="compact", checkpointer=saver)
        task = {"instruction": "Do the three things."} if MODE == "start" else None
        config: Any = {"configurable": {"thread_id": "1"}}
        for update in agent.stream(task, config, durability="sync", stream_mode="updates"):
            if "toolbox" in update and "wrote c" in str(update):
                die("observe")  # the tool's result is durable or about to be; what follows it has not run
        result = agent.get_state(config).values
    print(json.dumps({"status": result["status"], "log": result["forecast_log"]}))  # noqa: T201


if __name__ == "__main__":
    main()
