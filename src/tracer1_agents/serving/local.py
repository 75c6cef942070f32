"""A transformers checkpoint, or the planner that ships, as a LangChain chat model in this process.

`LocalChatModel(model="tracer1-tiny")` loads the shipped planner; any other name is a folder with a transformers
checkpoint (safetensors; nothing is downloaded, no code of the checkpoint is run), one that reads images among them: a
message's images come inline, as data URLs. All models of one folder share one
engine, so concurrent calls are sampled in one batch. Token ids and log-probabilities come back in
`response_metadata` (`prompt_token_ids`, `token_ids`, `token_logprobs`).
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from typing import TYPE_CHECKING, Any, ClassVar, Final

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import ConfigDict, Field

from tracer1_agents.errors import ConfigurationError, MissingExtraError, Tracer1Error
from tracer1_agents.serving.messages import chat_of
from tracer1_agents.serving.tiny import TINY_NAME, checkpoint_folder

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
    from langchain_core.language_models import LangSmithParams
    from langchain_core.messages import BaseMessage

    from tracer1_agents.serving.batcher import Batcher
    from tracer1_agents.serving.sampling import Sample, SampleRequest

_CHECKSUMS: Final = "SHA256SUMS"


class LocalChatModel(BaseChatModel):
    """Chat model over an in-process transformers checkpoint.

    Attributes:
        model: "tracer1-tiny" or a checkpoint folder.
        temperature: 0 is greedy.
        max_tokens: Longest reply, tokens.
        seed: Decides the draws of a call; the same seed gives the same text whatever else is in the batch.
        device: Where it runs, such as "cpu" or "cuda".
        dtype: Of the weights in memory.
        stop: Texts that end a reply (cut off with what follows them).
    """

    model_config = ConfigDict(protected_namespaces=())
    supports_stop_lines: ClassVar[bool] = True
    samples_when_asked_again: ClassVar[bool] = True

    model: str = TINY_NAME
    temperature: float = Field(default=0.0, ge=0.0)
    max_tokens: int = Field(default=768, gt=0)
    seed: int = 0
    device: str = "cpu"
    dtype: str = "float32"
    stop: list[str] | None = None

    @property
    def _llm_type(self) -> str:
        return "tracer1-local"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        names = ("model", "temperature", "max_tokens", "seed", "device", "dtype", "stop")  # all that decides a reply
        return {name: getattr(self, name) for name in names}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        return {**params, "ls_provider": "tracer1", "ls_model_name": kwargs.get("model") or self.model}

    @property
    def batcher(self) -> Batcher:
        """The engine with its queue, loaded on first use and shared by every model of the same folder."""
        return load_batcher(self.model, self.device, self.dtype)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        del run_manager
        batcher = self._batcher_for(kwargs)
        return self._result(batcher.sample(self._request(batcher, messages, kwargs)), stop)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        del run_manager
        batcher = await asyncio.to_thread(self._batcher_for, kwargs)
        if batcher.engine.reads_images:  # a screenshot takes about 0.1 s to process
            request = await asyncio.to_thread(self._request, batcher, messages, kwargs)
        else:
            request = self._request(batcher, messages, kwargs)
        future = batcher.submit(request)
        try:
            sample = await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            request.cancelled.set()
            raise
        return self._result(sample, stop)

    def _batcher_for(self, options: dict[str, Any]) -> Batcher:
        """The engine of one call; LangChain lets a call name another model."""
        return load_batcher(options.get("model") or self.model, self.device, self.dtype)

    def _request(self, batcher: Batcher, messages: list[BaseMessage], options: dict[str, Any]) -> SampleRequest:
        from tracer1_agents.serving.sampling import SampleRequest  # noqa: PLC0415  (torch)

        prompt = batcher.engine.encode_chat(chat_of(messages, reads_images=batcher.engine.reads_images))
        return SampleRequest(
            prompt_ids=prompt.ids,
            pictures=prompt.pictures,
            max_new_tokens=options.get("max_tokens") or self.max_tokens,
            temperature=options.get("temperature", self.temperature),
            seed=options.get("seed", self.seed),
            stop_lines=options.get("stop_lines"),
        )

    def _result(self, sample: Sample, stop: list[str] | None) -> ChatResult:
        text = sample.text
        for mark in [*(self.stop or ()), *(stop or ())]:
            text = text.split(mark, 1)[0] if mark else text
        message = AIMessage(
            text,
            response_metadata={
                "model_name": self.model,
                "finish_reason": sample.finish_reason,
                "prompt_token_ids": list(sample.prompt_ids),
                "token_ids": list(sample.completion_ids),
                "token_logprobs": list(sample.logprobs),
            },
            usage_metadata={
                "input_tokens": len(sample.prompt_ids),
                "output_tokens": len(sample.completion_ids),
                "total_tokens": len(sample.prompt_ids) + len(sample.completion_ids),
            },
        )
        return ChatResult(generations=[ChatGeneration(message=message)])


_batchers: dict[tuple[str, str, str], Batcher] = {}
_loading = threading.Lock()


def load_batcher(model: str, device: str = "cpu", dtype: str = "float32") -> Batcher:
    """The shared engine of a checkpoint, loaded once per process, device and dtype.

    Raises:
        MissingExtraError: torch or transformers is not installed.
        ConfigurationError: The folder holds no checkpoint, or its files do not match their checksums.
    """
    folder = checkpoint_folder(model)
    key = (str(folder.resolve()), device, dtype)
    with _loading:
        if key not in _batchers:
            _batchers[key] = _load(folder, device, dtype)
        return _batchers[key]


def _load(folder: Path, device: str, dtype: str) -> Batcher:
    try:
        import torch  # noqa: PLC0415  (an extra)
        from transformers.utils import logging as progress  # noqa: PLC0415  (an extra)
    except ImportError:
        feature = "a model in this process"
        raise MissingExtraError(feature, "local") from None
    from tracer1_agents.serving.batcher import Batcher  # noqa: PLC0415  (torch)
    from tracer1_agents.serving.engine import SamplingEngine  # noqa: PLC0415  (torch)

    if not (folder / "config.json").is_file():
        msg = f"{folder} holds no transformers checkpoint (no config.json); give a folder made by save_pretrained"
        raise ConfigurationError(msg)
    verify_checksums(folder)
    if not hasattr(torch, dtype):
        msg = f"dtype must be the name of a torch type such as float32 or bfloat16, got {dtype!r}"
        raise ConfigurationError(msg)
    progress.disable_progress_bar()  # a bar for a second of loading would cut through the caller's own
    try:
        model, processor = _read(folder, getattr(torch, dtype))
    except Tracer1Error:
        raise
    except Exception as error:  # transformers and safetensors raise what they like for broken files
        msg = f"{folder} cannot be loaded as a language model: {error}"
        raise ConfigurationError(msg) from error
    model.eval()
    return Batcher(SamplingEngine(model.to(device), processor))


def _read(folder: Path, dtype: Any) -> tuple[Any, Any]:
    """A model with its tokenizer, or with its processor where it reads images."""
    from transformers import (  # noqa: PLC0415  (an extra)
        AutoConfig,
        AutoModelForCausalLM,
        AutoModelForImageTextToText,
        AutoTokenizer,
    )

    from tracer1_agents.serving.screenshots import load_processor  # noqa: PLC0415  (torch, transformers)

    options: dict[str, Any] = {"local_files_only": True, "use_safetensors": True, "dtype": dtype}
    if hasattr(AutoConfig.from_pretrained(folder, local_files_only=True), "vision_config"):
        return AutoModelForImageTextToText.from_pretrained(folder, **options), load_processor(str(folder))
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return AutoModelForCausalLM.from_pretrained(folder, **options), tokenizer


def verify_checksums(folder: Path) -> None:
    """Compare the files of a checkpoint with its SHA256SUMS, where it has one.

    Raises:
        ConfigurationError: A listed file is missing or differs.
    """
    listing = folder / _CHECKSUMS
    if not listing.is_file():
        return
    for line in filter(None, listing.read_text(encoding="utf-8").splitlines()):
        expected, _, name = line.partition("  ")
        path = folder / name
        actual = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "missing"
        if actual != expected:
            got = f"{actual[:12]} instead of {expected[:12]}"
            msg = f"{path} does not match its checksum ({got}); reinstall the package, or fetch the checkpoint again"
            raise ConfigurationError(msg)


def write_checksums(folder: Path) -> None:
    """Write SHA256SUMS over the weights, config and tokenizer of a checkpoint."""
    names = sorted(path.name for path in folder.iterdir() if path.suffix in {".safetensors", ".json", ".jinja"})
    lines = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (folder / _CHECKSUMS).write_text("".join(lines), encoding="utf-8")
