"""Pictures and speech behind an OpenAI-compatible endpoint, as the backends that the tools take.

`/images/generations`, `/images/edits` and `/audio/transcriptions`; chat with pictures is `tools.chat_vision` over
`endpoint_model`. What comes back are bytes and words that nobody has looked at: the tools decode pictures in their
worker. An endpoint that cannot be reached is infrastructure; one that refuses is an answer to the planner.
"""

from __future__ import annotations

import base64
import binascii
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.errors import EnvironmentFailure, MissingExtraError, ToolError
from tracer1_agents.planner.retries import is_busy

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECONDS: Final = 120.0
_SHOWN: Final = 200  # characters of what an endpoint said


class _Endpoint:
    """A model behind a base URL.

    Args:
        model: As the endpoint calls it.
        base_url: Such as "http://localhost:8000/v1".
        api_key: By default that of OPENAI_API_KEY; local servers need none.
        timeout: Seconds for one request.

    Raises:
        MissingExtraError: openai is not installed.
    """

    def __init__(self, model: str, base_url: str, *, api_key: str | None = None, timeout: float = _SECONDS) -> None:
        try:
            import openai  # noqa: PLC0415  (an extra)
        except ImportError:
            feature = "a model behind an endpoint"
            raise MissingExtraError(feature, "agents") from None
        key = api_key or os.environ.get("OPENAI_API_KEY") or "none"
        self._openai: Any = openai
        self._client = openai.OpenAI(base_url=base_url, api_key=key, timeout=timeout, max_retries=1)
        self._model = model

    @contextmanager
    def _asked(self) -> Iterator[None]:
        try:
            yield
        except self._openai.OpenAIError as error:
            if is_busy(error):
                msg = f"the endpoint of {self._model} gave no answer: {str(error)[:_SHOWN]}"
                raise EnvironmentFailure(msg) from error
            msg = f"the endpoint of {self._model} refused: {str(error)[:_SHOWN]}"
            raise ToolError(msg) from error


class EndpointPictures(_Endpoint):
    """An `ImageGenerator` and an `ImageEditor`; the arguments are those of every endpoint here.

    Args:
        size: Of new pictures, such as "1024x1024"; None leaves it to the endpoint.
        response_format: "b64_json"; None for endpoints that refuse the argument and send base64 anyway.
    """

    def __init__(
        self,
        model: str,
        base_url: str,
        *,
        api_key: str | None = None,
        timeout: float = _SECONDS,
        size: str | None = None,
        response_format: str | None = "b64_json",
    ) -> None:
        super().__init__(model, base_url, api_key=api_key, timeout=timeout)
        chosen = {"size": size, "response_format": response_format}
        self._options: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}

    def generate(self, prompt: str) -> bytes:
        """A picture file.

        Raises:
            ToolError: The endpoint refused, or sent no picture.
            EnvironmentFailure: It cannot be reached.
        """
        with self._asked():
            reply = self._client.images.generate(model=self._model, prompt=prompt, n=1, **self._options)
        return self._content(reply)

    def edit(self, prompt: str, image: bytes) -> bytes:
        """A changed picture; raises as `generate`."""
        with self._asked():
            picture = ("image.png", image, "image/png")
            reply = self._client.images.edit(model=self._model, prompt=prompt, image=picture, n=1, **self._options)
        return self._content(reply)

    def _content(self, reply: Any) -> bytes:
        """The picture in a reply; an address in its place is not followed."""
        items = getattr(reply, "data", None) or [None]
        encoded = getattr(items[0], "b64_json", None)
        if not isinstance(encoded, str):
            msg = f"the endpoint of {self._model} sent no picture in base64; set response_format, or another model"
            raise ToolError(msg)
        try:
            return base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError) as error:
            msg = f"the endpoint of {self._model} sent a picture that is no base64: {error}"
            raise ToolError(msg) from error


class EndpointSpeech(_Endpoint):
    """A `Transcriber`."""

    def transcribe(self, audio: bytes, name: str) -> str:
        """The words in a sound file.

        Args:
            audio: The file.
            name: Its ending says what it is.

        Raises:
            ToolError: The endpoint refused.
            EnvironmentFailure: It cannot be reached.
        """
        with self._asked():
            reply = self._client.audio.transcriptions.create(model=self._model, file=(name, audio))
        text = getattr(reply, "text", None)
        if not isinstance(text, str):
            msg = f"the endpoint of {self._model} sent no text for {name}"
            raise ToolError(msg)
        return text
