"""How many pictures a request carries, and where."""

from __future__ import annotations

from langchain_core.messages import HumanMessage, SystemMessage

from tracer1_agents.planner.policy import ChatModelPolicy
from tracer1_agents.planner.profiles import PROFILES
from tracer1_agents.planner.prompt import Message, build_messages
from tracer1_agents.testing import ScriptedModel
from tracer1_agents.types import HistoryEntry, ImageRef, Observation


class Pictures:
    def get(self, ref):
        return b"\x89PNG" + ref.encode()


def picture(name):
    return {"type": "image", "ref": ImageRef(ref=name, width=1, height=1)}


def text(words):
    return {"type": "text", "text": words}


PROMPT = [
    Message("system", [text("rules")]),
    Message("user", [picture("one"), text("first"), picture("two")]),
    Message("user", [picture("three"), text("last")]),
]


def sent(limit):
    model = ScriptedModel(script=["x"])
    ChatModelPolicy(model, blobs=Pictures(), image_limit=limit).sample(PROMPT, horizon=1)
    return model.prompts[0]


def kinds(messages):
    return [[part["type"] for part in message.content] for message in messages if isinstance(message.content, list)]


def test_the_newest_are_sent():
    assert kinds(sent(None)) == kinds(sent(3)) == [["image_url", "text", "image_url"], ["image_url", "text"]]
    assert kinds(sent(2)) == [["text", "text", "image_url"], ["image_url", "text"]]
    assert kinds(sent(1)) == [["image_url", "text"]]  # a message without a picture is plain text
    assert kinds(sent(0)) == []
    assert str(sent(0)[1].text).count("an earlier screenshot is left out here") == 2
    assert [type(message) for message in sent(1)] == [SystemMessage, HumanMessage, HumanMessage]


def test_a_planning_step_has_one_picture_in_a_user_message():
    history = [HistoryEntry(step=step, action="wait()", summary="waited") for step in range(1, 6)]
    for profile in PROFILES.values():
        if not profile.supports_images:
            continue
        messages = build_messages(
            profile,
            instruction="x",
            observation=Observation(image=ImageRef(ref="now", width=560, height=280)),
            history=history,
            horizon=3,
            tools=(),
            platform="computer",
        )
        where = [(one.role, part["ref"].ref) for one in messages for part in one.content if part["type"] == "image"]
        assert where == [("user", "now")]
