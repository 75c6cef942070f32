"""Families on archives of several files: five to seven steps, and the long ones of eight to sixteen."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from tracer1_agents.data.taskgen.contents import Document, Table, aggregate, number
from tracer1_agents.data.taskgen.draft import Later, Task
from tracer1_agents.data.taskgen.pieces import (
    PICTURE_NOUNS,
    SIGNS,
    TABLE_NOUNS,
    aggregate_column,
    amount,
    combine,
    fact_sheet,
    look_at_columns,
    make_picture,
    make_table,
    number_columns,
    operation_words,
    read_document,
    read_picture,
    speak_of_column,
    text_columns,
)

if TYPE_CHECKING:
    from tracer1_agents.data.taskgen.contents import Archive, Picture
    from tracer1_agents.data.taskgen.draft import Argument, Draft


def _path(name: str, direct: bool, unpacked: int) -> Argument:  # noqa: FBT001
    """A member's path: known from the question, or only once the archive is open."""
    return name if direct else Later(unpacked, name)


def picture_and_table(draft: Draft) -> Task:
    """Archive -> OCR -> columns -> aggregate -> calculator -> finish."""
    shown = amount(draft)
    picture = make_picture(draft, (f"Total {number(shown)}",))
    table = make_table(draft, (picture.name,))
    archive, unpacked = draft.unpack(picture, table)
    sign = draft.rng.choice(list(SIGNS))
    picture_words, picture_direct = draft.mention(picture.name, draft.rng.choice(PICTURE_NOUNS))
    table_words, table_direct = draft.mention(table.name, draft.rng.choice(TABLE_NOUNS))
    column = draft.rng.choice(number_columns(table))
    column_words, argument = speak_of_column(draft, column, unpacked + 2)
    operation, word = operation_words(draft, of=("sum", "max", "min"))
    question = draft.say(
        (
            "What is the number in {p} {s} the {o} {c} in {t}?",
            "Take the number shown in {p} {s} the {o} {c} of {t}.",
            "Compute the number on {p} {s} the {o} of {c} in {t}.",
        ),
        ("Starting from the number that {p} shows: what is it {s} the {o} {c} listed in {t}?",),
        p=picture_words,
        s=draft.rng.choice(SIGNS[sign]),
        o=word,
        c=column_words,
        t=table_words,
    )
    seen = read_picture(draft, picture, _path(picture.name, picture_direct, unpacked))
    path = _path(table.name, table_direct, unpacked)
    look_at_columns(draft, table, path)
    step, value = aggregate_column(draft, table, path, argument, operation)
    total, result = combine(draft, (seen, Fraction(shown)), sign, (step, value))
    draft.finish(Later(total, number(result)), "Report the number")
    return Task("picture_and_table", question, number(result), archive, tuple(draft.steps))


def two_tables(draft: Draft) -> Task:
    """Archive -> columns -> aggregate -> columns -> aggregate -> calculator -> finish."""
    first = make_table(draft)
    second = make_table(draft, (first.name,))
    archive, unpacked = draft.unpack(first, second)
    sign = draft.rng.choice(("+", "-"))
    operation, word = operation_words(draft, of=("sum", "max", "min"))
    words_a, argument_a = speak_of_column(draft, draft.rng.choice(number_columns(first)), unpacked + 1)
    words_b, argument_b = speak_of_column(draft, draft.rng.choice(number_columns(second)), unpacked + 3)
    question = draft.say(
        (
            "What is the {o} {a} in {f} {s} the {o} {b} in {g}?",
            "Compute the {o} {a} of {f} {s} the {o} {b} of {g}.",
            "Take the {o} {a} in {f} {s} the {o} {b} in {g}.",
        ),
        ("{f} has a {o} {a}. What is that {s} the {o} {b} of {g}?",),
        o=word,
        a=words_a,
        b=words_b,
        f=first.name,
        g=second.name,
        s=draft.rng.choice(SIGNS[sign]),
    )
    look_at_columns(draft, first, first.name)
    left = aggregate_column(draft, first, first.name, argument_a, operation)
    look_at_columns(draft, second, second.name)
    right = aggregate_column(draft, second, second.name, argument_b, operation)
    total, result = combine(draft, left, sign, right)
    draft.finish(Later(total, number(result)), "Report the number")
    return Task("two_tables", question, number(result), archive, tuple(draft.steps))


