"""Families with at most one plain file: two or three steps each."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from tracer1_agents.data.taskgen.contents import Json, Passage, Slides, number
from tracer1_agents.data.taskgen.draft import Later, Task
from tracer1_agents.data.taskgen.pieces import (
    DOCUMENT_NOUNS,
    FACT_LABELS,
    PICTURE_NOUNS,
    SIGNS,
    TABLE_NOUNS,
    aggregate_column,
    amount,
    fact_sheet,
    fact_value,
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
    from tracer1_agents.data.taskgen.draft import Draft


def arithmetic(draft: Draft) -> Task:
    """Calculator -> finish."""
    rng = draft.rng
    if rng.random() < 0.3:  # noqa: PLR2004
        share, whole = rng.randint(1, 99), rng.randint(2, 9999)
        expression, value = f"{share} / 100 * {whole}", Fraction(share * whole, 100)
        words = rng.choice((f"{share}% of {whole}", f"{share} percent of {whole}"))
    else:
        sign = rng.choice(list(SIGNS))
        a, b = amount(draft), amount(draft)
        expression, word = f"{number(a)} {sign} {number(b)}", rng.choice((sign, *SIGNS[sign]))
        value = {"+": Fraction(a) + Fraction(b), "-": Fraction(a) - Fraction(b), "*": Fraction(a) * Fraction(b)}[sign]
        words = f"{number(a)} {word} {number(b)}"
        if word == "added to":
            expression = f"{number(a)} + {number(b)}"
    question = draft.say(
        ("What is {w}?", "Compute {w}.", "How much is {w}?", "Work out {w}.", "Calculate {w}, please."),
        ("Give me the value of {w}.", "{w} equals what?"),
        w=words,
    )
    step = draft.call("calculator", "Compute it", number(value), expression=expression)
    draft.finish(Later(step, number(value)), "Report the number")
    return Task("arithmetic", question, number(value), None, tuple(draft.steps))


def equation(draft: Draft) -> Task:
    """Solver -> finish; quadratics ask for one of the two roots."""
    rng = draft.rng
    times, power = rng.choice((("*", "**"), ("", "^")))
    if rng.random() < 0.5:  # noqa: PLR2004
        a, x = rng.randint(2, 20), rng.randint(-30, 60)
        b = rng.randint(1, 99)
        text, result, answer, which = f"{a}{times}x + {b} = {a * x + b}", f"x = {x}", str(x), ""
    else:
        low, high = sorted(rng.sample(range(1, 30), 2))
        text = f"x{power}2 - {low + high}{times}x + {low * high} = 0"
        result = f"x = {low}, x = {high}"
        which, answer = rng.choice((("larger", str(high)), ("smaller", str(low))))
    if which:
        question = draft.say(
            ("What is the {s} solution of {e}?", "Solve {e} and give the {s} root.", "Find the {s} x with {e}."),
            ("{e}: which x is the {s} one that fits?",),
            s=which,
            e=text,
        )
    else:
        question = draft.say(
            ("Solve {e} for x.", "What is x if {e}?", "Find x such that {e}.", "For which x is {e}?"),
            ("Determine the unknown x in {e}.", "{e}. What does x have to be?"),
            e=text,
        )
    step = draft.call("solver", "Solve the equation", result, equation=text)
    draft.finish(Later(step, answer), "Report the solution")
    return Task("equation", question, answer, None, tuple(draft.steps))


def document_fact(draft: Draft) -> Task:
    """Inspect -> finish."""
    label = draft.rng.choice(list(FACT_LABELS))
    value = fact_value(draft, label)
    document = fact_sheet(draft, label, value)
    words, _ = draft.mention(document.name, draft.rng.choice(DOCUMENT_NOUNS))
    question = draft.say(
        (
            "What is the {l} in {f}?",
            "Which {l} does {f} give?",
            "According to {f}, what is the {l}?",
            "Find the {l} in {f}.",
            "Tell me the {l} that {f} mentions.",
            "Look into {f}: what is the {l}?",
        ),
        ("I need the {l} written down in {f}.", "{f} states some {l}. Which one?"),
        l=label,
        f=words,
    )
    step = read_document(draft, document, document.name)
    draft.finish(Later(step, value), f"Report the {label}")
    return Task("document_fact", question, value, document, tuple(draft.steps))


def picture_text(draft: Draft) -> Task:
    """OCR -> finish."""
    names = draft.names
    text = draft.rng.choice(
        (f"{names.noun()} {names.noun()}", names.noun().upper(), str(draft.rng.randint(100, 99999)))
    )
    picture = make_picture(draft, (text,))
    words, _ = draft.mention(picture.name, draft.rng.choice(PICTURE_NOUNS))
    question = draft.say(
        (
            "What is written in {f}?",
            "What does {f} say?",
            "Read {f}. What does it say?",
            "Which text is shown in {f}?",
            "Tell me the words on {f}.",
        ),
        ("Give the wording that appears on {f}.", "{f}: what can be read there?"),
        f=words,
    )
    step = read_picture(draft, picture, picture.name)
    draft.finish(Later(step, text), "Report the text")
    return Task("picture_text", question, text, picture, tuple(draft.steps))


def table_total(draft: Draft) -> Task:
    """Columns -> aggregate -> finish."""
    table = make_table(draft)
    look = look_at_columns(draft, table, table.name)
    words, argument = speak_of_column(draft, draft.rng.choice(number_columns(table)), look)
    operation, word = operation_words(draft)
    file_words, _ = draft.mention(table.name, draft.rng.choice(TABLE_NOUNS))
    question = draft.say(
        (
            "What is the {o} {c} in {f}?",
            "Find the {o} {c} in {f}.",
            "Compute the {o} of {c} in {f}.",
            "Look at {f}: what is the {o} {c}?",
            "What is the {o} of the {c} column of {f}?",
            "Give the {o} {c} over all rows of {f}.",
        ),
        ("From {f}, work out the {o} value of {c}.", "I would like to know the {o} {c} listed in {f}."),
        o=word,
        c=words,
        f=file_words,
    )
    step, value = aggregate_column(draft, table, table.name, argument, operation)
    draft.finish(Later(step, number(value)), "Report the number")
    return Task("table_total", question, number(value), table, tuple(draft.steps))


def table_count(draft: Draft) -> Task:
    """Columns -> aggregate count where -> finish."""
    table = make_table(draft)
    look = look_at_columns(draft, table, table.name)
    key = draft.rng.choice(text_columns(table))
    value = draft.rng.choice(table.column(key))
    words, argument = speak_of_column(draft, key, look)
    file_words, _ = draft.mention(table.name, draft.rng.choice(TABLE_NOUNS))
    question = draft.say(
        (
            "How many rows of {f} have {c} {v}?",
            "How many entries in {f} have {v} as {c}?",
            "Count the rows in {f} where {c} is {v}.",
            "In {f}, how often is the {c} {v}?",
            "How many times does {v} appear under {c} in {f}?",
        ),
        ("Number of lines in {f} whose {c} equals {v}?", "With {c} being {v}, how many records does {f} hold?"),
        c=words,
        v=str(value),
        f=file_words,
    )
    count = str(len(table.column(key, (key, value))))
    step = draft.call(
        "table_aggregate",
        "Count the matching rows",
        count,
        file_path=table.name,
        column=argument,
        operation="count",
        where_column=argument,
        where_value=str(value),
    )
    draft.finish(Later(step, count), "Report the count")
    return Task("table_count", question, count, table, tuple(draft.steps))


def table_where_total(draft: Draft) -> Task:
    """Columns -> aggregate where -> finish."""
    table = make_table(draft)
    look = look_at_columns(draft, table, table.name)
    key, column = draft.rng.choice(text_columns(table)), draft.rng.choice(number_columns(table))
    value = draft.rng.choice(table.column(key))
    key_words, key_argument = speak_of_column(draft, key, look)
    words, argument = speak_of_column(draft, column, look)
    file_words, _ = draft.mention(table.name, draft.rng.choice(TABLE_NOUNS))
    question = draft.say(
        (
            "What is the total {c} where {k} is {v} in {f}?",
            "In {f}, add up {c} for the rows whose {k} is {v}.",
            "Sum the {c} of all rows in {f} with {k} {v}.",
            "How much {c} does {f} list for {k} {v} in total?",
        ),
        ("Restricting {f} to {k} {v}, what does {c} add up to?",),
        c=words,
        k=key_words,
        v=str(value),
        f=file_words,
    )
    total = number(sum((Fraction(cell) for cell in table.column(column, (key, value))), Fraction(0)))
    step = draft.call(
        "table_aggregate",
        "Add up the matching rows",
        total,
        file_path=table.name,
        column=argument,
        operation="sum",
        where_column=key_argument,
        where_value=str(value),
    )
    draft.finish(Later(step, total), "Report the total")
    return Task("table_where_total", question, total, table, tuple(draft.steps))


def table_lookup(draft: Draft) -> Task:
    """Columns -> filter -> finish."""
    keys = tuple(dict.fromkeys(draft.names.word() for _ in range(draft.rng.randint(3, 10))))
    table = make_table(draft, key_values=keys)
    look = look_at_columns(draft, table, table.name)
    column = draft.rng.choice(table.columns[1:])
    row = draft.rng.choice(table.rows)
    words, _ = speak_of_column(draft, column, look)
    key_words, key_argument = speak_of_column(draft, table.columns[0], look)
    file_words, _ = draft.mention(table.name, draft.rng.choice(TABLE_NOUNS))
    question = draft.say(
        (
            "What is the {c} of the {k} {v} in {f}?",
            "Which {c} does {f} give for {k} {v}?",
            "Look up {v} under {k} in {f} and give its {c}.",
            "In {f}, what {c} belongs to {k} {v}?",
        ),
        ("For the {k} called {v}, {f} lists which {c}?",),
        c=words,
        k=key_words,
        v=str(row[0]),
        f=file_words,
    )
    answer = number(row[table.columns.index(column)])
    result = f"1 of {len(table.rows)} rows\n{table.row_text(row)}"
    step = draft.call(
        "table_filter",
        "Find the row",
        result,
        file_path=table.name,
        column=key_argument,
        operator="=",
        value=str(row[0]),
    )
    draft.finish(Later(step, answer), "Report the value")
    return Task("table_lookup", question, answer, table, tuple(draft.steps))


def table_extreme(draft: Draft) -> Task:
    """Columns -> sort -> finish."""
    while True:
        keys = tuple(dict.fromkeys(draft.names.word() for _ in range(draft.rng.randint(3, 10))))
        table = make_table(draft, key_values=keys)
        column = draft.rng.choice(number_columns(table))
        descending = draft.rng.random() < 0.5  # noqa: PLR2004
        cells = table.column(column)
        best = max(cells) if descending else min(cells)
        if cells.count(best) == 1:
            break
    look = look_at_columns(draft, table, table.name)
    row = table.rows[cells.index(best)]
    words, argument = speak_of_column(draft, column, look)
    key_words, _ = speak_of_column(draft, table.columns[0], look)
    file_words, _ = draft.mention(table.name, draft.rng.choice(TABLE_NOUNS))
    most = draft.rng.choice(("highest", "largest", "biggest") if descending else ("lowest", "smallest"))
    question = draft.say(
        (
            "Which {k} has the {m} {c} in {f}?",
            "In {f}, find the {k} with the {m} {c}.",
            "What is the {k} with the {m} {c} in {f}?",
            "Whose {c} is the {m} in {f}? Give the {k}.",
        ),
        ("Judging by {c}, which {k} of {f} is the one with the {m}?",),
        k=key_words,
        m=most,
        c=words,
        f=file_words,
    )
    order = ", descending" if descending else ""
    result = f"first 1 of {len(table.rows)} rows by {column}{order}\n{table.row_text(row)}"
    step = draft.call(
        "table_sort",
        "Sort and take the first row",
        result,
        file_path=table.name,
        column=argument,
        descending=descending,
        limit=1,
    )
    draft.finish(Later(step, str(row[0])), "Report the name")
    return Task("table_extreme", question, str(row[0]), table, tuple(draft.steps))


def json_value(draft: Draft) -> Task:
    """Inspect -> finish."""
    rng, names = draft.rng, draft.names
    groups = list(dict.fromkeys(names.word() for _ in range(rng.randint(2, 4))))
    fields = list(dict.fromkeys(names.number_column() for _ in range(rng.randint(1, 3))))
    data = {group: {name: rng.randint(1, 9999) for name in fields} for group in groups}
    file = Json(names.file("json"), data)
    group, name = rng.choice(groups), rng.choice(fields)
    words, _ = draft.mention(file.name, rng.choice(("file", "JSON file")))
    question = draft.say(
        (
            "What is the {c} of {g} in {f}?",
            "Which {c} does {f} hold for {g}?",
            "Read {f} and give the {c} of {g}.",
            "Find {g} in {f}: what is its {c}?",
        ),
        ("Under {g}, {f} has which {c}?",),
        c=name,
        g=group,
        f=words,
    )
    answer = str(data[group][name])
    step = draft.call("inspect_file_as_text", "Read the file", file.text, file_path=file.name)
    draft.finish(Later(step, answer), "Report the value")
    return Task("json_value", question, answer, file, tuple(draft.steps))


def slide_title(draft: Draft) -> Task:
    """Inspect -> finish."""
    rng, names = draft.rng, draft.names
    slides = tuple((names.word().capitalize(), f"{names.word()} and {names.word()}") for _ in range(rng.randint(2, 6)))
    deck = Slides(names.file("slides"), slides)
    at = rng.randrange(len(slides))
    words, _ = draft.mention(deck.name, rng.choice(("presentation", "slides", "slide deck")))
    question = draft.say(
        (
            "What is the title of slide {n} in {f}?",
            "Which title does slide {n} of {f} have?",
            "Open {f}. What is slide {n} called?",
            "Give the title of slide {n} of {f}.",
        ),
        ("Slide {n} of {f} is headed by which title?",),
        n=str(at + 1),
        f=words,
    )
    step = draft.call("inspect_file_as_text", "Read the slides", deck.text, file_path=deck.name)
    draft.finish(Later(step, slides[at][0]), "Report the title")
    return Task("slide_title", question, slides[at][0], deck, tuple(draft.steps))


def search_fact(draft: Draft) -> Task:
    """Search -> finish."""
    passage, label, value = person_passage(draft)
    question = draft.say(
        (
            "What is the {l} of {p}?",
            "Find the {l} of {p}.",
            "Search for {p}: what is the {l}?",
            "Tell me the {l} of {p}.",
        ),
        ("I am looking for the {l} of {p}.", "{p}: {l}?"),
        l=label,
        p=passage.title,
    )
    step = draft.call("ask_search_agent", "Search for it", passage.answer, query=f"{passage.title} {label}")
    draft.finish(Later(step, value), f"Report the {label}")
    return Task("search_fact", question, value, None, tuple(draft.steps), (passage,))


def person_search(draft: Draft) -> Task:
    """Inspect -> search -> finish: the document names a person, the corpus knows more."""
    passage, label, value = person_passage(draft)
    role = draft.rng.choice(("author", "manager", "contact"))
    document = fact_sheet(draft, role, passage.title)
    words, _ = draft.mention(document.name, draft.rng.choice(DOCUMENT_NOUNS))
    question = draft.say(
        (
            "What is the {l} of the {r} named in {f}?",
            "Find the {l} of the {r} in {f}.",
            "{f} names a {r}. What is the {l} of that person?",
            "Who is the {r} in {f}, and what is their {l}? Give only the {l}.",
        ),
        ("I need the {l} of whoever {f} gives as {r}.",),
        l=label,
        r=role,
        f=words,
    )
    look = read_document(draft, document, document.name)
    query = (Later(look, passage.title), f" {label}")
    step = draft.call("ask_search_agent", f"Search for the {label}", passage.answer, query=query)
    draft.finish(Later(step, value), f"Report the {label}")
    return Task("person_search", question, value, document, tuple(draft.steps), (passage,))


def person_passage(draft: Draft) -> tuple[Passage, str, str]:
    """A person in the search corpus, the label asked for, and its value."""
    rng, names = draft.rng, draft.names
    facts = {
        "birth year": str(rng.randint(1880, 2004)),
        "home town": names.place(),
        "profession": rng.choice(("painter", "chemist", "pilot", "teacher", "surgeon", "baker", "singer", "judge")),
    }
    order = list(facts)
    rng.shuffle(order)
    text = "; ".join(f"{label} {facts[label]}" for label in order)
    label = rng.choice(order)
    return Passage(names.person(), text), label, facts[label]


def code_words(draft: Draft) -> Task:
    """Code -> finish: small jobs on text or numbers that a block of Python does best."""
    rng, names = draft.rng, draft.names
    word = names.word()
    numbers = [rng.randint(1, 999) for _ in range(rng.randint(4, 8))]
    listed, at = ", ".join(map(str, numbers)), rng.randint(2, 4)
    ordinal = {2: "second", 3: "third", 4: "fourth"}[at]
    jobs = {
        "reverse": ("the letters of {w} in reverse order", f'print("{word}"[::-1])', word[::-1]),
        "length": ("the number of characters in {w}", f'print(len("{word}"))', str(len(word))),
        "upper": ("{w} in capital letters", f'print("{word}".upper())', word.upper()),
        "squares": ("the sum of the squares of {n}", f"print(sum(x * x for x in [{listed}]))", _squares(numbers)),
        "nth": (f"the {ordinal} largest of {{n}}", f"print(sorted([{listed}])[-{at}])", str(sorted(numbers)[-at])),
        "span": ("the largest of {n} minus the smallest", f"print(max([{listed}]) - min([{listed}]))", _span(numbers)),
    }
    job, source, answer = jobs[rng.choice(list(jobs))]
    question = draft.say(
        ("What is {j}?", "Give {j}.", "Find {j}.", "Work out {j}.", "Tell me {j}."),
        ("I want to know {j}.", "Please determine {j}."),
        j=job.replace("{w}", word).replace("{n}", listed),
    )
    step = draft.call("code", "Run a line of Python", answer, source=source)
    draft.finish(Later(step, answer), "Report what was printed")
    return Task("code_words", question, answer, None, tuple(draft.steps))


def _squares(numbers: list[int]) -> str:
    return str(sum(value * value for value in numbers))


def _span(numbers: list[int]) -> str:
    return str(max(numbers) - min(numbers))
