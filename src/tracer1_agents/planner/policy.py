"""A policy answers messages with text, and where it can says which tokens it sampled.

`ChatModelPolicy` asks any LangChain chat model; `ReplayPolicy` gives recorded replies. Text is only a view where token
ids are known: training uses the ids.
"""

from __future__ import annotations

import asyncio
import base64
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from langchain_core.globals import get_llm_cache
from langchain_core.messages import HumanMessage, SystemMessage

from tracer1_agents.errors import ConfigurationError, PlannerError
from tracer1_agents.planner.prompt import keep_newest_images
from tracer1_agents.planner.retries import Retries, is_busy, status_of, within
from tracer1_agents.planner.streaming import StreamedReply
from tracer1_agents.types import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage
    from langchain_core.runnables import RunnableConfig

    from tracer1_agents.blobs import ImageSource
    from tracer1_agents.planner.prompt import Message

_AGAIN_TEMPERATURE: Final = 0.7  # ours; a greedy model asked again with the same weights would say the same again
_PNG_HEAD: Final = b"\x89PNG"
_CUT: Final = frozenset({"length", "max_tokens", "max_output_tokens"})
_REFUSED: Final = frozenset({"content_filter", "refusal", "safety"})


@dataclass(frozen=True)
class PolicyReply:
    """One answer of a policy.

    Attributes:
        text: What was said.
        reasoning: A thought that the model's server kept apart from the text.
        usage: Tokens, zeros where the model does not say.
        truncated: Whether the answer was cut by its token limit.
        refusal: Why the model or its provider would not answer, where it says so apart from the text.
        prompt_ids: Token ids of the prompt, None where unknown.
        completion_ids: Sampled token ids, None where unknown.
        logprobs: Their log-probabilities, None where unknown.
        rest: What is still being written, for a reply that was read up to its first pair (`ChatModelPolicy.start`).
    """

    text: str
    reasoning: str = ""
    usage: Usage = field(default_factory=Usage)
    truncated: bool = False
    prompt_ids: tuple[int, ...] | None = None
    completion_ids: tuple[int, ...] | None = None
    logprobs: tuple[float, ...] | None = None
    rest: StreamedReply | None = field(default=None, compare=False, repr=False)
    refusal: str = ""


class Policy(Protocol):
    """Samples one reply."""

    def sample(
        self, messages: Sequence[Message], *, horizon: int, again: int = 0, config: RunnableConfig | None = None
    ) -> PolicyReply:
        """Answer `messages`.

        Args:
            messages: The prompt.
            horizon: Lets a policy stop early once it has said so many pairs.
            again: How many answers to this step were asked for before: others could not be used, or several are wanted
                (`best_of`). A policy with a cache or a seed has to answer anew.
            config: Of the LangChain run.

        Raises:
            PlannerError: The model did not answer: the run ends with the status model_error. Anything else is a bug,
                and is raised by the run.
        """
        ...

    async def asample(
        self, messages: Sequence[Message], *, horizon: int, again: int = 0, config: RunnableConfig | None = None
    ) -> PolicyReply:
        """The same, awaitable; cancelling it ends the sampling."""
        ...


class StreamingPolicy(Policy, Protocol):
    """A policy whose replies can be read while they are written."""

    def start(
        self,
        messages: Sequence[Message],
        *,
        horizon: int,
        enough: Callable[[str], bool],
        again: int = 0,
        config: RunnableConfig | None = None,
    ) -> PolicyReply:
        """Answer as far as is `enough`; what is still being written stands in `PolicyReply.rest`."""
        ...

    async def astart(
        self,
        messages: Sequence[Message],
        *,
        horizon: int,
        enough: Callable[[str], bool],
        again: int = 0,
        config: RunnableConfig | None = None,
    ) -> PolicyReply:
        """The same, awaitable."""
        ...


