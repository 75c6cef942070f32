"""How alike two texts are, as the published scripts measure it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


def edit_distance(one: Sequence[Any], other: Sequence[Any]) -> int:
    """Levenshtein distance: insertions, deletions and replacements that turn one sequence into the other."""
    if len(one) < len(other):
        one, other = other, one
    row = list(range(len(other) + 1))
    for at, item in enumerate(one, 1):
        diagonal, row[0] = row[0], at
        for column, wanted in enumerate(other, 1):
            diagonal, row[column] = (
                row[column],
                min(row[column] + 1, row[column - 1] + 1, diagonal + (item != wanted)),
            )
    return row[-1]


def edit_similarity(one: Sequence[Any], other: Sequence[Any]) -> float:
    """1 less the edit distance over the longer length; 1.0 for two empty sequences."""
    longest = max(len(one), len(other))
    return 1.0 - edit_distance(one, other) / longest if longest else 1.0


def set_f1(one: Collection[str], other: Collection[str]) -> float:
    """F1 of two sets of tokens; 0.0 when either is empty (what two empty sets mean is the caller's rule)."""
    left, right = set(one), set(other)
    common = len(left & right)
    return 2 * common / (len(left) + len(right)) if common else 0.0


def contains_either_way(one: str, other: str) -> bool:
    """Whether one text stands in the other, case and outer white space aside; an empty one stands in any."""
    left, right = one.strip().lower(), other.strip().lower()
    return left in right or right in left
