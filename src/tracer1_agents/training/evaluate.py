"""How well a planner continues reference windows: greedy replies against the reference, pair by pair."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from tracer1_agents.actions.grammars.canonical import CanonicalGrammar
from tracer1_agents.data.taskgen.windows import WindowOptions, stream_windows
from tracer1_agents.serving.engine import SampleRequest, SamplingEngine

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from tracer1_agents.data.taskgen.windows import Window

_BATCH = 32
_SLACK = 24
_EVALUATION_SEED = 777_000


def window_messages(window: Window) -> list[dict[str, str]]:
    """A window's prompt as role and text."""
    return [{"role": message.role, "content": message.text} for message in window.messages]


def evaluate_windows(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, horizon: int, count: int
) -> dict[str, float]:
    """Exact-match rates on held-out names.

    Returns:
        ``windows`` (how many), and as fractions of them or of their pairs ``first_exact`` (the executed action),
        ``pairs_exact`` (all pairs, position by position) and ``kinds_right`` (same tool or action name).
    """
    engine = SamplingEngine(model, tokenizer)
    windows = list(islice(stream_windows(_EVALUATION_SEED, WindowOptions(horizon), split="held_out"), count))
    was_training = model.training
    model.train(mode=False)
    replies: list[str] = []
    for at in range(0, count, _BATCH):
        requests = [
            SampleRequest(engine.encode_chat(window_messages(window)), max_new_tokens=_room(tokenizer, window))
            for window in windows[at : at + _BATCH]
        ]
        replies += [sample.text for sample in engine.sample(requests)]
    model.train(was_training)
    return score_replies(windows, replies)


def _room(tokenizer: PreTrainedTokenizerBase, window: Window) -> int:
    """Tokens that a reply may take: a wrong one need not be read to its end."""
    return len(tokenizer(window.reply)["input_ids"]) + _SLACK


def score_replies(windows: list[Window], replies: list[str]) -> dict[str, float]:
    """The rates that `evaluate_windows` reports, for given replies."""
    grammar = CanonicalGrammar()
    first = pairs = kinds = total = 0
    for window, reply in zip(windows, replies, strict=True):
        got = [pair.action for pair in grammar.parse(reply).pairs]
        wanted = [action for action, _ in window.pairs]
        first += got[0] == wanted[0]
        total += len(wanted)
        for one, other in zip(got, wanted, strict=False):
            pairs += one == other
            kinds += one is not None and operation_name(one) == operation_name(other)
    return {
        "windows": len(windows),
        "first_exact": round(first / len(windows), 4),
        "pairs_exact": round(pairs / total, 4),
        "kinds_right": round(kinds / total, 4),
    }


def operation_name(action: object) -> str:
    """Tool name, or kind of any other action."""
    return getattr(action, "name", None) or str(getattr(action, "kind", ""))
