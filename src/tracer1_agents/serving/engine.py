"""Batched sampling from a transformers checkpoint, row by row independent.

The engine tokenises nothing and knows no messages: prompt ids in, completion ids with their log-probabilities out. Each
row draws from its own seeded generator, so its text does not depend on what else is in the batch (up to floating-point
noise of padded kernels: exact in float32 in the tests, not promised in bfloat16). Log-probabilities are those of raw
logits / temperature, the distribution a trainer scores.
"""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import torch
from transformers import LogitsProcessor, LogitsProcessorList, StoppingCriteria, StoppingCriteriaList

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_GREEDY: Final = 1e-6
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
        cancelled: Set it to give the row up while others go on.
    """

    prompt_ids: tuple[int, ...]
    max_new_tokens: int = 512
    temperature: float = 0.0
    seed: int = 0
    stop_lines: int | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Sample:
    """What one row got.

    Attributes:
        prompt_ids: As requested.
        completion_ids: Sampled ids, the end-of-turn token included where it was reached.
        logprobs: Natural log-probability of each completion id.
        text: Decoded view of the completion; never encoded again.
        finish_reason: "stop", "length", or "cancelled" for a row that was given up.
    """

    prompt_ids: tuple[int, ...]
    completion_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    text: str
    finish_reason: str


class _RowSampler(LogitsProcessor):
    """Chooses each row's next token itself and leaves `generate` no choice."""

    def __init__(self, requests: Sequence[SampleRequest]) -> None:
        self.temperatures = torch.tensor([max(request.temperature, _GREEDY) for request in requests])
        self.sampled = [at for at, request in enumerate(requests) if request.temperature > _GREEDY]
        self.generators = {at: torch.Generator().manual_seed(requests[at].seed % _SEEDS) for at in self.sampled}
        self.logprobs: list[list[float]] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        del input_ids
        logits = scores.float()
        greedy = self.temperatures <= _GREEDY
        scale = torch.where(greedy, 1.0, self.temperatures).to(logits.device)
        logprobs = (logits / scale[:, None]).log_softmax(-1)
        keyed = logprobs
        if self.sampled:
            keyed = logprobs.clone()
            for at in self.sampled:  # Gumbel-max: the largest of log p + noise is a draw from p
                uniform = torch.rand(logprobs.shape[1], generator=self.generators[at], dtype=torch.float64)
                noise = -torch.log(-torch.log(uniform.clamp_min(1e-300)))
                keyed[at] += noise.to(logits.device, logits.dtype)
        chosen = keyed.argmax(-1, keepdim=True)
        self.logprobs.append(logprobs.gather(1, chosen)[:, 0].tolist())
        return torch.full_like(scores, float("-inf")).scatter_(1, chosen, 0.0)


@dataclass(frozen=True)
class _Vocabulary:
    """Ids that end something: a turn, a line; and those that are nothing but line breaks and blanks."""

    eos: frozenset[int]
    newline: frozenset[int]
    blank: frozenset[int]

    @classmethod
    def of(cls, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> _Vocabulary:
        marks = str.maketrans({"Ċ": "\n", "Ġ": " ", "ĉ": "\t", "▁": " "})  # byte-level and SentencePiece spellings
        pieces = [str(piece).translate(marks) for piece in tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))]
        eos = getattr(model.generation_config, "eos_token_id", None)
        eos = tokenizer.eos_token_id if eos is None else eos
        return cls(
            eos=frozenset(eos if isinstance(eos, list) else [eos]),
            newline=frozenset(at for at, piece in enumerate(pieces) if "\n" in piece),
            blank=frozenset(at for at, piece in enumerate(pieces) if piece.isspace()),
        )


class _RowLimits(StoppingCriteria):
    """Ends each row at its own limits, and keeps where and why it ended."""

    def __init__(
        self, requests: Sequence[SampleRequest], bounds: Sequence[int], prompt_length: int, vocabulary: _Vocabulary
    ) -> None:
        self.requests, self.bounds, self.prompt_length, self.vocabulary = requests, bounds, prompt_length, vocabulary
        self.ends: list[tuple[int, str] | None] = [None] * len(requests)
        self._lines = [0] * len(requests)
        self._line_is_empty = [True] * len(requests)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: object) -> torch.Tensor:
        del scores, kwargs
        length = input_ids.shape[1] - self.prompt_length
        for at, token in enumerate(input_ids[:, -1].tolist()):
            if self.ends[at] is None and (reason := self._reason(at, token, length)):
                self.ends[at] = (length, reason)
        return torch.tensor([end is not None for end in self.ends], device=input_ids.device)

    def _reason(self, at: int, token: int, length: int) -> str:
        """Why row `at` ends with `token`; "" when it goes on."""
        request = self.requests[at]
        if token not in self.vocabulary.blank:
            self._line_is_empty[at] = False
        if token in self.vocabulary.newline and not self._line_is_empty[at]:
            self._lines[at] += 1
            self._line_is_empty[at] = True
        if token in self.vocabulary.eos or (request.stop_lines is not None and self._lines[at] >= request.stop_lines):
            return "stop"
        if request.cancelled.is_set():
            return "cancelled"
        return "length" if length >= self.bounds[at] else ""


