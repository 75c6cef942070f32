"""A checkpoint that reads images as a LangChain chat model, and as a planner that is shown the screen."""

from __future__ import annotations

import asyncio
import base64
import random
from io import BytesIO

import pytest
from langchain_core.messages import HumanMessage, SystemMessage

from tracer1_agents.blobs import BlobStore
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.graphs.build import create_tracer1_agent
from tracer1_agents.serving.local import LocalChatModel
from tracer1_agents.serving.messages import chat_of
from tracer1_agents.types import ImageRef

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("PIL", reason="Pillow is not installed")
pytestmark = pytest.mark.torch


def screenshot(seed=0, size=(96, 64)):
    from PIL import Image  # noqa: PLC0415

    buffer = BytesIO()
    Image.frombytes("RGB", size, random.Random(seed).randbytes(3 * size[0] * size[1])).save(buffer, "PNG")
    return buffer.getvalue()


def data_url(content, kind="png"):
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def shown(content, text="Go"):
    image = {"type": "image_url", "image_url": {"url": data_url(content)}}
    return [SystemMessage("Look."), HumanMessage([image, {"type": "text", "text": text}])]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from tracer1_agents.training.vision_model import VisionModelConfig, save_vision_planner  # noqa: PLC0415

    sizes = VisionModelConfig(hidden_size=32, heads=2, key_value_heads=1, mlp_size=64, max_positions=16_384)
    return save_vision_planner(tmp_path_factory.mktemp("checkpoints") / "tiny-vision", sizes)


@pytest.fixture
def model(folder):
    return LocalChatModel(model=str(folder), max_tokens=4)


def test_the_picture_is_read(model):
    image_token = model.batcher.engine.model.config.image_token_id
    replies = [model.invoke(shown(screenshot(seed))) for seed in (1, 2, 1)]
    ids = [reply.response_metadata["prompt_token_ids"] for reply in replies]
    assert ids[0] == ids[1] == ids[2]
    assert ids[0].count(image_token) == 3 * 2  # 96 x 64 pixels in tokens of 32 x 32
    first, other, again = (reply.response_metadata["token_logprobs"] for reply in replies)
    assert first == pytest.approx(again, abs=1e-5)
    assert first != pytest.approx(other, abs=1e-5)


def test_all_spellings_of_a_picture_are_one(model):
    content = base64.b64encode(screenshot(3)).decode()
    spellings = [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{content}"}},
        {"type": "image_url", "image_url": f"data:image/png;base64,{content}"},
        {"type": "image", "base64": content, "mime_type": "image/png"},
        {"type": "image", "source_type": "base64", "data": content, "mime_type": "image/png"},
        {"type": "image", "url": f"data:image/png;base64,{content}"},
    ]
    chats = [chat_of([HumanMessage([image, "Go"])], reads_images=True) for image in spellings]
    for (message,) in chats:
        picture, text = message["content"]
        assert picture["image"].size == (96, 64)
        assert picture["image"].tobytes() == chats[0][0]["content"][0]["image"].tobytes()
        assert text == {"type": "text", "text": "Go"}


def test_concurrent_calls_keep_their_pictures(model):
    async def together():
        return await asyncio.gather(*[model.ainvoke(shown(screenshot(seed))) for seed in (1, 2, 1, 2)])

    replies = [reply.response_metadata["token_logprobs"] for reply in asyncio.run(together())]
    wanted = [model.invoke(shown(screenshot(seed))).response_metadata["token_logprobs"] for seed in (1, 2, 1, 2)]
    for got, want in zip(replies, wanted, strict=True):
        assert got == pytest.approx(want, abs=1e-5)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}, "fetches nothing"),
        ({"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}, "fetches nothing"),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}, "cannot be read"),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,?"}}, "cannot be read"),
        ({"type": "image"}, "fetches nothing"),
        ({"type": "audio", "data": "x"}, "a local vision model was given audio content"),
    ],
)
def test_what_cannot_be_read_is_refused(model, block, message):
    with pytest.raises(ConfigurationError, match=message):
        model.invoke([HumanMessage([block])])


class TestAsPlanner:
    @pytest.fixture
    def agent(self, folder, tmp_path):
        self.blobs = BlobStore(tmp_path / "blobs")
        model = LocalChatModel(model=str(folder), max_tokens=4)
        return create_tracer1_agent(
            model, profile="qwen-tool-call", platform="computer", blobs=self.blobs, max_reasks=0
        )

    def test_the_screen_reaches_the_model(self, agent):
        """Random weights write no action; what they were shown is in the count of prompt tokens."""
        ref = ImageRef(ref=self.blobs.put(screenshot(1)), width=96, height=64)
        observations = [{"text": "a screen"}, {"text": "a screen", "image": ref.model_dump()}]
        blind, seeing = (agent.invoke({"instruction": "Press OK", "observation": seen}) for seen in observations)
        assert blind["status"] == seeing["status"] == "parse_error"
        image_tokens = 3 * 2 + 2  # and the marks before and after them
        assert seeing["usage"]["input_tokens"] == blind["usage"]["input_tokens"] + image_tokens

    def test_async(self, agent):
        ref = ImageRef(ref=self.blobs.put(screenshot(1)), width=96, height=64)
        start = {"instruction": "Press OK", "observation": {"image": ref.model_dump()}}
        assert asyncio.run(agent.ainvoke(start))["status"] == "parse_error"
