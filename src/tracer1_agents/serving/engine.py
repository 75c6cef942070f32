"""Continuous batching over a transformers checkpoint: rows join and leave between two tokens.

New prompts are prefilled together, equal ones once, and their key/value cache is joined to that of the rows under way,
padded on the left; finished rows are dropped from it. So a short reply never waits for a long one, and concurrent
callers share every forward pass. The engine tokenises nothing and knows no messages: prompt ids in, completion ids with
log-probabilities out. Caches that are not plain attention (sliding windows, state-space layers) cannot be joined: for
such models new rows wait until the batch under way is done, and finished ones stay in it.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any, Final

import torch
from torch.nn.functional import pad
from transformers.cache_utils import DynamicCache, DynamicLayer

from tracer1_agents.serving.sampling import Row, Sample, SampleRequest, Vocabulary, draw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_WORTH_DROPPING: Final = 0.25  # share of finished rows from which copying the cache without them pays; ours


class SamplingEngine:
    """A model with its tokenizer, and the rows it is working on. Used by one thread at a time.

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
        self.vocabulary = Vocabulary.of(model, tokenizer)
        self._rows: list[Row] = []
        self._cache: Any = None
        self._mask = torch.zeros(0, 0, dtype=torch.long)
        self._joinable = True
        self._turn = threading.Lock()

    @property
    def busy(self) -> bool:
        """Whether rows are under way."""
        return bool(self._rows)

    @property
    def accepts(self) -> bool:
        """Whether new rows can join now."""
        return self._joinable or not self._rows

    def encode_chat(self, messages: Sequence[dict[str, str]]) -> tuple[int, ...]:
        """Token ids of a conversation, ready for the assistant's turn."""
        chat = list(messages)
        encoded: Any = self.tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=True)
        return tuple(encoded["input_ids"])

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

    def sample(self, requests: Sequence[SampleRequest]) -> list[Sample]:
        """One completion per request, in order; calls from several threads take turns.

        Raises:
            ValueError: See `check`.
        """
        for request in requests:
            self.check(request)
        with self._turn:
            try:
                rows = self.admit(requests)
                while self.busy:
                    self.step()
            finally:
                self.abandon()
        return [row.sample(self.tokenizer) for row in rows]

    @torch.inference_mode()
    def admit(self, requests: Sequence[SampleRequest]) -> list[Row]:
        """Prefill new rows, draw their first tokens, and join them to those under way."""
        rows = [Row(request, self.vocabulary, self._positions) for request in requests]
        if not rows:
            return rows
        prompts = list(dict.fromkeys(request.prompt_ids for request in requests))  # a group's prompt is read once
        longest = max(map(len, prompts))
        ids = torch.zeros(len(prompts), longest, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for at, prompt in enumerate(prompts):
            ids[at, longest - len(prompt) :] = torch.tensor(prompt)
            mask[at, longest - len(prompt) :] = 1
        positions = (mask.cumsum(1) - 1).clamp_min(0)
        output = self._forward(ids, mask, positions, None)
        logits = output.logits[:, -1]
        if len(prompts) < len(rows):
            number = {prompt: at for at, prompt in enumerate(prompts)}
            copies = torch.tensor([number[request.prompt_ids] for request in requests])
            logits, mask = logits[copies.to(logits.device)], mask[copies]
            output.past_key_values.batch_select_indices(copies.to(logits.device))
        draw(rows, logits)
        self._joinable = all(type(layer) is DynamicLayer for layer in output.past_key_values.layers)
        self._join(rows, output.past_key_values, mask)
        self._drop_finished()
        return rows

    @torch.inference_mode()
    def step(self) -> None:
        """Draw one more token of every row under way."""
        positions = self._mask.sum(1, keepdim=True)
        self._mask = pad(self._mask, (0, 1), value=1)
        last = torch.tensor([[row.ids[-1]] for row in self._rows])
        output = self._forward(last, self._mask, positions, self._cache)
        self._cache = output.past_key_values
        logits = output.logits[:, -1]
        live = [at for at, row in enumerate(self._rows) if not row.finish_reason]
        if len(live) < len(self._rows):
            logits = logits[torch.tensor(live, device=logits.device)]
        draw([self._rows[at] for at in live], logits)
        self._drop_finished()

    def abandon(self) -> None:
        """Forget every row under way."""
        self._rows, self._cache, self._mask = [], None, torch.zeros(0, 0, dtype=torch.long)

    def _forward(self, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: Any) -> Any:
        device = self.model.device
        return self.model(
            input_ids=ids.to(device),
            attention_mask=mask.to(device),
            position_ids=positions.to(device),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )

    def _join(self, rows: list[Row], cache: Any, mask: torch.Tensor) -> None:
        if not self._rows:
            self._rows, self._cache, self._mask = list(rows), cache, mask
            return
        width = max(self._mask.shape[1], mask.shape[1])
        joined = DynamicCache()
        for at, (old, new) in enumerate(zip(self._cache.layers, cache.layers, strict=True)):
            pairs = ((old.keys, new.keys), (old.values, new.values))
            keys, values = (torch.cat([_widen(one, width, -2), _widen(other, width, -2)]) for one, other in pairs)
            joined.update(keys, values, at)
        self._rows, self._cache = [*self._rows, *rows], joined
        self._mask = torch.cat([_widen(self._mask, width, -1), _widen(mask, width, -1)])

    def _drop_finished(self) -> None:
        live = [at for at, row in enumerate(self._rows) if not row.finish_reason]
        if not live:
            self.abandon()
            return
        if not self._joinable or len(self._rows) - len(live) < _WORTH_DROPPING * len(self._rows):
            return
        kept = torch.tensor(live)
        self._mask = self._mask[kept]
        left = int(self._mask.any(0).long().argmax())  # columns that only the dropped rows used
        self._mask = self._mask[:, left:]
        self._rows = [self._rows[at] for at in live]
        smaller = DynamicCache()
        for at, layer in enumerate(self._cache.layers):
            chosen = kept.to(layer.keys.device)
            smaller.update(layer.keys[chosen, :, left:], layer.values[chosen, :, left:], at)
        self._cache = smaller


def _widen(tensor: torch.Tensor, width: int, dimension: int) -> torch.Tensor:
    """Zeros on the left of one of the last two dimensions."""
    missing = width - tensor.shape[dimension]
    return pad(tensor, (missing, 0) if dimension == -1 else (0, 0, missing, 0)) if missing else tensor


__all__ = ["Sample", "SampleRequest", "SamplingEngine"]
