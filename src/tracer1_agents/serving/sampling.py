"""One row of sampling: what it asks for, how its next token is drawn, and when it ends.

Every row has a seeded generator of its own, so that its text does not depend on what else is in the batch.
Log-probabilities are those of raw logits / temperature, the distribution a trainer scores.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from tracer1_agents.serving.chat import Pictures

_GREEDY: Final = 1e-6
_OPENING: Final = 4  # tokens at the end of a prompt in which a chat template may open a thought
_SEEDS: Final = 2**63  # torch takes no larger ones


@dataclass(frozen=True)
class SampleRequest:
    """What one row asks for.

    Attributes:
        prompt_ids: Token ids, chat template applied.
        max_new_tokens: Upper bound on the completion.
        temperature: 0 is greedy.
        seed: Decides the draws of this row; ignored when greedy.
        stop_lines: End after this many non-empty lines, None for no such limit.
        max_thought_tokens: A thought that is still open after so many tokens ends the row; None for no such limit.
        pictures: What the prompt's image tokens stand for; None where there are none.
        cancelled: Set it to give the row up while others go on.
    """

    prompt_ids: tuple[int, ...]
    max_new_tokens: int = 512
    temperature: float = 0.0
    seed: int = 0
    stop_lines: int | None = None
    max_thought_tokens: int | None = None
    pictures: Pictures | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Sample:
    """What one row got.

    Attributes:
        prompt_ids: As requested.
        completion_ids: Sampled ids, the end-of-turn token included where it was reached.
        logprobs: Natural log-probability of each completion id.
        text: Decoded view of the completion; never encoded again.
        finish_reason: "stop", "length", "thought" for a thought beyond its budget, or "cancelled" for a row that was
            given up.
    """

    prompt_ids: tuple[int, ...]
    completion_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    text: str
    finish_reason: str


@dataclass(frozen=True)
class Vocabulary:
    """Ids by what they end, begin or are.

    Those that end a turn or a line; nothing but blanks; never drawn; that open or close a thought; with which an aside
    begins: a summary's line, or the mark of a thought in several tokens.

    An image or video token in a reply would stand for a picture that is not there, which no later forward pass takes.
    """

    eos: frozenset[int]
    newline: frozenset[int]
    blank: frozenset[int]
    never: frozenset[int] = frozenset()
    thought_opens: frozenset[int] = frozenset()
    thought_closes: frozenset[int] = frozenset()
    asides: frozenset[int] = frozenset()

    @classmethod
    def of(cls, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Vocabulary:
        """Read it off a tokenizer, byte-level or SentencePiece."""
        marks = str.maketrans({"Ċ": "\n", "Ġ": " ", "ĉ": "\t", "▁": " "})
        pieces = [str(piece).translate(marks) for piece in tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))]
        pads = (getattr(model.config, name, None) for name in ("image_token_id", "video_token_id"))
        eos = getattr(model.generation_config, "eos_token_id", None)
        eos = tokenizer.eos_token_id if eos is None else eos
        return cls(
            eos=frozenset(eos if isinstance(eos, list) else [eos]),
            newline=frozenset(at for at, piece in enumerate(pieces) if "\n" in piece),
            blank=frozenset(at for at, piece in enumerate(pieces) if piece.isspace()),
            never=frozenset(pad for pad in pads if pad is not None),
            thought_opens=frozenset(at for at, piece in enumerate(pieces) if piece in {"<think>", "<thinking>"}),
            thought_closes=frozenset(at for at, piece in enumerate(pieces) if piece in {"</think>", "</thinking>"}),
            asides=frozenset(at for at, piece in enumerate(pieces) if piece.startswith(("#", "<"))),
        )


class Row:
    """A request in progress.

    Args:
        request: What is asked for.
        vocabulary: Which ids end turns and lines.
        positions: Tokens, prompt included, that the model has positions for.
    """

    def __init__(self, request: SampleRequest, vocabulary: Vocabulary, positions: int) -> None:
        self.request, self.vocabulary = request, vocabulary
        self._bound = min(request.max_new_tokens, positions - len(request.prompt_ids))
        self.ids: list[int] = []
        self.logprobs: list[float] = []
        self.finish_reason = ""
        self.greedy = request.temperature <= _GREEDY
        self.temperature = 1.0 if self.greedy else request.temperature
        self._generator = torch.Generator().manual_seed(request.seed % _SEEDS)
        self._lines, self._line_is_empty, self._line_counts = 0, True, True

    def noise(self, size: int) -> torch.Tensor:
        """Gumbel noise over the vocabulary: the largest of log p + noise is a draw from p."""
        uniform = torch.rand(size, generator=self._generator, dtype=torch.float64)
        return -torch.log(-torch.log(uniform.clamp_min(1e-300)))

    def take(self, token: int, logprob: float) -> None:
        """Add a drawn token, and note when the row ends with it.

        Thoughts are told by the vocabulary's marks: a model whose chat template opens the thought, or that writes the
        opening mark itself, thinks until the closing one. Lines of a thought and a summary's line are no pairs.
        """
        self.ids.append(token)
        self.logprobs.append(logprob)
        if self._line_is_empty and token not in self.vocabulary.blank:
            self._line_is_empty = False
            self._line_counts = token not in self.vocabulary.asides and not self._is_thinking()
        if token in self.vocabulary.thought_closes:
            self._line_is_empty = True
        if token in self.vocabulary.newline and not self._line_is_empty:
            self._lines, self._line_is_empty = self._lines + self._line_counts, True
        limit = self.request.stop_lines
        if token in self.vocabulary.eos or (limit is not None and self._lines >= limit):
            self.finish_reason = "stop"
        elif self.request.cancelled.is_set():
            self.finish_reason = "cancelled"
        elif len(self.ids) >= self._bound:
            self.finish_reason = "length"
        elif len(self.ids) == self.request.max_thought_tokens and self._is_thinking():
            self.finish_reason = "thought"

    def _is_thinking(self) -> bool:
        """Whether a thought was opened, by the reply or by the end of the prompt, and not closed."""
        opened = [at for at, token in enumerate(self.ids) if token in self.vocabulary.thought_opens]
        closed = [at for at, token in enumerate(self.ids) if token in self.vocabulary.thought_closes]
        by_prompt = any(token in self.vocabulary.thought_opens for token in self.request.prompt_ids[-_OPENING:])
        return (by_prompt or bool(opened)) and not closed

    def sample(self, tokenizer: PreTrainedTokenizerBase) -> Sample:
        """What the row got."""
        text = str(tokenizer.decode(self.ids, skip_special_tokens=True))
        return Sample(self.request.prompt_ids, tuple(self.ids), tuple(self.logprobs), text, self.finish_reason)


def draw(rows: Sequence[Row], logits: torch.Tensor) -> None:
    """Draw the next token of every row.

    Args:
        rows: In the order of the logits.
        logits: Raw, (rows, vocabulary).
    """
    scale = torch.tensor([row.temperature for row in rows], device=logits.device)
    logprobs = (logits.float() / scale[:, None]).log_softmax(-1)
    keyed = logprobs
    never = sorted(rows[0].vocabulary.never)
    if never or not all(row.greedy for row in rows):
        keyed = logprobs.clone()
        keyed[:, never] = -torch.inf  # not drawn; the log-probabilities stay those of the whole vocabulary
        for at, row in enumerate(rows):
            if not row.greedy:
                keyed[at] += row.noise(logprobs.shape[1]).to(logprobs)
    chosen = keyed.argmax(-1, keepdim=True)
    values = logprobs.gather(1, chosen)
    for row, token, logprob in zip(rows, chosen[:, 0].tolist(), values[:, 0].tolist(), strict=True):
        row.take(token, logprob)
