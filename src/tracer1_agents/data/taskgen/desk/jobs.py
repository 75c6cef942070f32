"""The pieces of desk tasks: each asks for a number and, but for plain tables, commits to something on the way.

A job is drawn first (files, names, words), then its steps are written: `early` steps before any other job's, `work`
when its turn comes. `work` is given the sum so far and adds its own number to it, so that no result has to be
remembered for longer than the planner's history.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from tracer1_agents.data.taskgen.contents import Document, number
from tracer1_agents.data.taskgen.desk.names import SYNONYMS
from tracer1_agents.data.taskgen.desk.setting import quoted, read_or
from tracer1_agents.data.taskgen.draft import Later
from tracer1_agents.data.taskgen.pieces import combine, look_at_columns, read_document

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tracer1_agents.data.taskgen.contents import Table
    from tracer1_agents.data.taskgen.desk.setting import DeskDraft
    from tracer1_agents.data.taskgen.draft import Argument

Sum = tuple[int, Fraction]  # the step that showed it, and its value
HOURS: Final = range(8, 20)
_LABELS: Final = ("number", "code", "price")
_LETTERS: Final = "abcdefghkmnprstw"


@dataclass(frozen=True)
class Job:
    """A piece of a task.

    Attributes:
        chore: What is to be done besides, as a sentence; empty for nothing.
        ask: What is asked, as in "What is ...?".
        work: Writes its steps; given the sum so far (None: there is none yet), returns the new one.
        early: Writes the steps that must come before those of other jobs.
    """

    chore: str
    ask: str
    work: Callable[[Sum | None], Sum]
    early: Callable[[], None] = lambda: None


def add(draft: DeskDraft, so_far: Sum | None, this: Sum) -> Sum:
    """The sum with one more number; a first number needs no step."""
    return this if so_far is None else combine(draft, so_far, "+", this)


def fact_file(draft: DeskDraft, label: str) -> tuple[Document, int]:
    """A document of two numbers, one of them called `label`, and that number."""
    other = draft.rng.choice([name for name in _LABELS if name != label])
    value = draft.rng.randint(2, 99)
    lines = [f"{label} {value}", f"{other} {draft.rng.randint(2, 99)}"]
    draft.rng.shuffle(lines)
    document = Document(draft.file_name("document"), tuple(lines))
    draft.files.append(document)
    return document, value


def seal(draft: DeskDraft, archive: str, names: Sequence[str], files: Argument) -> int:
    """The step that packs files into an archive."""
    draft.archives[archive] = tuple(names)
    return draft.call(
        "archive_files",
        "Pack the files",
        f"sealed in {archive}: {', '.join(sorted(names))}",
        archive=archive,
        files=files,
    )


def pack_job(draft: DeskDraft) -> Job:
    """Read one number -> pack the files. What is packed cannot be read, so the order hangs on whether it is packed."""
    rng, label = draft.rng, draft.rng.choice(_LABELS)
    documents = [fact_file(draft, label) for _ in range(rng.randint(2, 4))]
    packed_too = rng.random() < 0.75  # noqa: PLR2004
    asked, value = documents[0] if packed_too else documents.pop()
    rng.shuffle(documents)
    names = [document.name for document, _ in documents]
    archive = draft.file_name("archive")
    note = draft.note(",".join(names), "the files that {n} lists")
    chore = draft.say(
        ("Pack {l} into {a}.", "Put {l} into {a}.", "Archive {l} as {a}."),
        ("Store {l} away in {a}.",),
        l=note.words if note else quoted(",".join(names)),
        a=quoted(archive),
    )

    def work(so_far: Sum | None) -> Sum:
        files = read_or(note, ",".join(names))
        if not packed_too:
            seal(draft, archive, names, files)
        seen = read_document(draft, asked, asked.name)
        if packed_too:
            seal(draft, archive, names, files)
        return add(draft, so_far, (seen, Fraction(value)))

    return Job(chore, f"the {label} in {quoted(asked.name)}", work)


def table_total(draft: DeskDraft, table: Table, path: Argument, column: str, *, known: bool) -> Sum:
    """Columns -> total."""
    look = look_at_columns(draft, table, path)
    return column_sum(draft, table, path, column if known else Later(look, column))


def column_sum(draft: DeskDraft, table: Table, path: Argument, column: Argument) -> Sum:
    """The step that adds up a column."""
    cells = table.column(column.text if isinstance(column, Later) else str(column))
    total = sum((Fraction(cell) for cell in cells), Fraction(0))
    step = draft.call(
        "table_aggregate", "Add up the column", number(total), file_path=path, column=column, operation="sum"
    )
    return step, total


def start_conversion(draft: DeskDraft, path: Argument) -> Argument:
    """The step that starts to make a csv table; returns the path of the table to come."""
    name = path.text if isinstance(path, Later) else str(path)
    made = name.rpartition(".")[0] + ".csv"
    step = draft.call(
        "convert_file", "Start the conversion", f"{made} will be ready after 2 more calls", file_path=path, to="csv"
    )
    return Later(step, made) if isinstance(path, Later) else made


def table_job(draft: DeskDraft) -> Job:
    """Columns -> total, of a table that can be read as it is."""
    column = draft.rng.choice(list(SYNONYMS.values()))
    table = draft.table(column, as_json=False)
    words, known = draft.column(column)

    def work(so_far: Sum | None) -> Sum:
        return add(draft, so_far, table_total(draft, table, table.name, column, known=known))

    return Job("", f"the total {words} in {quoted(table.name)}", work)


def convert_job(draft: DeskDraft, *, hideable: bool = False) -> Job:
    """Start a conversion -> (others work) -> columns -> total.

    Args:
        draft: The task.
        hideable: Whether a note may tell the file; only where it is used soon after.
    """
    column = draft.rng.choice(list(SYNONYMS.values()))
    table = draft.table(column, as_json=True)
    words, known = draft.column(column)
    note = draft.note(table.name, "the file that {n} names") if hideable else None
    made: list[Argument] = []

    def early() -> None:
        made.append(start_conversion(draft, read_or(note, table.name)))

    def work(so_far: Sum | None) -> Sum:
        return add(draft, so_far, table_total(draft, table, made[0], column, known=known))

    return Job("", f"the total {words} in {note.words if note else quoted(table.name)}", work, early)


def register_groups(draft: DeskDraft, sizes: Sequence[int]) -> list[list[str]]:
    """Fills pages of the register; the wanted keys of each page.

    A page holds one or two entries that nobody asks for. Three keys of a page are cheaper read as a page, one alone is
    cheaper looked up; the register has exactly the units that takes.
    """
    rng = draft.rng
    used = {key[0] for key in draft.register}
    groups = []
    for letter, size in zip(rng.sample([one for one in _LETTERS if one not in used], len(sizes)), sizes, strict=True):
        digits = rng.sample(range(1, 10), size + rng.randint(1, 2))
        draft.register |= {f"{letter}{digit}": rng.randint(2, 99) for digit in sorted(digits)}
        groups.append([f"{letter}{digit}" for digit in digits[:size]])
        draft.units += min(2, size)
    return groups


def consult(draft: DeskDraft, keys: Sequence[str], so_far: Sum | None) -> Sum:
    """Page or entry -> sum, for the keys of one page."""
    values = [draft.register[key] for key in keys]
    if len(keys) == 1:
        step = draft.call("register_lookup", "Look it up", f"{keys[0]} {values[0]}", key=keys[0])
        return add(draft, so_far, (step, Fraction(values[0])))
    page = sorted(key for key in draft.register if key[0] == keys[0][0])
    text = ", ".join(f"{key} {draft.register[key]}" for key in page)
    step = draft.call("register_page", "Look at the page", text, letter=keys[0][0])
    parts: list[str | Later] = [] if so_far is None else [Later(so_far[0], number(so_far[1])), " + "]
    for value in values:
        parts += [Later(step, str(value)), " + "]
    total = sum(map(Fraction, values), so_far[1] if so_far else Fraction(0))
    return draft.call("calculator", "Add them up", number(total), expression=tuple(parts[:-1])), total


def register_job(draft: DeskDraft) -> Job:
    """Pages and entries -> sum. Whether the first key is worth a page hangs on the keys that follow."""
    rng = draft.rng
    sizes = rng.choice(((3,), (3, 1), (3, 1, 1), (1, 1), (3, 3), (1, 1, 1)))
    groups = register_groups(draft, sizes)
    keys = [key for group in groups for key in group]
    rng.shuffle(keys)
    chore = units_sentence(draft)

    def work(so_far: Sum | None) -> Sum:
        first, *rest = in_order(groups, keys)
        total = consult(draft, first, so_far)
        for group in rest:
            total = consult(draft, group, total)
        return total

    return Job(chore, f"the sum of {quoted(','.join(keys))} in the register", work)


def units_sentence(draft: DeskDraft) -> str:
    """What the question says of the register."""
    return draft.say(
        ("The register has {u} units.", "The register allows {u} units."),
        ("There are {u} units in the register.",),
        u=str(draft.units),
    )


def in_order(groups: list[list[str]], keys: list[str]) -> list[list[str]]:
    """Groups in the order in which the question first names one of theirs, their keys likewise."""
    sorted_groups = [sorted(group, key=keys.index) for group in groups]
    return sorted(sorted_groups, key=lambda group: keys.index(group[0]))


def common_hours(draft: DeskDraft, items: Sequence[str]) -> int:
    """Offers for things that share exactly one hour, which is not the first of the first."""
    rng = draft.rng
    while True:
        shared, *others = rng.sample(HOURS, 1 + 2 * len(items))
        slots = [tuple(sorted((shared, *others[2 * at : 2 * at + 2]))) for at in range(len(items))]
        if slots[0][0] != shared:
            break
    draft.offers |= {item: (free, ()) for item, free in zip(items, slots, strict=True)}
    return shared


def ask_offers(draft: DeskDraft, item: str, name: Argument | None = None) -> int:
    """The step that lists the hours of something."""
    slots = draft.offers[item][0]
    return draft.call("list_offers", "List the hours", f"{item} {', '.join(map(str, slots))}", item=name or item)


def book(draft: DeskDraft, item: str, hour: int, seen: int, name: Argument | None = None) -> int:
    """The step that reserves something."""
    draft.reservations[item] = hour
    slot = Later(seen, str(hour))
    return draft.call("reserve", "Reserve it", f"reserved {item} at {hour}", item=name or item, slot=slot)


def book_pair(draft: DeskDraft, first: str, second: str, hour: int, name: Callable[[], Argument]) -> int:
    """Hours of both -> reserve the second, then the first, at the hour they share; returns the last step."""
    ask_offers(draft, first)
    partner = name()
    seen = ask_offers(draft, second, partner)
    book(draft, second, hour, seen, partner)
    return book(draft, first, hour, seen)


def book_job(draft: DeskDraft) -> Job:
    """Two lists of hours -> two reservations. Whether an hour of the first will do hangs on the second."""
    first, second = draft.word(), draft.word()
    hour = common_hours(draft, (first, second))
    note = draft.note(second, "what {n} names")
    chore = draft.say(
        ("Reserve {a} and {b} for the same hour.", "Book {a} with {b} at one hour.", "Reserve {a} together with {b}."),
        ("Find an hour for both {a} and {b} and reserve them.",),
        a=quoted(first),
        b=note.words if note else quoted(second),
    )

    def work(so_far: Sum | None) -> Sum:
        step = book_pair(draft, first, second, hour, lambda: read_or(note, second))
        return add(draft, so_far, (step, Fraction(hour)))

    return Job(chore, f"the hour of {quoted(first)}", work)
