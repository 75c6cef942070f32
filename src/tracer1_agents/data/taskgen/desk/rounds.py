"""The long families: rounds of one kind of job, 12 to 20 steps, and the one that is never trained on."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from tracer1_agents.data.taskgen.contents import Document, number
from tracer1_agents.data.taskgen.desk.jobs import (
    Sum,
    add,
    book_pair,
    column_sum,
    common_hours,
    consult,
    fact_file,
    in_order,
    register_groups,
    seal,
    start_conversion,
    table_total,
    units_sentence,
)
from tracer1_agents.data.taskgen.desk.names import SYNONYMS
from tracer1_agents.data.taskgen.desk.setting import listing, quoted, read_or
from tracer1_agents.data.taskgen.draft import Later
from tracer1_agents.data.taskgen.pieces import read_document

if TYPE_CHECKING:
    from tracer1_agents.data.taskgen.contents import Table
    from tracer1_agents.data.taskgen.desk.setting import DeskDraft, Told
    from tracer1_agents.data.taskgen.draft import Argument, Task


def pack_rounds(draft: DeskDraft) -> Task:
    """Per archive: read the file that is asked for, add, pack; 12 to 20 steps."""
    rng = draft.rng
    label = rng.choice(("number", "code", "price"))
    rounds = [[fact_file(draft, label) for _ in range(2)] for _ in range(rng.randint(4, 5))]
    archives = [draft.file_name("archive") for _ in rounds]
    asked = [rng.choice(documents) for documents in rounds]
    names = [[document.name for document, _ in documents] for documents in rounds]
    notes = [draft.note(",".join(files), "the files that {n} lists") for files in names]
    told = [note.words if note else quoted(",".join(files)) for note, files in zip(notes, names, strict=True)]
    question = draft.say(
        (
            "Pack {p}. What is the sum of each {l} in {f}?",
            "Put {p}. Add up each {l} in {f}.",
            "What is the sum of each {l} in {f}? Pack {p}.",
        ),
        ("Store away {p}. What do {f} add up to by {l}?",),
        p=listing([f"{words} into {quoted(archive)}" for words, archive in zip(told, archives, strict=True)]),
        l=label,
        f=listing([quoted(document.name) for document, _ in rng.sample(asked, len(asked))]),
    )
    total: Sum | None = None
    for note, files, archive, (document, value) in zip(notes, names, archives, asked, strict=True):
        packed = read_or(note, ",".join(files))
        total = add(draft, total, (read_document(draft, document, document.name), Fraction(value)))
        seal(draft, archive, files, packed)
    return _report(draft, "pack_rounds", question, total)


def convert_rounds(draft: DeskDraft) -> Task:
    """Start every conversion, add up the tables that are there, then the converted ones; 13 to 19 steps."""
    rng, column = draft.rng, draft.rng.choice(list(SYNONYMS.values()))
    count, converted = rng.choice(((5, 2), (6, 2), (6, 3), (7, 3)))
    last = draft.table(column, as_json=True)
    tables = [draft.table(column, as_json=at < converted - 1) for at in range(count - 1)]
    rng.shuffle(tables)
    tables.append(last)
    note = draft.note(last.name, "the file that {n} names")
    words, known = draft.column(column)
    question = draft.say(
        (
            "What is the total {c} over {l} together?",
            "Add up {c} over all of {l}.",
            "Sum the {c} column of {l} and add the sums.",
        ),
        ("Taking {l} together, how much {c} is there?",),
        c=words,
        l=listing([*(quoted(table.name) for table in tables[:-1]), note.words if note else quoted(last.name)]),
    )
    ready: list[tuple[Table, Argument]] = [(table, table.name) for table in tables if not _is_json(table)]
    later = [(table, start_conversion(draft, table.name)) for table in tables[:-1] if _is_json(table)]
    newest = (last, start_conversion(draft, read_or(note, last.name)))
    first, *rest = ready
    total: Sum = table_total(draft, *first, column, known=known)
    for table, path in [newest, *rest, *later]:  # what a note told is used before it is forgotten
        total = add(draft, total, column_sum(draft, table, path, _seen(draft, column, known=known)))
    return _report(draft, "convert_rounds", question, total)


def _is_json(table: Table) -> bool:
    return table.name.endswith(".json")


def _seen(draft: DeskDraft, column: str, *, known: bool) -> Argument:
    """The column's name, which the list of columns told when the question did not."""
    look = next(at for at, step in enumerate(draft.steps, 1) if step.name == "table_columns")
    return column if known else Later(look, column)


