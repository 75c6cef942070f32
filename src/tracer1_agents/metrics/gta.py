"""GTA's metrics, under two protocols that must not be mixed: GTA's own, and that of the T3 (MAT) agent's tables.

Own: answers by whole words against whitelist and blacklist, F1 of tools by category, step-wise accuracies
(`opencompass/datasets/gta_bench.py`, open-compass/GTA). T3 (MAT-Agent; TraceR1's GTA columns follow it): answers by
substring, ToolAcc, CodeExec. Code for the last two is not public; our definitions stand at their functions.

Not here: answers that the source compares by sentence embeddings or pictures; those are unscorable (None).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from tracer1_agents.actions.match import same_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

AnswerRule = Literal["official", "strict", "t3"]

CATEGORIES: Final[dict[str, tuple[str, ...]]] = {
    "perception": ("OCR", "ImageDescription", "RegionAttributeDescription", "TextToBbox"),
    "operation": ("DrawBox", "AddText", "GoogleSearch"),
    "logic": ("Calculator", "Solver", "Plot", "MathOCR", "CountGivenObject"),
    "creativity": ("TextToImage", "ImageStylization"),
}
_TINY: Final = 1e-5  # the published code adds it to two denominators


@dataclass(frozen=True)
class GtaAnswer:
    """A reference answer: groups of aliases that must occur, and words that must not."""

    whitelist: tuple[tuple[str, ...], ...]
    blacklist: tuple[tuple[str, ...], ...] = ()


def gta_answer(prediction: str | None, truth: GtaAnswer, *, rule: AnswerRule = "official") -> bool:
    """Whether an answer is right.

    Args:
        prediction: The final answer; None is wrong.
        truth: Groups of aliases.
        rule: "official" finds aliases between word boundaries as regular expressions know them, so that "$5" and "50%"
            are found nowhere but inside longer words; "strict" wants no word character beside a word character of the
            alias, which finds these too; "t3" takes any substring and no blacklist. All ignore case.
    """
    if prediction is None:
        return False
    found = all(any(_occurs(alias, prediction, rule) for alias in group) for group in truth.whitelist)
    if rule == "t3":
        return found
    return found and not any(_occurs(word, prediction, rule) for group in truth.blacklist for word in group)


def _occurs(alias: str, text: str, rule: AnswerRule) -> bool:
    if rule == "t3":
        return alias.lower() in text.lower()
    before = r"\b" if rule == "official" or alias[:1].isalnum() else ""
    after = r"\b" if rule == "official" or alias[-1:].isalnum() else ""
    return re.search(before + re.escape(alias) + after, text, re.IGNORECASE) is not None


def category_of(tool: str) -> str | None:
    """Perception, operation, logic or creativity; None for a tool that is not GTA's."""
    return next((name for name, tools in CATEGORIES.items() if tool in tools), None)


def tool_f1(episodes: Iterable[tuple[Sequence[str], Sequence[str]]]) -> dict[str, float | None]:
    """F1 of called tools by category, over all episodes (the published end-to-end mode).

    A reference call counts as found when the episode called that tool at all, however often; precision is found
    reference calls over the policy's own calls of the category, so it can exceed 1 (kept as published).

    Args:
        episodes: Names called by the policy, then those of the reference.

    Returns:
        By category; None where the references call none of it.
    """
    found, called, wanted = Counter[str](), Counter[str](), Counter[str]()
    for mine, reference in episodes:
        called.update(name for tool in mine if (name := category_of(tool)))
        for tool in reference:
            if name := category_of(tool):
                wanted[name] += 1
                found[name] += tool in mine
    return {name: _f1(found[name], called[name], wanted[name]) if wanted[name] else None for name in CATEGORIES}


def _f1(found: int, called: int, wanted: int) -> float:
    precision, recall = found / (called + _TINY), found / wanted
    return 2 * precision * recall / (precision + recall + _TINY)


def same_arguments(mine: Mapping[str, Any], wanted: Mapping[str, Any], *, strict: bool = False) -> bool:
    """Whether a call's arguments are right.

    Args:
        mine: Of the policy.
        wanted: Of the reference.
        strict: Compare as `actions.match` does (texts folded, 2.0 equal to "2"); else equal as JSON, as published.
    """
    if not strict:
        return dict(mine) == dict(wanted)
    return same_value(dict(mine), dict(wanted))


def tool_recall(mine: Sequence[str], wanted: Sequence[str]) -> float | None:
    """T3's ToolAcc as we define it: share of the reference's tool calls whose tool was called, each call once.

    Returns:
        In [0, 1]; None where the reference calls no tool.
    """
    if not wanted:
        return None
    return (Counter(mine) & Counter(wanted)).total() / len(wanted)


def code_executed(outcomes: Sequence[bool]) -> float | None:
    """T3's CodeExec as we define it: emitted blocks that ran without an error, over emitted blocks.

    Args:
        outcomes: For each emitted block, whether it ran; a reply without a readable block is one that did not.

    Returns:
        In [0, 1]; None where none was emitted.
    """
    return sum(outcomes) / len(outcomes) if outcomes else None