def join_tables(draft: Draft) -> Task:
    """Archive -> columns -> columns -> join -> aggregate -> finish."""
    rng, names = draft.rng, draft.names
    keys = list(dict.fromkeys(names.word() for _ in range(rng.randint(4, 8))))
    left = make_table(draft, key_values=tuple(keys))
    kept = rng.sample(keys, rng.randint(2, len(keys) - 1))
    column = names.number_column(left.columns)
    rows = tuple((key, amount(draft, decimals=False)) for key in kept)
    right = Table(names.file("table", (left.name,)), (left.columns[0], column), rows)
    archive, unpacked = draft.unpack(left, right)
    joined = [row for row in left.rows if row[0] in kept]
    wanted = rng.choice(number_columns(left))
    words, argument = speak_of_column(draft, wanted, unpacked + 1)
    operation, word = operation_words(draft, of=("sum", "max", "min"))
    question = draft.say(
        (
            "Join {f} and {g} on {k}. What is the {o} {c} of the rows in both?",
            "What is the {o} {c} after joining {f} with {g} on {k}?",
            "Combine {f} and {g} by {k} and give the {o} {c}.",
        ),
        ("Keeping only what {f} and {g} share by {k}, what is the {o} {c}?",),
        f=left.name,
        g=right.name,
        k=left.columns[0],
        o=word,
        c=words,
    )
    look_at_columns(draft, left, left.name)
    look_at_columns(draft, right, right.name)
    columns = (*left.columns, column)
    text = f"joined, {len(joined)} rows, columns: {', '.join(columns)}; saved as joined.csv"
    draft.call(
        "table_join",
        "Join the two tables",
        text,
        left_path=left.name,
        right_path=right.name,
        on=left.columns[0],
        output="joined.csv",
    )
    value = aggregate([row[left.columns.index(wanted)] for row in joined], operation)
    step = draft.call(
        "table_aggregate",
        f"Compute the {operation} of the column",
        number(value),
        file_path="joined.csv",
        column=argument,
        operation=operation,
    )
    draft.finish(Later(step, number(value)), "Report the number")
    return Task("join_tables", question, number(value), archive, tuple(draft.steps))


def clue_chain(draft: Draft) -> Task:
    """Archive -> read file after file, each naming the next -> finish: 8 to 14 steps."""
    rng, names = draft.rng, draft.names
    length = rng.randint(6, 12)
    files: list[str] = []
    for _ in range(length):
        files.append(names.file("document", tuple(files)))
    secret = names.word()
    templates = ("Next: {n}", "Go on with {n}", "The next file is {n}", "Continue in {n}")
    documents = []
    for at, name in enumerate(files):
        pointer = (
            rng.choice(templates).replace("{n}", files[at + 1]) if at + 1 < length else f"The code word is {secret}"
        )
        lines = [f"{names.word().capitalize()} {rng.randint(1, 99)}", pointer]
        rng.shuffle(lines)
        documents.append(Document(name, tuple(lines)))
    archive, _ = draft.unpack(*documents)
    question = draft.say(
        (
            "Start with {f} and follow the files until the end. What is the code word?",
            "Each file names the next one, beginning with {f}. Which code word does the last one hold?",
            "Follow the chain of files from {f}. What is the code word?",
        ),
        ("Beginning at {f}, go from file to file as told. Which code word is found at the end?",),
        f=files[0],
    )
    before = 0
    for at, document in enumerate(documents):
        path: Argument = document.name if at == 0 else Later(before, document.name)
        before = draft.call("inspect_file_as_text", "Read the next file", document.text, file_path=path)
    draft.finish(Later(before, secret), "Report the code word")
    return Task("clue_chain", question, secret, archive, tuple(draft.steps))


def running_total(draft: Draft) -> Task:
    """Archive -> per table columns, aggregate, add to what there is so far -> finish: 10 to 16 steps."""
    tables: list[Table] = []
    for _ in range(draft.rng.randint(3, 5)):
        tables.append(make_table(draft, tuple(table.name for table in tables)))
    column = draft.names.number_column(tuple(name for table in tables for name in table.columns))
    tables = [_rename_number(draft, table, column) for table in tables]
    archive, _ = draft.unpack(*tables)
    question = draft.say(
        (
            "What is the total {c} over {l} together?",
            "Add up {c} over all of {l}.",
            "Sum the {c} column of {l} and add the sums.",
        ),
        ("Taking {l} together, how much {c} is there?",),
        c=column,
        l=_listing([table.name for table in tables]),
    )
    so_far: tuple[int, Fraction] | None = None
    for table in tables:
        look_at_columns(draft, table, table.name)
        this = aggregate_column(draft, table, table.name, column, "sum")
        so_far = this if so_far is None else combine(draft, so_far, "+", this)
    return _report(draft, "running_total", question, archive, so_far)


