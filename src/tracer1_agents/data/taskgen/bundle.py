"""A set of tasks as a GAIA-format folder: metadata.jsonl, attachments beside it, and a search corpus.

    python -m tracer1_agents.data.taskgen.bundle demo OUT_FOLDER

The two shipped sets were written once, before the shipped planner was trained, and are not to be regenerated to suit
one. All their names are from the held-out words; every fifth task has file names in an unseen style, every fifth an
unseen paraphrase, and a part comes from families that are never trained on.

Tasks at a desk bring a whole folder, which is copied for them, and the state in which it should be left.
"""

from __future__ import annotations

import argparse
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.data.taskgen.desk import families as desk
from tracer1_agents.data.taskgen.draft import Draft
from tracer1_agents.data.taskgen.families import TRAINED, UNSEEN, make_task
from tracer1_agents.data.taskgen.names import NameSource
from tracer1_agents.data.taskgen.no_file import person_passage
from tracer1_agents.data.taskgen.write import write_task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer1_agents.data.taskgen.contents import Passage
    from tracer1_agents.data.taskgen.desk.options import WorldOptions
    from tracer1_agents.data.taskgen.draft import Task
    from tracer1_agents.data.taskgen.names import Split

_SHORT, _MIDDLE = 3, 7  # steps of GAIA-like levels 1 and 2
_STYLE_TURN, _PHRASE_TURN = 1, 3  # of every five tasks
_DISTRACTORS: Final = 40


@dataclass(frozen=True)
class BundlePlan:
    """How many tasks of which sort.

    Attributes:
        name: Of the set; part of every seed.
        trained: Tasks of trained families, dealt out in turn.
        unseen: Tasks of never-trained families, likewise.
        rotating: Whether unseen styles and wordings go round the families. In the two shipped sets every fifth task has
            them and there are twenty families, so that each falls on the same four.
        world: The desk's world and its dials; None for the plain families.
        names: Whose words are used.
    """

    name: str
    trained: int
    unseen: int
    rotating: bool = False
    world: WorldOptions | None = None
    names: Split = "held_out"

    def families(self) -> list[str]:
        """A family for each task: trained ones dealt out in turn, then those never trained on."""
        trained, unseen = (TRAINED, UNSEEN) if self.world is None else (desk.WORLD1, desk.UNSEEN)
        dealt = [list(trained)[at % len(trained)] for at in range(self.trained)]
        return dealt + [list(unseen)[at % len(unseen)] for at in range(self.unseen)]

    def task(self, family: str, at: int, traits: dict[str, bool]) -> Task:
        """The task with number `at`."""
        seed, styles, phrases = f"{self.name}/{at}", traits["unseen_style"], traits["unseen_phrase"]
        if self.world is None:
            return make_task(family, seed, split=self.names, unseen_styles=styles, unseen_phrases=phrases)
        return desk.make_world_task(
            family, seed, self.world, split=self.names, unseen_styles=styles, unseen_phrases=phrases
        )


PLANS: Final = {plan.name: plan for plan in (BundlePlan("demo", 34, 6), BundlePlan("measure", 260, 40))}


def write_bundle(plan: BundlePlan, folder: Path) -> int:
    """Write the set into `folder` (created); returns the number of tasks.

    Raises:
        FileExistsError: The folder already holds a set.
    """
    folder.mkdir(parents=True, exist_ok=True)
    metadata = folder / "metadata.jsonl"
    if metadata.exists():
        msg = f"{folder} already holds a task set; choose an empty folder"
        raise FileExistsError(msg)
    rows, passages = [], list(_distractors(plan.name))
    families = plan.families()
    around = len(set(families[: plan.trained])) if plan.world else len(TRAINED)
    for at, family in enumerate(families):
        turn = (at + at // around if plan.rotating else at) % 5
        traits = {"unseen_style": turn == _STYLE_TURN, "unseen_phrase": turn == _PHRASE_TURN}
        task = plan.task(family, at, traits)
        task_id = f"{plan.name}-{at:03}"
        rows.append(_row(task, task_id, traits, folder))
        passages += task.passages
    _write_lines(metadata, rows)
    random.Random(plan.name).shuffle(passages)  # noqa: S311  (order of a corpus)
    _write_lines(folder / "corpus.jsonl", [corpus_entry(passage) for passage in passages])
    return len(rows)


def _row(task: Task, task_id: str, traits: dict[str, bool], folder: Path) -> dict[str, Any]:
    """The metadata line of a task; its files are written as a side effect, into a folder of its own."""
    if task.attachment or task.desk:
        (folder / task_id).mkdir()
        write_task(task, folder / task_id)
    steps = len(task.steps)
    desk_fields = {"Workspace": task_id, "Final state": task.desk.expected()} if task.desk else {}
    return {
        "task_id": task_id,
        "Question": task.question,
        "Level": 1 + (steps > _SHORT) + (steps > _MIDDLE),
        "Final answer": task.answer,
        "file_name": f"{task_id}/{task.attachment.name}" if task.attachment else "",
        **desk_fields,
        "Annotator Metadata": {
            "family": task.family,
            "trained_family": task.family in TRAINED or task.family in desk.TRAINED,
            "number_of_steps": steps,
            **traits,
        },
    }


def corpus_entry(passage: Passage) -> dict[str, str]:
    """A passage as a line of the search corpus."""
    return {"title": passage.title, "url": f"corpus://{passage.title.replace(' ', '-')}", "text": passage.text}


def _distractors(name: str) -> list[Passage]:
    rng = random.Random(f"distractors/{name}")  # noqa: S311  (reproducible, not secret)
    draft = Draft(rng, NameSource(rng, "held_out"))
    return [person_passage(draft)[0] for _ in range(_DISTRACTORS)]


def _write_lines(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of `python -m tracer1_agents.data.taskgen.bundle`."""
    parser = argparse.ArgumentParser(
        prog="python -m tracer1_agents.data.taskgen.bundle",
        description="Write a set of synthetic tasks in GAIA's format.",
    )
    parser.add_argument("set", choices=sorted(PLANS))
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args(argv)
    count = write_bundle(PLANS[arguments.set], arguments.folder)
    print(f"{count} tasks in {arguments.folder}")  # noqa: T201  (a command's answer)


if __name__ == "__main__":
    main()
