"""What the generator says a tool answers is what the tool answers, on real files."""

from __future__ import annotations

import difflib
import random
import re
import shutil

import pytest
from taskgen_helpers import CODE, OCR, PLAIN, place

from tracer1_agents.actions.space import Code, Finish
from tracer1_agents.data.taskgen.contents import Archive, Table
from tracer1_agents.data.taskgen.families import FAMILIES, make_task
from tracer1_agents.data.taskgen.mishaps import mishap
from tracer1_agents.graphs.workbench import open_workbench
from tracer1_agents.types import Observation

NOTHING = Observation()


def likeness(one, other):
    """Of two texts without their white space and case; OCR takes a 5 before an x for an o now and then."""
    return difflib.SequenceMatcher(None, *("".join(text.split()).lower() for text in (one, other))).ratio()


def check_steps(task, executor, *, exact=True):
    for number, step in enumerate(task.steps):
        action = step.action(number)
        if isinstance(action, Finish):
            continue
        execution = executor.execute(action, step.instruction, NOTHING)
        if step.name == "ocr" and not exact:
            assert likeness(execution.text, step.result) > 0.8
        else:
            assert execution.text == step.result, f"{task.family} step {number + 1}: {action}"
        assert execution.ok


@pytest.mark.parametrize("seed", ["one", "two"])
@pytest.mark.parametrize("family", PLAIN)
def test_tools(family, seed, folder, tmp_path):
    task = make_task(family, f"parity/{seed}", split="held_out")
    with open_workbench(folder, corpus=place(task, folder, tmp_path)) as executor:
        check_steps(task, executor)


@pytest.mark.tesseract
@pytest.mark.parametrize("seed", ["one", "two"])
@pytest.mark.parametrize("family", sorted(OCR))
def test_reading_pictures(family, seed, folder, tmp_path):
    if shutil.which("tesseract") is None:
        pytest.skip("tesseract is not installed")
    task = make_task(family, f"parity/{seed}", split="held_out")
    with open_workbench(folder, corpus=place(task, folder, tmp_path)) as executor:
        check_steps(task, executor, exact=family != "equation_in_picture")


@pytest.mark.bwrap
@pytest.mark.parametrize("seed", range(8))
def test_code(seed, folder, tmp_path, sandbox):
    task = make_task("code_words", f"parity/{seed}")
    assert isinstance(task.steps[0].action(0), Code)
    with open_workbench(folder, sandbox=sandbox) as executor:
        check_steps(task, executor)


@pytest.fixture(scope="module")
def sandbox():
    from tracer1_agents.sandboxes.bubblewrap import BubblewrapSandbox  # noqa: PLC0415

    chosen = BubblewrapSandbox()
    found = chosen.probe()
    if not found.ok:
        pytest.skip(f"bubblewrap does not work here: {found.reason}")
    return chosen


def tolerated(action, task):
    """Slips that the toolbox forgives or shows with single spaces: the generator does not know of these."""
    listed = task.attachment.members if isinstance(task.attachment, Archive) else [task.attachment]
    columns = {squashed(name) for file in listed if isinstance(file, Table) for name in file.columns}
    written = [value for value in action.arguments.values() if isinstance(value, str)]
    wrong = action.arguments.get("column", "")
    known = [name for file in listed if isinstance(file, Table) for name in file.columns]
    return any("  " in value for value in written) or (wrong not in known and squashed(wrong) in columns)


def squashed(name):
    return "".join(re.findall(r"[a-z0-9]+", name.lower()))


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - CODE))
def test_mishaps_are_worded_as_the_tools_word_them(family, folder, tmp_path):
    task = make_task(family, "mishaps")
    rng = random.Random(family)
    compared = 0
    with open_workbench(folder, corpus=place(task, folder, tmp_path)) as executor:
        for number, step in enumerate(task.steps, 1):
            action = step.action(number - 1)
            for _ in range(8):
                failed = mishap(task, action, number, rng)
                if failed is None or "TimeoutError" in failed[1] or tolerated(failed[0], task):
                    continue
                execution = executor.execute(failed[0], step.instruction, NOTHING)
                assert (execution.ok, execution.text) == (False, failed[1]), failed[0]
                compared += 1
            if not isinstance(action, Finish) and step.name != "ocr":
                executor.execute(action, step.instruction, NOTHING)
    assert compared or task.attachment is None