def register_rounds(draft: DeskDraft) -> Task:
    """Pages and entries of six to eight letters, added up as they come; 12 to 18 steps."""
    rng = draft.rng
    sizes = [3] * rng.randint(2, 3)
    sizes += [1] * (rng.randint(6, 8) - len(sizes))
    groups = register_groups(draft, sizes)
    keys = [key for group in groups for key in group]
    rng.shuffle(keys)
    told = groups[0]
    note = draft.note(",".join(told), "those that {n} lists")
    if note:
        groups, keys = groups[1:], [key for key in keys if key not in told]
    question = draft.say(
        (
            "What is the sum of {k} in the register?",
            "Add up {k} from the register.",
            "Look into the register: what do {k} add up to?",
        ),
        ("How much is {k} together, by the register?",),
        k=listing([quoted(",".join(keys)), *([note.words] if note else [])]),
    )
    total: Sum | None = None
    if note:
        total = _consult_note(draft, note, told)
    for group in in_order(groups, keys):
        total = consult(draft, group, total)
    return _report(draft, "register_rounds", f"{question} {units_sentence(draft)}", total)


def _consult_note(draft: DeskDraft, note: Told, keys: list[str]) -> Sum:
    """Reads the note and the page that it is about."""
    read = note.read()
    total = consult(draft, keys, None)
    page = draft.steps[-2]
    draft.steps[-2] = type(page)(page.name, {"letter": Later(read.step, keys[0][0])}, page.instruction, page.result)
    return total


def book_day(draft: DeskDraft) -> Task:
    """Per meeting: two lists of hours, two reservations; 13 to 20 steps."""
    rng = draft.rng
    pairs = [(draft.word(), draft.word()) for _ in range(rng.randint(3, 4))]
    hours = [common_hours(draft, pair) for pair in pairs]
    notes = [draft.note(second, "what {n} names") for _, second in pairs[:3]]
    notes += [None] * (len(pairs) - len(notes))
    meetings = [
        f"{quoted(one)} with {note.words if note else quoted(two)}"
        for (one, two), note in zip(pairs, notes, strict=True)
    ]
    question = draft.say(
        (
            "Reserve {m}, each pair for the same hour. What is the hour of {x}?",
            "Book {m}, each pair at one hour. At which hour is {x}?",
            "At which hour is {x}? Reserve {m}, each pair for the same hour.",
        ),
        ("Bring together {m}, each pair at a common hour. When is {x}?",),
        m=listing(meetings),
        x=quoted(pairs[-1][0]),
    )
    step = 0
    for (one, two), hour, note in zip(pairs, hours, notes, strict=True):
        step = book_pair(draft, one, two, hour, lambda note=note, two=two: read_or(note, two))  # type: ignore[misc]
    return _report(draft, "book_day", question, (step, Fraction(hours[-1])))


def pack_chain(draft: DeskDraft) -> Task:
    """Never trained: read a file, pack it, go on with the one it names; 13 to 17 steps."""
    rng = draft.rng
    names = [draft.file_name("document") for _ in range(rng.randint(6, 8))]
    secret = draft.word()
    lines = [*(f"next {quoted(name)}" for name in names[1:]), f"word {quoted(secret)}"]
    draft.files += [Document(name, (line,)) for name, line in zip(names, lines, strict=True)]
    question = (
        f"Start with {quoted(names[0])}; each file names the next. Pack each into an archive of its name "
        "once it is read. Which word does the last one hold?"
    )
    path: Argument = names[0]
    for name, line in zip(names, lines, strict=True):
        step = draft.call("inspect_file_as_text", "Read the file", line, file_path=path)
        archive = f"{name.rpartition('.')[0]}.zip"
        seal(draft, archive, [name], path)
        path = Later(step, line.partition(" ")[2].strip('"'))
    draft.finish(path, "Report the word")
    return draft.done("pack_chain", question, secret)


def _report(draft: DeskDraft, family: str, question: str, total: Sum | None) -> Task:
    if total is None:
        msg = f"{family}: at least one round is needed"
        raise ValueError(msg)
    step, value = total
    draft.finish(Later(step, number(value)), "Report the number")
    return draft.done(family, question, number(value))
