"""Batched sampling from a transformers checkpoint, row by row independent.

The engine tokenises nothing and knows no messages: prompt ids in, completion ids with their log-probabilities out. Each
row draws from its own seeded generator, so its text does not depend on what else is in the batch (up to floating-point
noise of padded kernels: exact in float32 in the tests, not promised in bfloat16). Log-probabilities are those of raw
logits / temperature, the distribution a trainer scores.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import torch
from transformers import LogitsProcessor, LogitsProcessorList, StoppingCriteria, StoppingCriteriaList

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_GREEDY: Final = 1e-6


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
        finish_reason: "stop" or "length".
    """

    prompt_ids: tuple[int, ...]
    completion_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    text: str
    finish_reason: str


class _RowSampler(LogitsProcessor):  # type: ignore[misc]  (transformers is untyped here)
    """Chooses each row's next token itself and leaves `generate` no choice."""

    def __init__(self, requests: Sequence[SampleRequest]) -> None:
        self.temperatures = torch.tensor([max(request.temperature, _GREEDY) for request in requests])
        self.sampled = [at for at, request in enumerate(requests) if request.temperature > _GREEDY]
        self.generators = {at: torch.Generator().manual_seed(requests[at].seed) for at in self.sampled}
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


class _RowLimits(StoppingCriteria):  # type: ignore[misc]
    """Ends each row at its own limits."""

    def __init__(self, requests: Sequence[SampleRequest], prompt_length: int, newline_ids: frozenset[int]) -> None:
        self.requests, self.prompt_length, self.newline_ids = requests, prompt_length, newline_ids
        self.lines = [0] * len(requests)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: object) -> torch.Tensor:
        del scores, kwargs
        length = input_ids.shape[1] - self.prompt_length
        done = []
        for at, (request, token) in enumerate(zip(self.requests, input_ids[:, -1].tolist(), strict=True)):
            self.lines[at] += token in self.newline_ids
            enough = request.stop_lines is not None and self.lines[at] >= request.stop_lines
            done.append(length >= request.max_new_tokens or enough or request.cancelled.is_set())
        return torch.tensor(done, device=input_ids.device)


class SamplingEngine:
    """A model with its tokenizer, ready to sample batches.

    Args:
        model: A causal language model of transformers, in evaluation mode.
        tokenizer: Its tokenizer, with a chat template.
        max_prompt_tokens: Longer prompts are refused, None for the model's own limit.
    """

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, max_prompt_tokens: int | None = None
    ) -> None:
        self.model, self.tokenizer = model, tokenizer
        limit = getattr(model.config, "max_position_embeddings", None)
        self.max_prompt_tokens = max_prompt_tokens or limit
        self._lock = threading.Lock()
        pieces = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
        self._newline_ids = frozenset(at for at, piece in enumerate(pieces) if piece and ("Ċ" in piece or "\n" in piece))
        eos = getattr(model.generation_config, "eos_token_id", None) or tokenizer.eos_token_id
        self._eos_ids = frozenset(eos if isinstance(eos, list) else [eos])

    def encode_chat(self, messages: Sequence[dict[str, str]]) -> tuple[int, ...]:
        """Token ids of a conversation, ready for the assistant's turn."""
        encoded = self.tokenizer.apply_chat_template(list(messages), add_generation_prompt=True, return_dict=True)
        return tuple(encoded["input_ids"])

    def sample(self, requests: Sequence[SampleRequest]) -> list[Sample]:
        """One completion per request, in order; calls from several threads take turns.

        Raises:
            ValueError: A prompt is empty or longer than the model can take.
        """
        for request in requests:
            self.check(request)
        with self._lock, torch.inference_mode():
            return self._generate(requests)

    def check(self, request: SampleRequest) -> None:
        """Refuse a prompt the model cannot take.

        Raises:
            ValueError: It is empty or too long.
        """
        length = len(request.prompt_ids)
        if not length or (self.max_prompt_tokens and length > self.max_prompt_tokens):
            msg = f"a prompt needs 1 to {self.max_prompt_tokens} tokens, got {length}; shorten history or observation"
            raise ValueError(msg)

    def _generate(self, requests: Sequence[SampleRequest]) -> list[Sample]:
        device = self.model.device
        longest = max(len(request.prompt_ids) for request in requests)
        pad = self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else min(self._eos_ids)
        ids = torch.full((len(requests), longest), pad, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for at, request in enumerate(requests):
            ids[at, longest - len(request.prompt_ids) :] = torch.tensor(request.prompt_ids)
            mask[at, longest - len(request.prompt_ids) :] = 1
        sampler = _RowSampler(requests)
        output = self.model.generate(
            input_ids=ids.to(device),
            attention_mask=mask.to(device),
            max_new_tokens=max(request.max_new_tokens for request in requests),
            do_sample=False,
            logits_processor=LogitsProcessorList([sampler]),
            stopping_criteria=StoppingCriteriaList([_RowLimits(requests, longest, self._newline_ids)]),
            eos_token_id=sorted(self._eos_ids),
            pad_token_id=pad,
        )
        completions = output[:, longest:].tolist()
        return [
            self._finish(request, completions[at], [step[at] for step in sampler.logprobs])
            for at, request in enumerate(requests)
        ]

    def _finish(self, request: SampleRequest, ids: list[int], logprobs: list[float]) -> Sample:
        """Cut a padded row where it really ended."""
        lines, end, reason = 0, len(ids), "length"
        for at, token in enumerate(ids):
            lines += token in self._newline_ids
            if token in self._eos_ids or (request.stop_lines is not None and lines >= request.stop_lines):
                end, reason = at + 1, "stop"
                break
            if at + 1 >= request.max_new_tokens:
                end = at + 1
                break
        kept = tuple(ids[:end])
        text = self.tokenizer.decode(kept, skip_special_tokens=True)
        return Sample(request.prompt_ids, kept, tuple(logprobs[:end]), text, reason)
