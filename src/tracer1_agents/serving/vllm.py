"""A model behind a vLLM server as a LangChain chat model that brings its token ids along.

`VllmChatModel(model=..., base_url="http://localhost:8000/v1")` asks `/chat/completions` for log-probabilities and token
ids and keeps them in `response_metadata` under the names of `LocalChatModel` (`prompt_token_ids`, `token_ids`,
`token_logprobs`). Servers exist that accept such a request, leave half of it out and answer 200; so what was asked for
is looked for in every reply, and a reply without it is an error that names what is missing.

The whole distribution is sampled (top_p 1, no top_k, no penalties), against a server's habit of taking its defaults
from the checkpoint's generation_config.json: what is drawn is then what is scored. The server's log-probabilities are
those of raw logits unless it runs with `--logprobs-mode processed_logprobs`; at temperature 1 the two are the same.
Nothing is asked twice here (`planner.retries.Retries` does that), and replies are not streamed.
"""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Any, ClassVar, Final
from weakref import WeakKeyDictionary

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, convert_to_openai_messages
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import ConfigDict, Field, PrivateAttr, SecretStr

from tracer1_agents.errors import ConfigurationError, MissingExtraError, PlannerError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
    from langchain_core.language_models import LangSmithParams
    from langchain_core.messages import BaseMessage

_WHOLE_DISTRIBUTION: Final = {"top_p": 1.0, "top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0}
_NO_KEY: Final = "none"  # the client wants one, a server without --api-key reads none
_SEEDS: Final = 2**63  # vLLM takes no larger ones
_NOT_FOUND: Final = 404


def _key_from_environment() -> SecretStr:
    return SecretStr(os.environ.get("VLLM_API_KEY") or _NO_KEY)


class VllmChatModel(BaseChatModel):
    """Chat model over an OpenAI-compatible vLLM server.

    Attributes:
        model: The name under which the server serves it.
        base_url: Of the server, ending in /v1.
        api_key: For a server that wants one; VLLM_API_KEY where it is not given, never a hosted service's key.
        temperature: 0 is greedy.
        max_tokens: Longest reply, tokens.
        seed: Decides the draws of a call, on one server; another batch may round differently.
        stop: Texts that end a reply.
        timeout: Seconds to wait for a reply.
        extra_body: Further fields of the request, such as `mm_processor_kwargs` or another `top_p`.
    """

    model_config = ConfigDict(protected_namespaces=())
    samples_when_asked_again: ClassVar[bool] = True

    model: str
    base_url: str
    api_key: SecretStr = Field(default_factory=_key_from_environment)
    temperature: float = Field(default=0.0, ge=0.0)
    max_tokens: int = Field(default=768, gt=0)
    seed: int = 0
    stop: list[str] | None = None
    timeout: float = Field(default=300.0, gt=0)
    extra_body: dict[str, Any] = Field(default_factory=dict)

    _clients: dict[str, Any] = PrivateAttr(default_factory=dict)
    _async_clients: WeakKeyDictionary[Any, Any] = PrivateAttr(default_factory=WeakKeyDictionary)

    @property
    def _llm_type(self) -> str:
        return "tracer1-vllm"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        names = ("model", "base_url", "temperature", "max_tokens", "seed", "stop", "extra_body")
        return {name: getattr(self, name) for name in names}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        return {**params, "ls_provider": "vllm", "ls_model_name": kwargs.get("model") or self.model}

    def check_server(self) -> str:
        """Be sure that the server is there, serves the model, and gives back what is asked for.

        Returns:
            The version it states, "unknown" where it states none.

        Raises:
            ConfigurationError: What is wrong with it.
        """
        served = self.served_models()
        if self.model not in served:
            msg = f"{self.base_url} does not serve {self.model!r}; it serves {', '.join(served) or 'nothing'}"
            raise ConfigurationError(msg)
        try:
            self.invoke("hello", max_tokens=1)
        except PlannerError as error:
            raise ConfigurationError(str(error)) from error
        except Exception as error:  # the client library raises what it likes
            msg = f"{self.base_url} refused a test request: {type(error).__name__}: {error}"
            raise ConfigurationError(msg) from error
        version = self.ask_root("version")
        return str(version.get("version", "unknown")) if version else "unknown"

    def served_models(self) -> list[str]:
        """Names under which the server serves models.

        Raises:
            ConfigurationError: No such server answers there.
        """
        listed = self._get("/models")
        if listed is None or not isinstance(listed.get("data"), list):
            msg = f"{self.base_url} lists no models; is it the address of an OpenAI-compatible server, ending in /v1?"
            raise ConfigurationError(msg)
        return [str(entry.get("id")) for entry in listed["data"] if isinstance(entry, dict)]

    def ask_root(self, path: str) -> dict[str, Any] | None:
        """What the server answers outside /v1; None where it has no such page.

        Raises:
            ConfigurationError: No server answers there.
        """
        return self._get(f"{self.base_url.rstrip('/').removesuffix('/v1')}/{path}")

    def _get(self, url: str) -> dict[str, Any] | None:
        client = self._client()
        try:
            found: Any = client.get(url, cast_to=object)
        except Exception as error:  # the client library raises what it likes
            if getattr(error, "status_code", None) == _NOT_FOUND:
                return None
            msg = f"no vLLM server answers at {self.base_url}: {type(error).__name__}: {error}; is it up?"
            raise ConfigurationError(msg) from error
        return found if isinstance(found, dict) else None

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        del run_manager
        body = self._body(messages, stop, kwargs)
        return self._result(self._client().post("/chat/completions", body=body, cast_to=object), body)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        del run_manager
        body = self._body(messages, stop, kwargs)
        return self._result(await self._async_client().post("/chat/completions", body=body, cast_to=object), body)

    def _body(self, messages: list[BaseMessage], stop: list[str] | None, options: dict[str, Any]) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self.model,
            "messages": convert_to_openai_messages(messages),
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "seed": self.seed,
            **_WHOLE_DISTRIBUTION,
            **self.extra_body,
            **options,
            "logprobs": True,
            "return_token_ids": True,
        }
        body["seed"] %= _SEEDS
        if stops := [*(self.stop or ()), *(stop or ())]:
            body["stop"] = stops
        return body

    def _client(self) -> Any:
        if "sync" not in self._clients:
            self._clients["sync"] = _openai().OpenAI(**self._client_options())
        return self._clients["sync"]

    def _async_client(self) -> Any:
        """The client of the running event loop; open connections of an earlier loop are of no use to this one."""
        loop = asyncio.get_running_loop()
        if loop not in self._async_clients:
            self._async_clients[loop] = _openai().AsyncOpenAI(**self._client_options())
        return self._async_clients[loop]

    def _client_options(self) -> dict[str, Any]:
        key = self.api_key.get_secret_value()
        return {"base_url": self.base_url, "api_key": key, "timeout": self.timeout, "max_retries": 0}

    def _result(self, answer: Any, body: Mapping[str, Any]) -> ChatResult:
        if missing := _missing(answer, body):
            msg = f"the server at {self.base_url} answered without {missing}"
            raise PlannerError(msg)
        generations = [ChatGeneration(message=_message(choice, answer)) for choice in answer["choices"]]
        return ChatResult(generations=generations, llm_output={"model_name": answer.get("model") or self.model})