class ChatModelPolicy:
    """Any LangChain chat model as a policy.

    Args:
        model: The model.
        blobs: Where screenshots are looked up; needed only when messages carry images.
        retries: For busy endpoints and answers that never come.
        one_line_a_pair: Whether the dialect asked for writes a pair on one line: then a model that takes `stop_lines`
            (local models do) is stopped once it has said `horizon` pairs.
        reply_schema: JSON schema of the dialect asked for. OpenAI's models that say they can are held to it
            (`response_format`); every other model is asked in words only, and its reply is parsed all the same.
        role: What the model is, for messages.
        image_limit: How many pictures its server takes in one request; the newest are sent. None: as many as there are.
    """

    def __init__(
        self,
        model: BaseChatModel,
        *,
        blobs: ImageSource | None = None,
        retries: Retries | None = None,
        one_line_a_pair: bool = False,
        reply_schema: dict[str, Any] | None = None,
        role: str = "planner model",
        image_limit: int | None = None,
    ) -> None:
        self.model, self.blobs, self.role, self.image_limit = model, blobs, role, image_limit
        self.retries = retries or Retries()
        self._options: dict[str, Any] = {}
        if reply_schema and hasattr(model, "openai_api_base") and (model.profile or {}).get("structured_output"):
            form = {"name": "forecast", "strict": False, "schema": reply_schema}
            self._options["response_format"] = {"type": "json_schema", "json_schema": form}
        self._stops_at_lines = one_line_a_pair and bool(getattr(model, "supports_stop_lines", False))

    def sample(
        self, messages: Sequence[Message], *, horizon: int, again: int = 0, config: RunnableConfig | None = None
    ) -> PolicyReply:
        """See `Policy`.

        Raises:
            PlannerError: The endpoint kept failing, refused, or did not answer in time.
        """
        model, (prompt, options) = self._asked(again), self._prepare(messages, horizon, again)

        def ask() -> BaseMessage:
            return within(lambda: model.invoke(prompt, config, **options), self.retries.timeout)

        for attempt in range(1, self.retries.attempts + 1):
            try:
                return read_message(ask())
            except Exception as error:  # noqa: BLE001  (whatever a provider raises is judged by _refusal)
                self._refusal(error, attempt)
                time.sleep(self.retries.wait(attempt))
        raise AssertionError  # _refusal raises at the last attempt

    async def asample(
        self, messages: Sequence[Message], *, horizon: int, again: int = 0, config: RunnableConfig | None = None
    ) -> PolicyReply:
        """See `Policy`.

        Raises:
            PlannerError: The endpoint kept failing, refused, or did not answer in time.
        """
        model, (prompt, options) = self._asked(again), await self._aprepare(messages, horizon, again)
        for attempt in range(1, self.retries.attempts + 1):
            try:
                async with asyncio.timeout(self.retries.timeout):
                    return read_message(await model.ainvoke(prompt, config, **options))
            except Exception as error:  # noqa: BLE001  (whatever a provider raises is judged by _refusal)
                self._refusal(error, attempt)
                await asyncio.sleep(self.retries.wait(attempt))
        raise AssertionError  # _refusal raises at the last attempt

    def start(
        self,
        messages: Sequence[Message],
        *,
        horizon: int,
        enough: Callable[[str], bool],
        again: int = 0,
        config: RunnableConfig | None = None,
    ) -> PolicyReply:
        """Answer `messages` as far as is `enough`; the rest is written meanwhile (`PolicyReply.rest`).

        A model that does not stream answers whole. A stream that breaks before there is enough is asked anew, whole.

        Raises:
            PlannerError: See `sample`.
        """
        model, (prompt, options) = self._asked(again), self._prepare(messages, horizon, again)
        under_way = StreamedReply(enough, read_message, self.retries.timeout)
        try:
            text = under_way.follow(model.stream(prompt, config, **options)).head()
        except PlannerError:
            under_way.give_up()
            return self.sample(messages, horizon=horizon, again=again, config=config)
        return under_way.whole() if under_way.finished else PolicyReply(text, rest=under_way)

    async def astart(
        self,
        messages: Sequence[Message],
        *,
        horizon: int,
        enough: Callable[[str], bool],
        again: int = 0,
        config: RunnableConfig | None = None,
    ) -> PolicyReply:
        """The same, awaitable.

        Raises:
            PlannerError: See `sample`.
        """
        model, (prompt, options) = self._asked(again), await self._aprepare(messages, horizon, again)
        under_way = StreamedReply(enough, read_message, self.retries.timeout)
        try:
            text = await under_way.afollow(model.astream(prompt, config, **options)).ahead()
        except PlannerError:
            under_way.give_up()
            return await self.asample(messages, horizon=horizon, again=again, config=config)
        except asyncio.CancelledError:
            under_way.give_up()
            raise
        return await under_way.awhole() if under_way.finished else PolicyReply(text, rest=under_way)

    def _asked(self, again: int) -> BaseChatModel:
        """The model; past LangChain's cache where it has answered already and another answer is wanted."""
        model = self.model
        if again and "cache" in getattr(type(model), "model_fields", ()):  # no wrapper around a chat model
            cached = get_llm_cache() is not None if model.cache is None else bool(model.cache)
            return model.model_copy(update={"cache": False}) if cached else model
        return model

    def _prepare(
        self, messages: Sequence[Message], horizon: int, again: int
    ) -> tuple[list[BaseMessage], dict[str, Any]]:
        if self.image_limit is not None:
            messages = keep_newest_images(messages, self.image_limit)
        prompt = [to_langchain(message, self.blobs) for message in messages]
        options = dict(self._options)
        if self._stops_at_lines:
            options["stop_lines"] = horizon
        if again and getattr(self.model, "samples_when_asked_again", False):
            options |= {"temperature": _AGAIN_TEMPERATURE, "seed": again}
        return prompt, options

    async def _aprepare(
        self, messages: Sequence[Message], horizon: int, again: int
    ) -> tuple[list[BaseMessage], dict[str, Any]]:
        """As `_prepare`; pictures are read in a thread, for files block the event loop."""
        if any(part["type"] == "image" for message in messages for part in message.content):
            return await asyncio.to_thread(self._prepare, messages, horizon, again)
        return self._prepare(messages, horizon, again)

    def _refusal(self, error: Exception, attempt: int) -> None:
        """Return when asking again may help; otherwise say what happened."""
        if isinstance(error, PlannerError):  # the model's own words name the endpoint and what it did
            raise error
        busy = is_busy(error)
        if busy and attempt < self.retries.attempts:
            return
        what = f"{type(error).__name__}: {error}".strip(": ")
        tries = f" after {attempt} attempts" if attempt > 1 else ""
        refused = "; the endpoint refused the request" if status_of(error) else ""
        msg = f"{self.role} {self._where()} gave no answer{tries}: {what}{'; is the endpoint up?' if busy else refused}"
        raise PlannerError(msg) from error

    def _where(self) -> str:
        """The model as a person knows it, with its endpoint where it has one."""
        named = (getattr(self.model, attribute, None) for attribute in ("model_name", "model"))
        name = next((str(value) for value in named if value), type(self.model).__name__)
        place = getattr(self.model, "openai_api_base", None) or getattr(self.model, "base_url", None)
        return f"{name} at {place}" if place else name


