"""Task families of a user's own: by name, and what they may draw."""

from __future__ import annotations

from itertools import islice

import pytest

from tracer1_agents.data.taskgen.desk.options import WorldOptions
from tracer1_agents.data.taskgen.draft import Later, Task
from tracer1_agents.data.taskgen.families import FAMILIES, make_task, register_family
from tracer1_agents.data.taskgen.windows import WindowOptions, stream_windows
from tracer1_agents.errors import ConfigurationError


@pytest.fixture(autouse=True)
def left_alone():
    before = dict(FAMILIES)
    yield
    FAMILIES.clear()
    FAMILIES.update(before)


def stock_count(draft, count="7"):
    step = draft.call("stock", "Look it up", count, article="lamp")
    draft.finish(Later(step, count), "Report the number")
    return Task("stock_count", "How many?", count, None, tuple(draft.steps))


class Slotted:
    __slots__ = ()

    def __call__(self, draft):
        return stock_count(draft)


def test_anything_to_call_is_a_family():
    register_family("größe-count", Slotted())
    (window,) = islice(stream_windows(1, WindowOptions(), families=("größe-count",)), 1)
    assert window.task.answer == "7"


@pytest.mark.parametrize("world", [None, WorldOptions()])
def test_an_unknown_family_is_told_with_those_there_are(world):
    with pytest.raises(ConfigurationError, match=r"there is no task family 'typo'.*choose one of: .*json_value"):
        next(stream_windows(1, WindowOptions(world=world), families=("typo",)))


def test_the_desk_world_takes_none_of_ones_own():
    register_family("stock_count", stock_count)
    with pytest.raises(ConfigurationError, match="'stock_count' in the desk world, which takes none of one's own"):
        next(stream_windows(1, WindowOptions(world=WorldOptions()), families=("stock_count",)))


@pytest.mark.parametrize(
    ("family", "words"),
    [
        (lambda draft: None, "gave NoneType, not a Task"),
        (lambda draft: Task("own", "?", "7", None, ()), "gave a task without steps"),
        (lambda draft: stock_count(draft, 7), "gave a task whose answer is no text"),
    ],
)
def test_what_is_no_task_names_the_family(family, words):
    register_family("own", family)
    with pytest.raises(ConfigurationError, match=f"the task family 'own' {words}"):
        make_task("own", 1)
