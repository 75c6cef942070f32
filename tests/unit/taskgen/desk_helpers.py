"""Desk tasks on disk, references carried out by the real tools, and the tempting mistakes."""

from __future__ import annotations

import contextlib
import re

from tracer1_agents.actions.space import Finish, ToolCall
from tracer1_agents.data.taskgen.desk.families import FAMILIES, make_world_task
from tracer1_agents.data.taskgen.desk.options import WorldOptions
from tracer1_agents.data.taskgen.write import write_task
from tracer1_agents.graphs.workbench import open_workbench
from tracer1_agents.types import Observation

COMMITTING = [name for name in FAMILIES if make_world_task(name, 0).desk and make_world_task(name, 0).desk.calls]
QUIET = WorldOptions(disturbed=0.0)
WILD = WorldOptions(predictable=0.4, disturbed=0.7)
NOTHING = Observation()


@contextlib.contextmanager
def at_work(task, folder):
    """The task's folder written, and its tools."""
    write_task(task, folder)
    with open_workbench(folder) as executor:
        yield executor


def calls(task):
    """The reference's tool calls, and what each returns."""
    steps = [(step.action(number), step.result) for number, step in enumerate(task.steps)]
    return [(action, result) for action, result in steps if not isinstance(action, Finish)]


def carry_out(executor, actions, *, patience=0):
    """Results of actions in order; one that is not ready is tried again so often."""
    said = []
    for action in actions:
        for _ in range(patience + 1):
            execution = executor.execute(action, "", NOTHING)
            if not execution.text.endswith("is not ready"):
                break
        said.append(execution.text)
    return said


def tempting(task):
    """The reference with one early choice after another made as if nothing came later."""
    actions = [action for action, _ in calls(task)]
    names = {action.name for action in actions}
    spoiled = {
        "archive_files": lambda: _seal_before_reading(actions),
        "convert_file": lambda: _convert_when_needed(actions),
        "calculator": lambda: _consult_badly(task, actions) if task.desk.register else None,
        "register_page": lambda: _consult_badly(task, actions),
        "reserve": lambda: _take_the_first_hour(task, actions),
    }
    return [spoil for name, make in spoiled.items() if name in names and (spoil := make())]


def _seal_before_reading(actions):
    archives = [action for action in actions if action.name == "archive_files"]
    packed = {name for action in archives for name in action.arguments["files"].split(",")}
    read = [action for action in actions if action.arguments.get("file_path") in packed]
    notes = [action for action in actions if action.name == "inspect_file_as_text" and action not in read]
    rest = [action for action in actions if action not in [*archives, *read, *notes]]
    return [*notes, *archives, *read, *rest] if read else None


def _convert_when_needed(actions):
    late = list(actions)
    for start in [action for action in actions if action.name == "convert_file"]:
        made = f"{start.arguments['file_path'].rpartition('.')[0]}.csv"
        late.remove(start)
        first_use = next(at for at, action in enumerate(late) if action.arguments.get("file_path") == made)
        late.insert(first_use, start)
    return late


def _consult_badly(task, actions):
    """Entries one by one where the page is cheaper, and pages where an entry is."""
    bad = []
    for action in actions:
        if action.name == "register_page":
            letter = action.arguments["letter"]
            wanted = [key for key, _ in task.desk.register if key[0] == letter][:3]
            bad += [ToolCall(name="register_lookup", arguments={"key": key}) for key in wanted]
        elif action.name == "register_lookup":
            bad.append(ToolCall(name="register_page", arguments={"letter": action.arguments["key"][0]}))
        else:
            bad.append(action)
    return bad


def _take_the_first_hour(task, actions):
    slots = {name: free for name, free, _ in task.desk.offers}
    choices = re.findall(r'"(.+?)"', task.question)
    first = next(action for action in actions if action.name == "list_offers").arguments["item"]
    item = choices[0] if task.family == "room_choice" else first
    grab = ToolCall(name="reserve", arguments={"item": item, "slot": slots[item][0]})
    return [grab, *actions]