def _missing(answer: Any, body: Mapping[str, Any]) -> str:
    """What an answer lacks of what was asked for, and what to do about it; "" when all is there."""
    choices = answer.get("choices") if isinstance(answer, dict) else None
    if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
        return f"`choices`: {str(answer)[:200]!r}; is this the address of an OpenAI-compatible server, ending in /v1?"
    asked = body.get("n") or 1
    if len(choices) != asked:
        return f"all replies: asked for n = {asked}, got {len(choices)}; use a vLLM server"
    if not answer.get("prompt_token_ids"):
        return "`prompt_token_ids`: it is too old, or not vLLM (`return_token_ids` needs vLLM 0.22 or newer)"
    return next((lack for choice in choices if (lack := _lack_of(choice, body))), "")


def _lack_of(choice: Mapping[str, Any], body: Mapping[str, Any]) -> str:
    message = choice.get("message")
    if not isinstance(message, dict):
        return "`message` in a choice; use a vLLM server"
    ids, logprobs = choice.get("token_ids"), (choice.get("logprobs") or {}).get("content")
    if not isinstance(ids, list):
        return "`token_ids`: it is too old, or not vLLM (`return_token_ids` needs vLLM 0.22 or newer)"
    if not isinstance(logprobs, list):
        return "`logprobs`: it ignores what it was asked for; use a vLLM server"
    if len(ids) != len(logprobs):
        return f"a log-probability for each token: {len(ids)} token ids, {len(logprobs)} log-probabilities"
    if body.get("response_format") and choice.get("finish_reason") == "stop" and not _is_json(message.get("content")):
        return "the form asked for in `response_format`: it ignores it; use a vLLM server"
    return ""


def _is_json(text: Any) -> bool:
    try:
        json.loads(text or "")
    except ValueError:
        return False
    return True


def _message(choice: Mapping[str, Any], answer: Mapping[str, Any]) -> AIMessage:
    """A choice that was found whole, as LangChain has it."""
    said = choice["message"]
    thought = said.get("reasoning") or said.get("reasoning_content")
    prompt_ids, ids = answer["prompt_token_ids"], choice["token_ids"]
    return AIMessage(
        said.get("content") or "",
        additional_kwargs={"reasoning_content": thought} if thought else {},
        response_metadata={
            "model_name": answer.get("model"),
            "finish_reason": choice.get("finish_reason"),
            "prompt_token_ids": prompt_ids,
            "token_ids": ids,
            "token_logprobs": [entry["logprob"] for entry in choice["logprobs"]["content"]],
        },
        usage_metadata={
            "input_tokens": len(prompt_ids),
            "output_tokens": len(ids),
            "total_tokens": len(prompt_ids) + len(ids),
        },
    )


def _openai() -> Any:
    try:
        import openai  # noqa: PLC0415  (an extra)
    except ImportError:
        feature = "a model behind a vLLM server"
        raise MissingExtraError(feature, "agents") from None
    return openai
