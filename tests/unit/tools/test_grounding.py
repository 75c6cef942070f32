"""The grounding model: three profiles against a scripted model and an OpenAI-compatible server on this machine."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from langchain_core.messages import AIMessage
from langchain_openai import ChatOpenAI
from PIL import Image

from tracer1_agents.actions.coordinates import PIXELS
from tracer1_agents.actions.space import (
    Click,
    Code,
    Drag,
    Finish,
    Hotkey,
    LeftDouble,
    LongPress,
    Point,
    PressButton,
    Scroll,
    Select,
    ToolCall,
    Type,
    Wait,
    load_action,
)
from tracer1_agents.blobs import BlobStore, ImageFiles
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.planner.retries import Retries
from tracer1_agents.testing import ScriptedModel
from tracer1_agents.tools.grounding import GroundingModel
from tracer1_agents.tools.grounding_profiles import GROUNDING_PROFILES, grounding_profile
from tracer1_agents.types import ImageRef, Observation

WIDTH, HEIGHT = 560, 280  # multiples of 28 with 200 patches of 28 x 28: no processor resizes it
QUICK = Retries(attempts=2, first_wait=0.001, longest_wait=0.002, timeout=5.0)

# what each model says for the place (0.5, 0.25), and for a drag from there to (0.75, 0.5)
REPLIES = {
    "ui-tars": (
        "Action: click(start_box='(500,250)')",
        "Action: drag(start_box='(500,250)', end_box='(750,500)')",
    ),
    "ui-tars-1.5": (
        "Thought: It is here.\nAction: click(point='<point>280 70</point>')",
        "Action: drag(start_point='<point>280 70</point>', end_point='<point>420 140</point>')",
    ),
    **{
        name: tuple(
            f'{thought}<tool_call>\n{{"name": "computer_use", "arguments": {{{arguments}}}}}\n</tool_call>'
            for thought, arguments in (
                ("<think>Top, middle.</think>\n", f'"action": "left_click", "coordinate": {here}'),
                ("", f'"action": "left_click_drag", "start_coordinate": {here}, "coordinate": {there}'),
            )
        )
        for name, here, there in (
            ("qwen3-vl", [500, 250], [750, 500]),
            ("gui-owl-1.5", [500, 250], [750, 500]),
            ("qwen2.5-vl", [280, 70], [420, 140]),
            ("gui-owl", [280, 70], [420, 140]),
        )
    },
}
MODELS = {
    "ui-tars": "UI-TARS-7B-SFT",
    "ui-tars-1.5": "UI-TARS-1.5-7B",
    "qwen3-vl": "Qwen3-VL-32B-Thinking",
    "qwen2.5-vl": "Qwen2.5-VL-7B-Instruct",
    "gui-owl": "GUI-Owl-7B",
    "gui-owl-1.5": "GUI-Owl-1.5-8B",
}
PROFILES = pytest.mark.parametrize("profile", REPLIES)


@pytest.fixture
def screen(tmp_path):
    path = tmp_path / "screen.png"
    Image.new("RGB", (WIDTH, HEIGHT)).save(path)
    return Observation(image=ImageRef(ref=str(path), width=WIDTH, height=HEIGHT))


def agent(*replies, profile="ui-tars", **options):
    model = ScriptedModel(script=list(replies), model=MODELS[profile])
    return GroundingModel(model, **{"retries": QUICK, **options}), model


def parts_of(model):
    (message,) = model.prompts[-1]
    return {part["type"]: part for part in message.content}


@PROFILES
class TestProfiles:
    def test_a_point(self, profile, screen):
        grounder, model = agent(REPLIES[profile][0], profile=profile)
        assert grounder.profile.name == {"qwen3-vl": "qwen-tool-call"}.get(profile, profile)
        execution = grounder.execute(Click(), "Press  OK", screen)
        assert execution.ok
        assert load_action(execution.value) == Click(point=Point(0.5, 0.25))
        assert execution.text == "click(point=[0.5, 0.25])"
        assert "Press OK" in parts_of(model)["text"]["text"]

    def test_both_ends_of_a_drag(self, profile, screen):
        grounder, model = agent(REPLIES[profile][1], profile=profile)
        execution = grounder.execute(Drag(), "Move the file into the folder", screen)
        assert load_action(execution.value) == Drag(start=Point(0.5, 0.25), end=Point(0.75, 0.5))
        assert "drag" in parts_of(model)["text"]["text"]

    def test_async(self, profile, screen):
        grounder, _ = agent(REPLIES[profile][0], profile=profile)
        execution = asyncio.run(grounder.aexecute(LongPress(), "Hold the photo", screen))
        assert load_action(execution.value) == LongPress(point=Point(0.5, 0.25))

    def test_no_braces_or_placeholders_are_left_in_the_prompt(self, profile, screen):
        for action, platform in ((Click(), "mobile"), (Drag(), "mobile"), (Click(), "computer"), (Drag(), "computer")):
            grounder, model = agent(REPLIES[profile][0], profile=profile, platform=platform)
            grounder.execute(action, "costs $5 {x} ${y}", screen)
            text = parts_of(model)["text"]["text"]
            assert text.count("$") == 2  # those of the instruction
            assert text.endswith("costs $5 {x} ${y}")


class TestPrompts:
    def test_qwen_is_asked_in_its_own_names(self, screen):
        grounder, model = agent(REPLIES["qwen3-vl"][0], profile="qwen3-vl", platform="mobile")
        grounder.execute(Click(), "OK", screen)
        text = parts_of(model)["text"]["text"]
        assert '{"name": "mobile_use", "arguments": {"action": "click", "coordinate": [x, y]}}' in text
        assert "x from 0 (left) to 1000" in text

    def test_the_screenshot_goes_along(self, screen):
        grounder, model = agent(REPLIES["ui-tars"][0])
        grounder.execute(Click(), "OK", screen)
        url = parts_of(model)["image_url"]["image_url"]["url"]
        assert base64.b64decode(url.removeprefix("data:image/png;base64,")) == ImageFiles().get(screen.image.ref)

    def test_pixels_count_in_the_picture_that_is_sent(self, screen):
        """The planner may have been shown it at half its size."""
        half = Observation(image=screen.image.model_copy(update={"width": WIDTH // 2, "height": HEIGHT // 2}))
        grounder, _ = agent(REPLIES["ui-tars-1.5"][0], profile="ui-tars-1.5")
        assert load_action(grounder.execute(Click(), "OK", half).value).point == Point(0.5, 0.25)

    def test_another_frame_is_a_replace(self, screen):
        base = GROUNDING_PROFILES["ui-tars-1.5"]
        pixels = replace(base, dialect=replace(base.dialect, frame=PIXELS))
        grounder, _ = agent("Action: click(point='<point>140 140</point>')", profile=pixels.name)
        grounder.profile = pixels
        assert load_action(grounder.execute(Click(), "OK", screen).value).point == Point(0.25, 0.5)
        assert pixels.fingerprint != base.fingerprint

    def test_screenshots_from_a_store(self, tmp_path):
        buffer = io.BytesIO()
        Image.new("RGB", (WIDTH, HEIGHT)).save(buffer, "PNG")
        blobs = BlobStore(tmp_path / "blobs")
        stored = Observation(image=ImageRef(ref=blobs.put(buffer.getvalue()), width=WIDTH, height=HEIGHT))
        for images in (blobs, ImageFiles(blobs)):
            grounder, _ = agent(REPLIES["ui-tars-1.5"][0], profile="ui-tars-1.5", images=images)
            assert grounder.execute(Click(), "OK", stored).ok

    @pytest.mark.parametrize(
        ("name", "profile"),
        [
            ("ByteDance-Seed/UI-TARS-7B-SFT", "ui-tars"),
            ("ByteDance-Seed/UI-TARS-1.5-7B", "ui-tars-1.5"),
            ("Qwen/Qwen3-VL-32B-Thinking", "qwen-tool-call"),
            ("Qwen/Qwen2.5-VL-7B-Instruct", "qwen2.5-vl"),
            ("mPLUG/GUI-Owl-7B", "gui-owl"),
            ("mPLUG/GUI-Owl-1.5-8B", "gui-owl-1.5"),
            ("qwen-tool-call", "qwen-tool-call"),
            ("ui-tars", "ui-tars"),
        ],
    )
    def test_profiles_by_model_name(self, name, profile):
        assert grounding_profile(name).name == profile

    def test_no_profile(self):
        with pytest.raises(ConfigurationError, match="no grounding profile for 'gpt-5'; choose one of ui-tars, "):
            GroundingModel(ScriptedModel(script=["x"], model="gpt-5"))

    def test_the_version_names_what_changes_answers(self):
        versions = {
            agent("x", profile=profile, platform=platform, trust_points=trust, asks=asks)[0].version
            for profile in MODELS
            for platform in ("computer", "mobile")
            for trust in (False, True)
            for asks in ("point", "action")
        }
        assert len(versions) == 48


class TestWhoDecides:
    def test_the_planner_what_the_model_where(self, screen):
        grounder, _ = agent("Action: left_double(point='<point>500 250</point>')")
        value = grounder.execute(Select(option="red"), "Choose red", screen).value
        assert load_action(value) == Select(option="red", point=Point(0.5, 0.25))

    def test_the_model_overrules_the_planners_point_unless_that_is_trusted(self, screen):
        mine = Click(point=Point(0.9, 0.9))
        for trust, point in ((False, Point(0.5, 0.25)), (True, Point(0.9, 0.9))):
            grounder, model = agent(REPLIES["ui-tars"][0], trust_points=trust)
            assert load_action(grounder.execute(mine, "OK", screen).value).point == point
            assert len(model.prompts) == (0 if trust else 1)

    @pytest.mark.parametrize(
        "action", [Type(content="a"), Wait(), PressButton(button="back"), Scroll(direction="down")], ids=str
    )
    def test_what_needs_no_place_is_not_asked_for(self, action):
        grounder, model = agent("x")
        execution = grounder.execute(action, "", Observation())
        assert load_action(execution.value) == action
        assert model.prompts == []

    @pytest.mark.parametrize("action", [ToolCall(name="ocr"), Code(source="1"), Finish()], ids=str)
    def test_what_is_no_action_on_a_screen(self, action):
        execution = agent("x")[0].execute(action, "", Observation())
        assert (execution.ok, execution.infrastructure) == (False, False)


class TestWholeActions:
    @pytest.mark.parametrize(
        ("profile", "reply", "action"),
        [
            ("ui-tars", "Action: left_double(point='<point>500 250</point>')", LeftDouble(point=Point(0.5, 0.25))),
            ("ui-tars", r"Thought: x\nAction: type(content='it\'s\n')", Type(content="it's\n")),
            ("ui-tars-1.5", "Action: hotkey(key='ctrl a')", Hotkey(keys=("ctrl", "a"))),
            (
                "qwen3-vl",
                '<tool_call>{"name": "computer_use", "arguments": {"action": "scroll", "pixels": -300}}</tool_call>',
                Scroll(direction="down"),
            ),
        ],
    )
    def test_what_the_model_does_is_taken(self, profile, reply, action, screen):
        grounder, model = agent(reply.replace("\\nAction", "\nAction"), profile=profile, asks="action")
        execution = grounder.execute(Click(), "Do the next thing", screen)
        assert load_action(execution.value) == action
        text = parts_of(model)["text"]["text"]
        assert "Take the one action" in text
        assert "Do the next thing" in text
        assert "scroll" in text  # the whole space is offered
        assert "$" not in text

    @pytest.mark.parametrize("reply", ["Action: finished()", "Action: click()", "Action: ocr(path='a')", "no"])
    def test_what_is_no_action_on_this_screen(self, reply, screen):
        execution = agent(reply, asks="action")[0].execute(Click(), "OK", screen)
        assert (execution.ok, execution.infrastructure) == (False, False)
        assert "no action was found" in execution.text

    def test_typing_is_asked_for_too_but_not_without_a_word(self, screen):
        grounder, model = agent(REPLIES["ui-tars"][0], asks="action")
        assert load_action(grounder.execute(Type(content="a"), "Press OK", screen).value).kind == "click"
        assert load_action(grounder.execute(Type(content="a"), "", screen).value) == Type(content="a")
        assert len(model.prompts) == 1

    def test_another_question(self):
        with pytest.raises(ConfigurationError, match='asks must be "point" or "action"'):
            agent("x", asks="box")


class TestFailures:
    def test_a_shape_that_no_processor_takes_is_infrastructure(self, tmp_path):
        Image.new("RGB", (2010, 10)).save(tmp_path / "a.png")
        thin = Observation(image=ImageRef(ref=str(tmp_path / "a.png"), width=2010, height=10))
        grounder, model = agent("x", profile="ui-tars-1.5")
        execution = grounder.execute(Click(), "OK", thin)
        assert execution.infrastructure
        assert "ratio" in execution.text
        assert model.prompts == []

    @pytest.mark.parametrize(
        "reply",
        [
            "I cannot see it.",
            "",
            "Action: click(point='<point>5000 1</point>')",  # outside
            "Action: click()",
            "Action: type(content='x')",
            "Action: finished()",
            "Action: drag(start_box='(1,1)', end_box='(2,2)')",  # for a click
        ],
    )
    def test_nothing_found_is_a_failed_step(self, reply, screen):
        execution = agent(reply)[0].execute(Click(), "OK", screen)
        assert (execution.ok, execution.infrastructure, execution.value) == (False, False, None)
        assert execution.text.startswith("error: no place was found for this step; the grounding model said ")

    def test_one_end_is_no_drag(self, screen):
        assert not agent(REPLIES["ui-tars"][0])[0].execute(Drag(), "Move it", screen).ok

    def test_no_instruction_nothing_to_find(self, screen):
        grounder, model = agent("x")
        execution = grounder.execute(Click(), " ", screen)
        assert execution.text == "error: click needs a step instruction that says what it acts on"
        assert model.prompts == []

    @pytest.mark.parametrize(
        ("observation", "text"),
        [
            (Observation(), "there is no screenshot"),
            (Observation(image=ImageRef(ref="/nowhere.png", width=1, height=1)), "cannot read this picture"),
        ],
    )
    @pytest.mark.parametrize("how", ["sync", "async"])
    def test_no_screenshot_is_infrastructure(self, observation, text, how):
        grounder, model = agent("x")
        if how == "sync":
            execution = grounder.execute(Click(), "OK", observation)
        else:
            execution = asyncio.run(grounder.aexecute(Click(), "OK", observation))
        assert execution.infrastructure
        assert text in execution.text
        assert model.prompts == []

    def test_a_file_that_is_no_picture(self, tmp_path):
        (tmp_path / "a.png").write_text("no")
        broken = Observation(image=ImageRef(ref=str(tmp_path / "a.png"), width=1, height=1))
        assert agent("x", profile="ui-tars-1.5")[0].execute(Click(), "OK", broken).infrastructure

    def test_a_model_that_was_cut_off(self, screen):
        cut = AIMessage("<think>hm", response_metadata={"finish_reason": "length"})
        execution = agent(cut)[0].execute(Click(), "OK", screen)
        assert execution.infrastructure
        assert "token limit" in execution.text

    def test_a_model_that_does_not_answer(self, screen):
        grounder, model = agent(ConnectionError("refused"))
        execution = grounder.execute(Click(), "OK", screen)
        assert execution.infrastructure
        assert execution.text.startswith("error: grounding model UI-TARS-7B-SFT gave no answer after 2 attempts")
        assert len(model.prompts) == 2


class _OpenAI(BaseHTTPRequestHandler):
    """Answers chat completions with the profile's reply, once it has been busy."""

    def do_POST(self):
        server = self.server
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        server.requests.append((self.path, request))
        status = 503 if len(server.requests) == 1 else 200
        message = {"role": "assistant", "content": REPLIES[server.profile][0]}
        ok = {
            "id": "1", "object": "chat.completion", "created": 1, "model": request["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14},
        }  # fmt: skip
        body = json.dumps(ok if status == 200 else {"error": {"message": "busy"}}).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    running = ThreadingHTTPServer(("127.0.0.1", 0), _OpenAI)
    running.requests = []
    threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


@PROFILES
def test_any_openai_compatible_endpoint(profile, server, screen):
    server.profile = profile
    address = f"http://127.0.0.1:{server.server_port}/v1"
    model = ChatOpenAI(model=MODELS[profile], base_url=address, api_key="none", temperature=0, max_retries=0)
    execution = GroundingModel(model, retries=QUICK).execute(Click(), "Press OK", screen)
    assert load_action(execution.value) == Click(point=Point(0.5, 0.25))
    (path, request) = server.requests[-1]
    assert (len(server.requests), path) == (2, "/v1/chat/completions")
    assert (request["model"], request["temperature"]) == (MODELS[profile], 0)
    picture, text = request["messages"][0]["content"]
    assert picture["image_url"]["url"].startswith("data:image/png;base64,")
    assert "Press OK" in text["text"]
