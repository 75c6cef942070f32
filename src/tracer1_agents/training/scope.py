"""Which tokens of a reply stage 2 trains: all of them, or the thought and the first pair, which alone were executed.

Unguarded, a gradient on the whole reply lets the forecast's tail drift: nothing in the grounded reward looks at it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracer1_agents.actions.thoughts import split_thought

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer1_agents.actions.codec import Grammar


def first_pair_tokens(ids: Sequence[int], tokenizer: Any, grammar: Grammar) -> int:
    """How many leading tokens hold everything up to the end of the first pair.

    Args:
        ids: A completion.
        tokenizer: Decodes it.
        grammar: Reads it.

    Returns:
        All of them when no pair can be told from what follows, or the thought never ends: then the whole reply is to
        blame.
    """
    text = _decoded(tokenizer, ids)
    _, rest, closed = split_thought(text)  # a thought may quote actions
    pairs = grammar.parse(rest).pairs if closed else ()
    if len(pairs) < 2 or not pairs[0].text or pairs[0].text not in rest:  # noqa: PLR2004  (nothing follows the first)
        return len(ids)
    end = len(text) - len(rest) + rest.index(pairs[0].text) + len(pairs[0].text)
    low, high = 1, len(ids)
    while low < high:  # the shortest prefix that reaches the end; decoding more tokens never gives less text
        middle = (low + high) // 2
        if len(_decoded(tokenizer, ids[:middle])) >= end:
            high = middle
        else:
            low = middle + 1
    return low


def _decoded(tokenizer: Any, ids: Sequence[int]) -> str:
    return str(tokenizer.decode(list(ids), skip_special_tokens=True))
