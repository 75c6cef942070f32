"""The desk's families by name: trained ones, the long ones among them, those never trained on, and new compositions.

`WORLD1` is the mix of training: families of the desk, a few plain ones of `taskgen.families`, the long ones twice.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from random import Random
from typing import TYPE_CHECKING, Final

from tracer1_agents.data.taskgen import families as plain
from tracer1_agents.data.taskgen.contents import number
from tracer1_agents.data.taskgen.desk import jobs, rounds
from tracer1_agents.data.taskgen.desk.names import DeskNames
from tracer1_agents.data.taskgen.desk.options import WorldOptions
from tracer1_agents.data.taskgen.desk.setting import DeskDraft, quoted
from tracer1_agents.data.taskgen.draft import Later

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracer1_agents.data.taskgen.desk.jobs import Job
    from tracer1_agents.data.taskgen.draft import Task
    from tracer1_agents.data.taskgen.names import Split

    DeskFamily = Callable[[DeskDraft], Task]

_JOBS: Final[dict[str, Callable[[DeskDraft], Job]]] = {  # in the order in which they are worked on
    "book": jobs.book_job,
    "pack": jobs.pack_job,
    "register": jobs.register_job,
    "convert": jobs.convert_job,
    "table": jobs.table_job,
}
TRAINED_PAIRS: Final = (("pack", "convert"), ("book", "register"))
NEW_PAIRS: Final = (("register", "convert"), ("book", "pack"), ("book", "convert"), ("pack", "register"))
_ASKING: Final = ("What is {a}?", "Find {a}.", "Give {a}.")
_ASKING_NEW: Final = ("I want to know {a}.",)


def pack_one(draft: DeskDraft) -> Task:
    """A number, and files to pack."""
    return _task(draft, "pack_one", [jobs.pack_job(draft)])


def register_sum(draft: DeskDraft) -> Task:
    """A sum of entries of the register."""
    return _task(draft, "register_sum", [jobs.register_job(draft)])


def book_one(draft: DeskDraft) -> Task:
    """Two things at one hour."""
    return _task(draft, "book_one", [jobs.book_job(draft)])


def convert_one(draft: DeskDraft) -> Task:
    """The totals of two tables, one of which has to be converted; it is worked on last, and begun first."""
    return _task(draft, "convert_one", [jobs.table_job(draft), jobs.convert_job(draft, hideable=True)])


def two_jobs(draft: DeskDraft) -> Task:
    """Two jobs of kinds that training puts together."""
    return _pair(draft, "two_jobs", TRAINED_PAIRS)


def new_jobs(draft: DeskDraft) -> Task:
    """Two jobs of kinds that training never puts together."""
    return _pair(draft, "new_jobs", NEW_PAIRS)


def room_choice(draft: DeskDraft) -> Task:
    """Never trained: one of several rooms, and a thing that can be used in only one of them."""
    rng = draft.rng
    thing, *rooms = (draft.word() for _ in range(4))
    chosen = rng.choice(rooms[1:])  # not the first one named
    hour = jobs.common_hours(draft, (chosen, thing))
    draft.offers[thing] = (draft.offers[thing][0], (chosen,))
    for room in rooms:
        if room != chosen:
            draft.offers[room] = (tuple(sorted({hour, *rng.sample(jobs.HOURS, 2)})), ())
    choice = f"{', '.join(map(quoted, rooms[:-1]))} or {quoted(rooms[-1])}"
    question = f"Reserve one of {choice} and {quoted(thing)} in it for the same hour. Which room is it?"
    hours = ", ".join(map(str, draft.offers[thing][0]))
    found = draft.call("list_offers", "List the hours", f"{thing} {hours} in {chosen}", item=thing)
    name = Later(found, chosen)
    seen = jobs.ask_offers(draft, chosen, name)
    jobs.book(draft, chosen, hour, seen, name)
    jobs.book(draft, thing, hour, seen)
    draft.finish(name, "Report the room")
    return draft.done("room_choice", question, chosen)


def _pair(draft: DeskDraft, family: str, pairs: tuple[tuple[str, str], ...]) -> Task:
    return _task(draft, family, [_JOBS[name](draft) for name in draft.rng.choice(pairs)])


def _task(draft: DeskDraft, family: str, parts: list[Job]) -> Task:
    """Jobs in the order of work; the question names them in any order."""
    named = draft.rng.sample(parts, len(parts))
    chores = [part.chore for part in named if part.chore]
    asked = draft.say(_ASKING, _ASKING_NEW, a=" plus ".join(part.ask for part in named))
    before = draft.rng.random() < 0.5  # noqa: PLR2004
    question = " ".join([*chores, asked] if before else [asked, *chores])
    for part in parts:
        part.early()
    first, *others = parts
    step, value = first.work(None)
    for part in others:
        step, value = part.work((step, Fraction(value)))
    draft.finish(Later(step, number(value)), "Report the number")
    return draft.done(family, question, number(value))


LONG: Final[dict[str, DeskFamily]] = {
    "pack_rounds": rounds.pack_rounds,
    "convert_rounds": rounds.convert_rounds,
    "register_rounds": rounds.register_rounds,
    "book_day": rounds.book_day,
}
PLAIN: Final = ("document_fact", "table_total", "json_value", "clue_chain")
TRAINED: Final[dict[str, DeskFamily]] = {
    "pack_one": pack_one,
    "convert_one": convert_one,
    "register_sum": register_sum,
    "book_one": book_one,
    "two_jobs": two_jobs,
    **LONG,
    **{name: plain.TRAINED[name] for name in PLAIN},
}
UNSEEN: Final[dict[str, DeskFamily]] = {
    "new_jobs": new_jobs,
    "room_choice": room_choice,
    "pack_chain": rounds.pack_chain,
}
FAMILIES: Final[dict[str, DeskFamily]] = {**TRAINED, **UNSEEN}
WORLD1: Final[tuple[str, ...]] = (*TRAINED, *LONG)


def make_world_task(
    family: str,
    seed: int | str,
    options: WorldOptions | None = None,
    *,
    split: Split = "train",
    unseen_styles: bool = False,
    unseen_phrases: bool = False,
) -> Task:
    """One task of a world, the same for the same arguments.

    Args:
        family: A key of `FAMILIES`.
        seed: Decides everything drawn.
        options: The dials.
        split: Whose words to use; "held_out" words never occur in training.
        unseen_styles: File names in styles that training never shows.
        unseen_phrases: Paraphrases that training never shows.

    Raises:
        ConfigurationError: No such family.
    """
    draw = plain.family_named(family, FAMILIES, " in the desk world, which takes none of one's own")
    options = options or WorldOptions()
    rng = Random(f"world/{family}/{seed}")  # noqa: S311  (reproducible, not secret)
    dice = Random(f"dials/{family}/{seed}")  # noqa: S311
    names = DeskNames(rng, split, unseen_styles)
    draft = DeskDraft(rng, names, unseen_phrases, options=options, dice=dice)
    task = draw(draft)
    return task if task.desk else draft.disturb(replace(task))