def to_langchain(message: Message, blobs: ImageSource | None) -> BaseMessage:
    """A prompt message as LangChain has it; images become data URLs in user messages.

    Raises:
        ConfigurationError: The message has an image and there is no store to read it from.
    """
    if all(part["type"] == "text" for part in message.content):
        return (SystemMessage if message.role == "system" else HumanMessage)(message.text)
    if blobs is None:
        msg = "the prompt holds a screenshot, but no blob store was handed in; pass blobs=BlobStore(...)"
        raise ConfigurationError(msg)
    parts: list[str | dict[Any, Any]] = []
    for part in message.content:
        if part["type"] == "text":
            parts.append({"type": "text", "text": part["text"]})
        else:
            content = blobs.get(part["ref"].ref)
            kind = "png" if content.startswith(_PNG_HEAD) else "jpeg"
            url = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
            parts.append({"type": "image_url", "image_url": {"url": url}})
    return HumanMessage(parts)


def read_message(message: BaseMessage) -> PolicyReply:
    """A model's answer as a `PolicyReply`, reasoning kept apart wherever the provider puts it."""
    reasoning = str(message.additional_kwargs.get("reasoning_content") or "")
    refusal = str(message.additional_kwargs.get("refusal") or "")
    for block in message.content if isinstance(message.content, list) else ():
        if isinstance(block, dict) and block.get("type") in {"reasoning", "thinking"}:
            reasoning += str(block.get("reasoning") or block.get("thinking") or _summary_of(block))
        elif isinstance(block, dict) and block.get("type") == "refusal":
            refusal += str(block.get("refusal") or "")
    usage = getattr(message, "usage_metadata", None) or {}
    metadata = message.response_metadata
    ends = _ends(metadata)
    return PolicyReply(
        text=str(message.text),
        reasoning=reasoning,
        usage=Usage(input_tokens=usage.get("input_tokens") or 0, output_tokens=usage.get("output_tokens") or 0),
        truncated=bool(ends & _CUT),
        refusal=refusal or next(iter(ends & _REFUSED), "") or _bound_call(message),
        prompt_ids=_ids(metadata.get("prompt_token_ids")),
        completion_ids=_ids(metadata.get("token_ids")),
        logprobs=_ids(metadata.get("token_logprobs")),
    )


