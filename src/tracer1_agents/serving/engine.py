"""Continuous batching over a transformers checkpoint: rows join and leave between two tokens.

New prompts are prefilled together, equal ones once, and their key/value cache is joined to that of the rows under way,
padded on the left; finished rows are dropped from it. So a short reply never waits for a long one, and concurrent
callers share every forward pass. Prompt ids and pictures in, completion ids with log-probabilities out; pictures are
looked at when their prompt is prefilled and never again. Caches that are not plain attention (sliding windows,
state-space layers) cannot be joined: for such models new rows wait until the batch under way is done, and finished ones
stay in it.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any, Final

import torch
from torch.nn.functional import pad
from transformers.cache_utils import DynamicLayer

from tracer1_agents.serving.cache import chosen, joined
from tracer1_agents.serving.chat import ChatEncoder, Prompt
from tracer1_agents.serving.positions import Positions
from tracer1_agents.serving.sampling import Row, Sample, SampleRequest, Vocabulary, draw

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transformers import PreTrainedModel, PreTrainedTokenizerBase, ProcessorMixin

    from tracer1_agents.serving.chat import Pictures

_WORTH_DROPPING: Final = 0.25  # share of finished rows from which copying the cache without them pays; ours


class SamplingEngine:
    """A model with its tokenizer or processor, and the rows it is working on. Used by one thread at a time.

    Args:
        model: A causal language model of transformers, in evaluation mode.
        processor: Its tokenizer, or the processor of a model that reads images, with a chat template.
        max_prompt_tokens: Longer prompts are refused, None for what the model's positions hold. A reply ends where the
            positions end, whatever was asked for.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        processor: PreTrainedTokenizerBase | ProcessorMixin,
        *,
        max_prompt_tokens: int | None = None,
    ) -> None:
        self.model, self._encoder, self._positions = model, ChatEncoder(processor), Positions(model)
        self._longest: int = getattr(model.config.get_text_config(), "max_position_embeddings", None) or sys.maxsize
        self.max_prompt_tokens = min(max_prompt_tokens or sys.maxsize, self._longest - 1)
        self.vocabulary = Vocabulary.of(model, self.tokenizer)
        self._rows: list[Row] = []
        self._cache: Any = None
        self._mask = self._shifts = torch.zeros(0, 0, dtype=torch.long)
        self._joinable = True
        self._turn = threading.Lock()

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The model's tokenizer."""
        return self._encoder.tokenizer

    @property
    def reads_images(self) -> bool:
        """Whether messages may hold pictures."""
        return self._encoder.reads_images

    @property
    def busy(self) -> bool:
        """Whether rows are under way."""
        return bool(self._rows)

    @property
    def accepts(self) -> bool:
        """Whether new rows can join now."""
        return self._joinable or not self._rows

    def encode_chat(self, messages: Sequence[Mapping[str, Any]]) -> Prompt:
        """A conversation, ready for the assistant's turn; see `ChatEncoder.encode`."""
        return self._encoder.encode(messages)

    def check(self, request: SampleRequest) -> None:
        """Refuse what the model cannot do.

        Raises:
            ValueError: The prompt is empty or too long, its image tokens are not those of its pictures or not known
                here, or no token is asked for.
        """
        length = len(request.prompt_ids)
        if not 0 < length <= self.max_prompt_tokens:
            msg = f"a prompt needs 1 to {self.max_prompt_tokens} tokens, got {length}; shorten history or observation"
            raise ValueError(msg)
        shown, stands_for = self._image_tokens(request.prompt_ids), self._positions.tokens(request.pictures)
        if request.pictures is not None and not self._positions.takes_pictures:
            msg = f"how a {self.model.config.model_type} places picture tokens is not known here; sample with generate"
            raise ValueError(msg)
        if shown != stands_for:
            msg = (
                f"a prompt has {shown} image tokens for pictures of {stands_for}; encode it with the model's own "
                "processor, and keep marks such as <|image_pad|> out of its text"
            )
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
        rows = [Row(request, self.vocabulary, self._longest) for request in requests]
        if not rows:
            return rows
        asked = [Prompt(request.prompt_ids, request.pictures) for request in requests]
        prompts = list(dict.fromkeys(asked))  # a group's prompt is read once
        output, mask, shifts = self._prefill(prompts)
        logits, cache = output.logits[:, -1], output.past_key_values
        if len(prompts) < len(rows):
            number = {prompt: at for at, prompt in enumerate(prompts)}
            copies = torch.tensor([number[prompt] for prompt in asked])
            logits, mask, shifts = logits[copies.to(logits.device)], mask[copies], shifts[copies]
            cache.batch_select_indices(copies.to(logits.device))
        draw(rows, logits)
        self._joinable = all(type(layer) is DynamicLayer for layer in cache.layers)
        self._join(rows, cache, mask, shifts)
        self._drop_finished()
        return rows

    @torch.inference_mode()
    def step(self) -> None:
        """Draw one more token of every row under way."""
        positions = self._positions.of_next(self._mask.sum(1, keepdim=True), self._shifts)
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
        self._rows, self._cache = [], None
        self._mask = self._shifts = torch.zeros(0, 0, dtype=torch.long)

    def _image_tokens(self, ids: Sequence[int]) -> int:
        return 0 if self._positions.image_token is None else ids.count(self._positions.image_token)

    def _prefill(self, prompts: Sequence[Prompt]) -> tuple[Any, torch.Tensor, torch.Tensor]:
        """What the model makes of prompts, their mask, and the shifts of the rows (see `positions`)."""
        longest = max(len(prompt.ids) for prompt in prompts)
        ids = torch.zeros(len(prompts), longest, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for at, prompt in enumerate(prompts):
            ids[at, longest - len(prompt.ids) :] = torch.tensor(prompt.ids)
            mask[at, longest - len(prompt.ids) :] = 1
        pictures = [prompt.pictures for prompt in prompts if prompt.pictures is not None]
        grid = torch.cat([one.grid for one in pictures]) if pictures else None
        positions, shifts = self._positions.of_prompts(ids, mask, grid)
        return self._forward(ids, mask, positions, None, **self._shown(pictures, grid)), mask, shifts

    def _shown(self, pictures: Sequence[Pictures], grid: torch.Tensor | None) -> dict[str, torch.Tensor]:
        """Pictures as the model takes them."""
        if grid is None:
            return {}
        pixels = torch.cat([one.pixel_values for one in pictures])
        return {"pixel_values": pixels.to(self.model.device), "image_grid_thw": grid.to(self.model.device)}

    def _forward(
        self, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: Any, **pictures: torch.Tensor
    ) -> Any:
        device = self.model.device
        return self.model(
            input_ids=ids.to(device),
            attention_mask=mask.to(device),
            position_ids=positions.to(device),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
            **pictures,
        )

    def _join(self, rows: list[Row], cache: Any, mask: torch.Tensor, shifts: torch.Tensor) -> None:
        if not self._rows:
            self._rows, self._mask, self._shifts = list(rows), mask, shifts
            self._cache = joined([cache], mask.shape[1]) if self._joinable else cache
            return
        width = max(self._mask.shape[1], mask.shape[1])
        self._rows, self._cache = [*self._rows, *rows], joined([self._cache, cache], width)
        self._mask = torch.cat([pad(one, (width - one.shape[1], 0)) for one in (self._mask, mask)])
        self._shifts = torch.cat([self._shifts, shifts])

    def _drop_finished(self) -> None:
        live = [at for at, row in enumerate(self._rows) if not row.finish_reason]
        if not live:
            self.abandon()
            return
        if not self._joinable or len(self._rows) - len(live) < _WORTH_DROPPING * len(self._rows):
            return
        kept = torch.tensor(live)
        self._mask, self._shifts = self._mask[kept], self._shifts[kept]
        left = int(self._mask.any(0).long().argmax())  # columns that only the dropped rows used
        self._mask = self._mask[:, left:]
        self._rows = [self._rows[at] for at in live]
        self._cache = chosen(self._cache, kept, left)


__all__ = ["Sample", "SampleRequest", "SamplingEngine"]
