"""The families by name: trained ones, long ones among them, and those never trained on."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Final

from tracer1_agents.data.taskgen import no_file, several_files, single_file
from tracer1_agents.data.taskgen.draft import Draft
from tracer1_agents.data.taskgen.names import NameSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracer1_agents.data.taskgen.draft import Task
    from tracer1_agents.data.taskgen.names import Split

    Family = Callable[[Draft], Task]

LONG: Final[dict[str, Family]] = {
    "clue_chain": several_files.clue_chain,
    "running_total": several_files.running_total,
    "receipts": several_files.receipts,
}
TRAINED: Final[dict[str, Family]] = {
    "arithmetic": no_file.arithmetic,
    "equation": no_file.equation,
    "document_fact": single_file.document_fact,
    "picture_text": single_file.picture_text,
    "table_total": single_file.table_total,
    "table_count": single_file.table_count,
    "table_where_total": single_file.table_where_total,
    "table_lookup": single_file.table_lookup,
    "table_extreme": single_file.table_extreme,
    "json_value": single_file.json_value,
    "slide_title": single_file.slide_title,
    "search_fact": no_file.search_fact,
    "person_search": single_file.person_search,
    "code_words": no_file.code_words,
    "picture_and_table": several_files.picture_and_table,
    "two_tables": several_files.two_tables,
    "join_tables": several_files.join_tables,
    **LONG,
}
TRAINING_MIX: Final[tuple[str, ...]] = (  # finding one value among several is learnt last: shown twice as often
    *TRAINED, "json_value", "slide_title", "table_lookup", "document_fact", "clue_chain", "code_words", "arithmetic",
    "picture_text", "table_extreme", "person_search",
)  # fmt: skip
UNSEEN: Final[dict[str, Family]] = {
    "picture_minus_document": several_files.picture_minus_document,
    "column_range": several_files.column_range,
    "equation_in_picture": several_files.equation_in_picture,
    "two_counts": several_files.two_counts,
}
FAMILIES: Final[dict[str, Family]] = {**TRAINED, **UNSEEN}


def make_task(
    family: str,
    seed: int | str,
    *,
    split: Split = "train",
    unseen_styles: bool = False,
    unseen_phrases: bool = False,
) -> Task:
    """One task, the same for the same arguments.

    Args:
        family: A key of `FAMILIES`.
        seed: Decides everything drawn.
        split: Whose words to use; "held_out" words never occur in training.
        unseen_styles: File names in styles that training never shows.
        unseen_phrases: Paraphrases that training never shows.

    Raises:
        KeyError: No such family.
    """
    rng = Random(f"{family}/{seed}")  # noqa: S311  (reproducible, not secret)
    return FAMILIES[family](Draft(rng, NameSource(rng, split, unseen_styles), unseen_phrases))
