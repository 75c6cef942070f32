"""A chat model behind an OpenAI-compatible endpoint: vLLM, SGLang, llama.cpp, or a hosted one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.errors import ConfigurationError, MissingExtraError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

_ASK_SECONDS: Final = 10.0
_REFUSED: Final = frozenset({401, 403})


def endpoint_model(name: str, base_url: str, **options: Any) -> BaseChatModel:
    """The model as LangChain has it; retries are the caller's business.

    Args:
        name: As the endpoint calls it.
        base_url: Of the endpoint, such as "http://localhost:8000/v1".
        options: Further arguments of `ChatOpenAI`, such as `temperature`.

    Raises:
        MissingExtraError: langchain-openai is not installed.
    """
    try:
        from langchain_openai import ChatOpenAI  # noqa: PLC0415  (an extra)
    except ImportError:
        feature = "a model behind an endpoint"
        raise MissingExtraError(feature, "agents") from None
    # a local server needs no key; a hosted one reads OPENAI_API_KEY from the environment
    key = {} if os.environ.get("OPENAI_API_KEY") else {"api_key": "none"}
    return ChatOpenAI(model=name, base_url=base_url, max_retries=0, **key, **options)


def check_endpoint(name: str, base_url: str) -> None:
    """Be sure that an endpoint answers and serves a model, before anything expensive begins.

    Some hosted endpoints list nothing; they are taken at their word.

    Args:
        name: Of the model.
        base_url: As `endpoint_model` takes it.

    Raises:
        ConfigurationError: Nothing answers there, it wants another key, or it lists other models only.
        MissingExtraError: langchain-openai is not installed.
    """
    client = endpoint_model(name, base_url, timeout=_ASK_SECONDS).root_client  # type: ignore[attr-defined]
    try:
        listed = client.models.list().data or []
    except Exception as error:  # the client library raises what it likes
        status = getattr(error, "status_code", None)
        if status in _REFUSED:
            msg = f"{base_url} wants another key (status {status}); set OPENAI_API_KEY"
            raise ConfigurationError(msg) from error
        if status is not None:
            return
        msg = (
            f"no OpenAI-compatible endpoint answers at {base_url} ({type(error).__name__}: {error}); "
            "is it up, and does its address end in /v1?"
        )
        raise ConfigurationError(msg) from error
    served = [str(one.id) for one in listed]
    if served and name not in served:
        msg = f"{base_url} does not serve {name!r}; it serves {', '.join(served)}; give one of these as the model"
        raise ConfigurationError(msg)
