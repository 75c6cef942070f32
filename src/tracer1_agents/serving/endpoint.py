"""A chat model behind an OpenAI-compatible endpoint: vLLM, SGLang, llama.cpp, or a hosted one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from tracer1_agents.errors import MissingExtraError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


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
    key = {} if "OPENAI_API_KEY" in os.environ else {"api_key": "none"}
    return ChatOpenAI(model=name, base_url=base_url, max_retries=0, **key, **options)