def _bound_call(message: BaseMessage) -> str:
    """What is told of a model that calls its provider's tools, when it was asked to write its calls."""
    called = [str(call["name"]) for call in getattr(message, "tool_calls", None) or ()]
    return f"it called {called[0]} in place of writing; a planner's model goes in without bind_tools" if called else ""


def _summary_of(block: Mapping[str, Any]) -> str:
    """What OpenAI's Responses API tells of its model's reasoning."""
    return "\n".join(str(part.get("text") or "") for part in block.get("summary") or () if isinstance(part, dict))


def _ends(metadata: Mapping[str, Any]) -> set[str]:
    """What a provider says ended the reply; each has its own key and word for it."""
    said = [metadata.get(key) for key in ("finish_reason", "stop_reason", "stopReason", "done_reason")]
    said.append((metadata.get("incomplete_details") or {}).get("reason"))  # OpenAI's Responses API
    return {str(reason).lower() for reason in said if reason}


def _ids(values: Any) -> tuple[Any, ...] | None:
    return None if values is None else tuple(values)


class ReplayPolicy:
    """Gives recorded replies in order, to run the same graph over them.

    Args:
        replies: Texts, or whole `PolicyReply` objects.
    """

    def __init__(self, replies: Iterable[str | PolicyReply]) -> None:
        self._replies = iter([reply if isinstance(reply, PolicyReply) else PolicyReply(reply) for reply in replies])

    def sample(
        self, messages: Sequence[Message], *, horizon: int, again: int = 0, config: RunnableConfig | None = None
    ) -> PolicyReply:
        """The next recorded reply.

        Raises:
            PlannerError: There is none left.
        """
        del messages, horizon, again, config
        try:
            return next(self._replies)
        except StopIteration:
            msg = "the recording has no further reply; the run asked more often than when it was recorded"
            raise PlannerError(msg) from None

    async def asample(
        self, messages: Sequence[Message], *, horizon: int, again: int = 0, config: RunnableConfig | None = None
    ) -> PolicyReply:
        """The next recorded reply."""
        return self.sample(messages, horizon=horizon, again=again, config=config)
