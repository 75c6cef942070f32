"""LangChain messages as the chat template of a checkpoint takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.messages import BaseMessage

_ROLES: Final = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool"}
_IMAGES: Final = frozenset({"image", "image_url"})


def chat_of(messages: Sequence[BaseMessage], *, reads_images: bool) -> list[dict[str, Any]]:
    """A conversation; a message without an image is plain text, an image part holds a Pillow picture.

    Args:
        messages: Images come inline: a data URL (`image_url`), or base64 (LangChain's `image` blocks).
        reads_images: Whether the model does.

    Raises:
        ConfigurationError: A message holds what the model does not read, or an image that cannot be read.
        MissingExtraError: There is an image and Pillow is not installed.
    """
    return [
        {"role": _ROLES.get(message.type, "user"), "content": _content(message, reads_images=reads_images)}
        for message in messages
    ]


def _content(message: BaseMessage, *, reads_images: bool) -> str | list[dict[str, Any]]:
    if isinstance(message.content, str):
        return message.content
    kinds = {str(block.get("type")) for block in message.content if isinstance(block, dict)}
    if unread := kinds - {"text"} - (_IMAGES if reads_images else set()):
        other = ", ".join(sorted(unread))
        kind, remedy = (
            ("vision", "text and images only") if reads_images else ("text", "a prompt profile without images")
        )
        msg = f"a local {kind} model was given {other} content; use {remedy}"
        raise ConfigurationError(msg)
    if not kinds & _IMAGES:
        return str(message.text)
    return [_part(block) for block in message.content]


def _part(block: str | dict[str, Any]) -> dict[str, Any]:
    from tracer1_agents.serving.screenshots import picture_of_url  # noqa: PLC0415  (torch, transformers)

    if isinstance(block, str):
        return {"type": "text", "text": block}
    if block["type"] == "text":
        return {"type": "text", "text": block["text"]}
    return {"type": "image", "image": picture_of_url(_url(block))}


def _url(block: dict[str, Any]) -> str:
    """Of an image block in any of LangChain's spellings; base64 becomes a data URL."""
    content = block.get("base64") or block.get("data")
    if content:
        return f"data:{block.get('mime_type', 'image')};base64,{content}"
    url = block.get("image_url") or block.get("url") or ""
    return str(url["url"] if isinstance(url, dict) else url)
