"""Pieces that several families share: tables, fact sheets, mentions and step sequences."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from tracer1_agents.data.taskgen.contents import Cell, Document, Picture, Table, aggregate, number
from tracer1_agents.data.taskgen.draft import Later
from tracer1_agents.data.taskgen.names import fold_column

if TYPE_CHECKING:
    from fractions import Fraction

    from tracer1_agents.data.taskgen.draft import Argument, Draft

TABLE_NOUNS: Final = ("spreadsheet", "table")
DOCUMENT_NOUNS: Final = ("document", "report", "text")
PICTURE_NOUNS: Final = ("picture", "image", "photo")
SIGNS: Final[dict[str, tuple[str, ...]]] = {
    "+": ("plus", "added to"),
    "-": ("minus", "less"),
    "*": ("times", "multiplied by"),
}
OPERATIONS: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "sum": (("total", "sum", "overall"), ("combined", "summed-up")),
    "mean": (("average", "mean"), ("typical (mean)",)),
    "max": (("highest", "maximum", "largest"), ("top", "peak")),
    "min": (("lowest", "minimum", "smallest"), ("bottom",)),
    "median": (("median", "middle (median)"), ("50th-percentile (median)",)),
}


def amount(draft: Draft, *, decimals: bool | None = None) -> int | Decimal:
    """A number as cells and receipts hold it: an integer or, now and then, two decimals."""
    rng = draft.rng
    if decimals if decimals is not None else rng.random() < 0.25:  # noqa: PLR2004
        return Decimal(rng.randint(100, 99999)) / 100
    return rng.randint(1, 10 ** rng.randint(1, 4))


def make_table(draft: Draft, taken: tuple[str, ...] = (), key_values: tuple[str, ...] | None = None) -> Table:
    """A table with one or two text columns and one to three numeric ones, 3 to 15 rows.

    Args:
        draft: The task under construction.
        taken: File names already in use.
        key_values: Fill the first column with these, one row each, instead of drawn words.
    """
    rng, names = draft.rng, draft.names
    columns = [names.key_column()]
    for _ in range(rng.randint(0, 1)):
        columns.append(names.key_column(tuple(columns)))
    texts = len(columns)
    for _ in range(rng.randint(1, 3)):
        columns.append(names.number_column(tuple(columns)))
    decimals = [rng.random() < 0.25 for _ in columns]  # noqa: PLR2004
    groups = [[names.word() for _ in range(rng.randint(2, 4))] for _ in range(texts)]
    rows: list[tuple[Cell, ...]] = []
    for k in range(len(key_values) if key_values else rng.randint(3, 15)):
        keys: list[Cell] = [rng.choice(group) for group in groups]
        if key_values:
            keys[0] = key_values[k]
        rows.append((*keys, *(amount(draft, decimals=decimals[at]) for at in range(texts, len(columns)))))
    return Table(names.file("table", taken), tuple(columns), tuple(rows))


def text_columns(table: Table) -> list[str]:
    """Columns that hold text."""
    return [column for column in table.columns if isinstance(table.column(column)[0], str)]


def number_columns(table: Table) -> list[str]:
    """Columns that hold numbers."""
    return [column for column in table.columns if not isinstance(table.column(column)[0], str)]


def speak_of_column(draft: Draft, column: str, step: int) -> tuple[str, Argument]:
    """How the question names a column, and the argument that follows from it.

    People write "unit price" for `unit_price`; then the exact name is known only once step `step` listed the columns.
    """
    if draft.rng.random() < 0.35:  # noqa: PLR2004
        words = fold_column(column)
        return words, column if words == column else Later(step, column)
    return column, column


def look_at_columns(draft: Draft, table: Table, path: Argument) -> int:
    """The step that lists a table's columns."""
    return draft.call("table_columns", "List the columns", table.header, file_path=path)


def operation_words(draft: Draft, *, of: tuple[str, ...] = tuple(OPERATIONS)) -> tuple[str, str]:
    """An aggregate and a word for it."""
    operation = draft.rng.choice(of)
    trained, held_out = OPERATIONS[operation]
    return operation, draft.rng.choice(held_out if draft.unseen_phrases else trained)