class SamplingEngine:
    """A model with its tokenizer, ready to sample batches.

    Args:
        model: A causal language model of transformers, in evaluation mode.
        tokenizer: Its tokenizer, with a chat template.
        max_prompt_tokens: Longer prompts are refused, None for what the model's positions hold. A reply ends where the
            positions end, whatever was asked for.
    """

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, max_prompt_tokens: int | None = None
    ) -> None:
        self.model, self.tokenizer = model, tokenizer
        self._positions: int = getattr(model.config, "max_position_embeddings", None) or sys.maxsize
        self.max_prompt_tokens = min(max_prompt_tokens or sys.maxsize, self._positions - 1)
        self._lock = threading.Lock()
        self._vocabulary = _Vocabulary.of(model, tokenizer)

    def encode_chat(self, messages: Sequence[dict[str, str]]) -> tuple[int, ...]:
        """Token ids of a conversation, ready for the assistant's turn."""
        chat = list(messages)
        encoded: Any = self.tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=True)
        return tuple(encoded["input_ids"])

    def sample(self, requests: Sequence[SampleRequest]) -> list[Sample]:
        """One completion per request, in order; calls from several threads take turns.

        Raises:
            ValueError: See `check`.
        """
        for request in requests:
            self.check(request)
        with self._lock, torch.inference_mode():
            return self._generate(requests)

    def check(self, request: SampleRequest) -> None:
        """Refuse what the model cannot do.

        Raises:
            ValueError: The prompt is empty or too long, or no token is asked for.
        """
        length = len(request.prompt_ids)
        if not 0 < length <= self.max_prompt_tokens:
            msg = f"a prompt needs 1 to {self.max_prompt_tokens} tokens, got {length}; shorten history or observation"
            raise ValueError(msg)
        if request.max_new_tokens < 1:
            msg = f"max_new_tokens must be at least 1, got {request.max_new_tokens}"
            raise ValueError(msg)

    def _generate(self, requests: Sequence[SampleRequest]) -> list[Sample]:
        device = self.model.device
        longest = max(len(request.prompt_ids) for request in requests)
        pad = self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else min(self._vocabulary.eos)
        ids = torch.full((len(requests), longest), pad, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for at, request in enumerate(requests):
            ids[at, longest - len(request.prompt_ids) :] = torch.tensor(request.prompt_ids)
            mask[at, longest - len(request.prompt_ids) :] = 1
        bounds = [min(request.max_new_tokens, self._positions - len(request.prompt_ids)) for request in requests]
        sampler, limits = _RowSampler(requests), _RowLimits(requests, bounds, longest, self._vocabulary)
        generate: Any = self.model.generate  # a mixin's method, unknown to the type of the model
        output = generate(
            input_ids=ids.to(device),
            attention_mask=mask.to(device),
            max_new_tokens=max(bounds),
            do_sample=False,
            logits_processor=LogitsProcessorList([sampler]),
            stopping_criteria=StoppingCriteriaList([limits]),
            eos_token_id=sorted(self._vocabulary.eos),
            pad_token_id=pad,
        )
        completions = output[:, longest:].tolist()
        return [
            self._finish(request, completions[at], [step[at] for step in sampler.logprobs], limits.ends[at])
            for at, request in enumerate(requests)
        ]

    def _finish(
        self, request: SampleRequest, ids: list[int], logprobs: list[float], end: tuple[int, str] | None
    ) -> Sample:
        """Cut a padded row where it really ended."""
        length, reason = end or (len(ids), "length")
        text = self.tokenizer.decode(ids[:length], skip_special_tokens=True)
        return Sample(request.prompt_ids, tuple(ids[:length]), tuple(logprobs[:length]), str(text), reason)