def receipts(draft: Draft) -> Task:
    """Archive -> read the pictures one by one, adding as it goes -> finish: 9 to 15 steps."""
    pictures: list[Picture] = []
    totals: list[Fraction] = []
    for _ in range(draft.rng.randint(4, 7)):
        value = amount(draft)
        totals.append(Fraction(value))
        pictures.append(make_picture(draft, (f"Total {number(value)}",), tuple(picture.name for picture in pictures)))
    archive, _ = draft.unpack(*pictures)
    question = draft.say(
        (
            "What do the receipts {l} add up to?",
            "Add the totals on {l}.",
            "The pictures {l} show totals. What is their sum?",
        ),
        ("How much was spent according to {l}?",),
        l=_listing([picture.name for picture in pictures]),
    )
    so_far: tuple[int, Fraction] | None = None
    for picture, total in zip(pictures, totals, strict=True):
        this = (read_picture(draft, picture, picture.name), total)
        so_far = this if so_far is None else combine(draft, so_far, "+", this)
    return _report(draft, "receipts", question, archive, so_far)


def _report(draft: Draft, family: str, question: str, archive: Archive, total: tuple[int, Fraction] | None) -> Task:
    if total is None:
        msg = f"{family}: at least one file is needed"
        raise ValueError(msg)
    step, value = total
    draft.finish(Later(step, number(value)), "Report the sum")
    return Task(family, question, number(value), archive, tuple(draft.steps))


def _rename_number(draft: Draft, table: Table, column: str) -> Table:
    """The same table with one of its numeric columns called `column`."""
    old = draft.rng.choice(number_columns(table))
    return Table(table.name, tuple(column if name == old else name for name in table.columns), table.rows)


def _listing(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def picture_minus_document(draft: Draft) -> Task:
    """Never trained: archive -> OCR -> inspect -> calculator -> finish."""
    shown, label = draft.rng.randint(100, 9999), draft.rng.choice(("budget", "price", "head count"))
    value = draft.rng.randint(10, 999)
    picture = make_picture(draft, (str(shown),))
    document = fact_sheet(draft, label, str(value), (picture.name,))
    archive, _ = draft.unpack(picture, document)
    question = f"What is the number in {picture.name} minus the {label} given in {document.name}?"
    seen = read_picture(draft, picture, picture.name)
    read = read_document(draft, document, document.name)
    total, result = combine(draft, (seen, Fraction(shown)), "-", (read, Fraction(value)))
    draft.finish(Later(total, number(result)), "Report the number")
    return Task("picture_minus_document", question, number(result), archive, tuple(draft.steps))


def column_range(draft: Draft) -> Task:
    """Never trained: columns -> maximum -> minimum -> calculator -> finish."""
    table = make_table(draft)
    column = draft.rng.choice(number_columns(table))
    question = f"By how much does the highest {column} in {table.name} exceed the lowest?"
    look_at_columns(draft, table, table.name)
    high = aggregate_column(draft, table, table.name, column, "max")
    low = aggregate_column(draft, table, table.name, column, "min")
    total, result = combine(draft, high, "-", low)
    draft.finish(Later(total, number(result)), "Report the difference")
    return Task("column_range", question, number(result), table, tuple(draft.steps))


def equation_in_picture(draft: Draft) -> Task:
    """Never trained: OCR -> solver -> finish."""
    a, x, b = draft.rng.randint(2, 9), draft.rng.randint(2, 60), draft.rng.randint(1, 99)
    text = f"{a}x + {b} = {a * x + b}"
    picture = make_picture(draft, (text,))
    question = f"Solve the equation shown in {picture.name} for x."
    seen = read_picture(draft, picture, picture.name)
    step = draft.call("solver", "Solve the equation", f"x = {x}", equation=Later(seen, text))
    draft.finish(Later(step, str(x)), "Report the solution")
    return Task("equation_in_picture", question, str(x), picture, tuple(draft.steps))


def two_counts(draft: Draft) -> Task:
    """Never trained: columns -> count -> count -> calculator -> finish."""
    while True:
        table = make_table(draft)
        key = draft.rng.choice(text_columns(table))
        values = list(dict.fromkeys(table.column(key)))
        if len(values) > 1:
            break
    one, other = (str(value) for value in draft.rng.sample(values, 2))
    question = f"How many rows of {table.name} have {key} {one} or {other}?"
    look_at_columns(draft, table, table.name)
    counts = []
    for value in (one, other):
        count = len(table.column(key, (key, value)))
        step = draft.call(
            "table_aggregate",
            "Count the matching rows",
            str(count),
            file_path=table.name,
            column=key,
            operation="count",
            where_column=key,
            where_value=value,
        )
        counts.append((step, Fraction(count)))
    total, result = combine(draft, counts[0], "+", counts[1])
    draft.finish(Later(total, number(result)), "Report the count")
    return Task("two_counts", question, number(result), table, tuple(draft.steps))