def aggregate_column(
    draft: Draft, table: Table, path: Argument, column: Argument, operation: str
) -> tuple[int, Fraction]:
    """The step that aggregates a column; returns its number and value."""
    name = column.text if isinstance(column, Later) else str(column)
    value = aggregate(table.column(name), operation)
    step = draft.call(
        "table_aggregate",
        f"Compute the {operation} of the column",
        number(value),
        file_path=path,
        column=column,
        operation=operation,
    )
    return step, value


def combine(draft: Draft, left: tuple[int, Fraction], sign: str, right: tuple[int, Fraction]) -> tuple[int, Fraction]:
    """The calculator step on two earlier results; returns its number and value."""
    (a, x), (b, y) = left, right
    value = {"+": x + y, "-": x - y, "*": x * y}[sign]
    expression = (Later(a, number(x)), f" {sign} ", Later(b, _operand(y)))
    step = draft.call("calculator", "Combine the two numbers", number(value), expression=expression)
    return step, value


def _operand(value: Fraction) -> str:
    text = number(value)
    return f"({text})" if text.startswith("-") else text


def make_picture(draft: Draft, lines: tuple[str, ...], taken: tuple[str, ...] = ()) -> Picture:
    """An image with text."""
    return Picture(draft.names.file("picture", taken), lines)


def read_picture(draft: Draft, picture: Picture, path: Argument) -> int:
    """The step that reads an image's text."""
    return draft.call("ocr", "Read the picture", picture.text, image_path=path)


def read_document(draft: Draft, document: Document, path: Argument) -> int:
    """The step that reads a document."""
    return draft.call("inspect_file_as_text", "Read the document", document.text, file_path=path)


FACT_LABELS: Final[dict[str, tuple[str, ...]]] = {
    "budget": ("The budget is {v}.", "Budget: {v}", "A budget of {v} was approved."),
    "deadline": ("The deadline is {v}.", "Deadline: {v}", "Everything is due by {v}."),
    "manager": ("The manager is {v}.", "Manager: {v}", "{v} is the manager."),
    "author": ("Written by {v}.", "Author: {v}", "The author is {v}."),
    "room": ("The room is {v}.", "Room: {v}", "We meet in room {v}."),
    "order number": ("The order number is {v}.", "Order number: {v}"),
    "supplier": ("The supplier is {v}.", "Supplier: {v}", "{v} is the supplier."),
    "city": ("The city is {v}.", "City: {v}", "It takes place in the city of {v}."),
    "head count": ("The head count is {v}.", "Head count: {v}"),
    "code name": ("The code name is {v}.", "Code name: {v}", "It goes by the code name {v}."),
    "price": ("The price is {v}.", "Price: {v}"),
    "contact": ("The contact is {v}.", "Contact: {v}"),
}
_NUMBERS: Final = frozenset({"budget", "order number", "head count", "price", "room"})
_PEOPLE: Final = frozenset({"manager", "author", "contact"})


def fact_value(draft: Draft, label: str) -> str:
    """A value of the sort that a label wants."""
    rng, names = draft.rng, draft.names
    if label in _NUMBERS:
        return str(rng.randint(1, 10 ** rng.randint(2, 5)))
    if label in _PEOPLE:
        return names.person()
    if label == "deadline":
        return f"{rng.randint(1, 28)} {rng.choice(('March', 'May', 'June', 'August', 'October', 'December'))}"
    return names.place() if label == "city" else names.word().capitalize()


def fact_sheet(draft: Draft, wanted: str, value: str, taken: tuple[str, ...] = ()) -> Document:
    """A document of three to six facts, the wanted one among them."""
    rng, names = draft.rng, draft.names
    others = rng.sample([label for label in FACT_LABELS if label != wanted], rng.randint(2, 5))
    facts = [(label, fact_value(draft, label)) for label in others] + [(wanted, value)]
    rng.shuffle(facts)
    lines = [f"Notes on {names.word()}", *(rng.choice(FACT_LABELS[label]).replace("{v}", v) for label, v in facts)]
    return Document(names.file("document", taken), tuple(lines))
