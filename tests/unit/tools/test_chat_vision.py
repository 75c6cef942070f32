from __future__ import annotations

import base64
import io
from typing import Any

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from PIL import Image

from tracer1_agents.errors import ToolError
from tracer1_agents.tools.chat_vision import ChatVision


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (200, 100)).save(buffer, "PNG")
    return buffer.getvalue()


def replying(text: str, **options: Any) -> ChatVision:
    return ChatVision(GenericFakeChatModel(messages=iter([AIMessage(text)])), **options)


def test_the_image_and_the_question_reach_the_model() -> None:
    seen: list[Any] = []

    class Spy(GenericFakeChatModel):
        def _generate(self, messages: list[Any], *args: Any, **kwargs: Any) -> Any:
            seen.extend(messages)
            return super()._generate(messages, *args, **kwargs)

    assert ChatVision(Spy(messages=iter([AIMessage("two")]))).answer("How many?", b"bytes") == "two"
    blocks = seen[0].content
    assert blocks[0] == {"type": "text", "text": "How many?"}
    assert base64.b64decode(blocks[1]["base64"]) == b"bytes"


@pytest.mark.parametrize(
    ("reply", "boxes"),
    [
        ("[[1, 2, 30, 40]]", [(1, 2, 30, 40)]),
        ("Here:\n```json\n[[1, 2, 30, 40],\n [5, 6, 7.6, 8]]\n```", [(1, 2, 30, 40), (5, 6, 8, 8)]),
        ("[1, 2, 30, 40]", [(1, 2, 30, 40)]),
        ("[]", []),
    ],
)
def test_boxes_in_pixels(reply: str, boxes: list[tuple[int, ...]]) -> None:
    assert replying(reply).locate("cat", png()) == boxes


def test_boxes_in_thousandths() -> None:
    model = replying("[[0, 500, 250, 1000]]", coordinates="thousandths")
    assert model.locate("cat", png()) == [(0, 50, 50, 100)]  # of 200 x 100 pixels


@pytest.mark.parametrize(
    "reply", ["I see a cat.", "[[1, 2, 3]]", "[[1, 2, 3, true]]", '["a"]', "[1, 2", "[[1,2,3,4]] or [x]"]
)
def test_a_reply_without_boxes_is_an_error(reply: str) -> None:
    with pytest.raises(ToolError, match="gave no boxes but"):
        replying(reply).locate("cat", png())
