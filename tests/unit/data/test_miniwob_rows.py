"""Demonstrations as a text planner learns them, and variants with other words."""

from __future__ import annotations

import re

from tracer1_agents.actions.space import Click, Drag, Finish, Point, Type
from tracer1_agents.data.miniwob.collect import write_variants
from tracer1_agents.data.miniwob.variants import variants
from tracer1_agents.data.prompts import PromptOptions
from tracer1_agents.data.readers.miniwob import without_places
from tracer1_agents.data.store import StoreReader, write_trajectories
from tracer1_agents.training.rows import rows_of
from tracer1_agents.types import Observation, ReferenceStep, ReferenceTrajectory

SCREEN = '[1] textbox "tt" (0, 0, 80, 21){value}\n[2] button "Submit" (0, 105, 80, 126)'


def trajectory(name="Riley", seed=1000, task="enter-text", **more):
    before, after = (Observation(text=SCREEN.replace("{value}", value)) for value in ("", " focused"))
    filled = Observation(text=SCREEN.replace(" (0, 0, 80, 21){value}", f' = "{name}" (0, 0, 80, 21)'))
    box = ((0.0, 0.5, 0.5, 0.6),)
    steps = (
        ReferenceStep(observation=before, action=Click(point=Point(0.25, 0.05)), instruction='Click textbox "tt" [1]'),
        ReferenceStep(observation=after, action=Type(content=name), instruction=f'Type "{name}"'),
        ReferenceStep(
            observation=filled,
            action=Click(point=Point(0.25, 0.55)),
            instruction='Click button "Submit" [2]',
            boxes=box,
        ),
        ReferenceStep(observation=Observation(text="The episode is over."), action=Finish(), instruction="Done"),
    )
    return ReferenceTrajectory(
        id=f"{task}/{seed}",
        source="miniwob",
        instruction=f'Enter "{name}" into the text field and press Submit.',
        steps=steps,
        metadata={"task": task, "seed": seed},
        **more,
    )


def test_a_row_is_what_the_planner_is_asked_at_run_time():
    options = PromptOptions(profile="compact-screen", horizon=8, history_window=4, platform="computer")
    rows = list(rows_of(without_places(trajectory()), options))
    assert rows[2].messages[0].text == (
        'Task: Enter "Riley" into the text field and press Submit.\n'
        '1. click() # Click textbox tt [1] -> ok\n2. type(content="Riley") # Type\n'
        "Now: textbox tt [1] = Riley\nbutton Submit [2]"
    )
    assert rows[0].reply.split("\n") == [
        'click() # "Click textbox tt [1]"',
        'type(content="Riley") # "Type"',
        'click() # "Click button Submit [2]"',
        'finish() # "Done"',
    ]


def test_a_place_that_is_not_the_middle_is_kept():
    given = trajectory()
    first = given.steps[0].model_copy(update={"action": Click(point=Point(0.05, 0.05))})
    found = without_places(given.model_copy(update={"steps": (first, *given.steps[1:])}))
    assert found.steps[0].action == Click(point=Point(0.05, 0.05))


def test_drags_name_both_ends_where_there_is_something_at_the_end():
    given = trajectory()

    def dragged(end):
        action = Drag(start=Point(0.25, 0.05), end=end)
        step = given.steps[0].model_copy(update={"action": action, "instruction": 'Drag textbox "tt" [1] away'})
        found = without_places(given.model_copy(update={"steps": (step,)})).steps[0]
        return found.action, found.instruction

    assert dragged(Point(0.25, 0.55)) == (Drag(), "Drag textbox tt [1] to button Submit [2]")
    assert dragged(Point(0.25, 0.58)) == (Drag(), "Drag textbox tt [1] past button Submit [2]")
    assert dragged(Point(0.9, 0.9)) == (
        Drag(start=Point(0.25, 0.05), end=Point(0.9, 0.9)),
        "Drag textbox tt [1]",
    )


def test_variants_exchange_drawn_words_everywhere_and_leave_the_wording():
    names = ["Riley", "Annis", "Karla", "Moses", "Priya", "Quinn", "Tonya", "Wendy"]
    given = [trajectory(name, 1000 + at) for at, name in enumerate(names)]
    found = list(variants(given, 2, seed=1))
    assert len(found) == 16
    for one in found:
        name = re.fullmatch(r'Enter "(\w+)" into the text field and press Submit\.', one.instruction)[1]
        assert len(name) == 5
        assert one.steps[1].action == Type(content=name)
        assert f'= "{name}"' in one.steps[2].observation.text
        assert '"tt"' in one.steps[0].observation.text
    assert list(variants(given, 2, seed=1)) == found


def test_a_word_in_another_case_stays():
    given = [
        trajectory("Riley").model_copy(update={"instruction": 'Type "Riley" as RILEY', "id": f"enter-text/{seed}"})
        for seed in range(1000, 1008)
    ]
    assert list(variants(given, 1, seed=1)) == []


def test_variants_stand_beside_what_they_come_from(tmp_path):
    names = ["Riley", "Annis", "Karla", "Moses", "Priya", "Quinn", "Tonya", "Wendy"]
    write_trajectories(tmp_path / "miniwob.jsonl", [trajectory(name, 1000 + at) for at, name in enumerate(names)])
    assert write_variants(tmp_path, 3) == 24
    assert len(list(StoreReader().read(tmp_path / "variants.jsonl"))) == 24
