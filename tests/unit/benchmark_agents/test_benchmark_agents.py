"""Our agent behind OSWorld's, AndroidWorld's and BrowserGym's interfaces, against fakes of their environments."""

from __future__ import annotations

import ast
import io
from types import SimpleNamespace

import pytest
from PIL import Image

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.actions.elements import Element
from tracer1_agents.actions.space import Point
from tracer1_agents.blobs import BlobStore
from tracer1_agents.data.readers.browsergym_code import parse_calls
from tracer1_agents.errors import ConfigurationError, DataError
from tracer1_agents.evals.agents.androidworld import AndroidWorldAgent
from tracer1_agents.evals.agents.browsergym import BrowserGymAgent
from tracer1_agents.evals.agents.osworld import OSWorldAgent
from tracer1_agents.evals.agents.screens import android_elements, axtree_elements, observation_of
from tracer1_agents.evals.agents.stepping import Stepper
from tracer1_agents.testing import ScriptedModel
from tracer1_agents.tools.grounding import GroundingModel
from tracer1_agents.tools.offline_grounding import ElementGrounder
from tracer1_agents.types import Observation, Status

np = pytest.importorskip("numpy")

GOAL = "Turn the night light on"


def says(*lines, **options):
    """A planner in the canonical dialect; each reply is one forecast."""
    return ScriptedModel(script=list(lines)), {"profile": "compact", **options}


def png(shade=0, size=(1920, 1080)):
    buffer = io.BytesIO()
    Image.new("RGB", size, (shade, shade, shade)).save(buffer, "PNG")
    return buffer.getvalue()


class TestOSWorld:
    def agent(self, *lines, grounder=None, **options):
        model, options = says(*lines, **options)
        return OSWorldAgent(model, grounder=grounder, **options), model

    def test_one_action_at_a_time(self):
        agent, model = self.agent(
            'click(point=[0.5, 0.25]) # "Open the settings"\nfinish() # "done"',
            'type(content="it\'s\\n") # "Type"',
            'wait() # "Let it load"',
            'finish() # "done"',
        )
        agent.reset(None)
        reply, actions = agent.predict(GOAL, {"screenshot": png(1), "accessibility_tree": None, "terminal": None})
        assert reply.startswith("click(point")
        assert actions == ["pyautogui.click(960, 270)"]
        for shade, expected in (
            (2, 'pyautogui.write("it\'s\\n", interval=0.01)'),
            (3, "WAIT"),
            (4, "DONE"),
            (5, "DONE"),
        ):
            assert agent.predict(GOAL, {"screenshot": png(shade)})[1] == [expected]
        assert len(model.prompts) == 4  # nobody is asked after the end
        trace = agent.trace()
        assert (trace.status, len(trace.steps)) == (Status.FINISHED, 4)
        assert len({step.execution.image.ref for step in trace.steps[:3]}) == 3  # what was seen after each

    def test_infeasible_is_fail_and_last(self):
        agent, _ = self.agent('click(point=[0, 0]) # "Look"', 'finish(status="infeasible") # "no such setting"')
        words = [agent.predict(GOAL, {"screenshot": png(shade)})[1][0] for shade in range(4)]
        assert words == ["pyautogui.click(0, 0)", "FAIL", "FAIL", "FAIL"]

    @pytest.mark.parametrize(
        ("lines", "options"),
        [
            (["nothing readable"], {}),
            (['click(point=[0.1, 0.1]) # "again"'], {}),  # the loop guard, over the benchmark's steps
            (['click(point=[0.1, 0.1]) # "a"', 'click(point=[0.2, 0.1]) # "b"'], {"max_steps": 1}),
        ],
    )
    def test_an_unhappy_end_is_no_claim_that_the_task_cannot_be_done(self, lines, options):
        agent, _ = self.agent(*lines, **options)
        words = [agent.predict(GOAL, {"screenshot": png(0)})[1][0] for _ in range(4)]
        assert words[-1] == "DONE"
        assert agent.trace().status in {Status.PARSE_ERROR, Status.LOOP, Status.STEP_LIMIT}

    def test_what_a_desktop_has_not_goes_back_to_the_planner(self):
        agent, model = self.agent(
            'press_button(button="back") # "Go back"', 'click() # "Click it"', 'hotkey(keys=["alt", "left"]) # "Back"'
        )
        assert agent.predict(GOAL, {"screenshot": png()})[1] == ["pyautogui.hotkey('alt', 'left')"]
        seen = [str(messages[-1].text) for messages in model.prompts]
        assert "a desktop has no action press_button" in seen[1]
        assert "needs a point" in seen[2]

    def test_too_many_failures_end_the_run(self):
        agent, _ = self.agent(*(f'press_button(button="back") # "{k}"' for k in range(9)), max_tool_errors=2)
        assert agent.predict(GOAL, {"screenshot": png()})[1] == ["DONE"]
        assert agent.trace().status is Status.TOOL_ERROR

    def test_nobody_to_call_and_no_screenshot(self):
        agent, model = self.agent('call_user() # "Help"')
        assert agent.predict(GOAL, {"screenshot": None})[1] == ["WAIT"]
        assert model.prompts == []
        assert agent.predict(GOAL, {"screenshot": png()})[1] == ["FAIL"]

    def test_a_reset_begins_anew(self):
        agent, model = self.agent('finish() # "done"', 'wait() # "x"')
        assert agent.predict("one", {"screenshot": png()})[1] == ["DONE"]
        agent.reset(runtime_logger=object(), vm_ip="10.0.0.1")
        assert agent.predict("two", {"screenshot": png()})[1] == ["WAIT"]
        assert "two" in str(model.prompts[-1][-1].text)

    def test_planner_and_grounder_from_models(self, tmp_path):
        planner = ScriptedModel(script=["Thought: Open the page Display.\nAction: click()"])
        places = ScriptedModel(script=["Action: click(start_box='(500,250)')"], model="UI-TARS-7B")
        blobs = BlobStore(tmp_path)
        agent = OSWorldAgent(planner, grounder=GroundingModel(places, images=blobs), profile="ui-tars", blobs=blobs)
        assert agent.predict(GOAL, {"screenshot": png()})[1] == ["pyautogui.click(960, 270)"]
        assert "Open the page Display." in str(places.prompts[0][0].content)

    def test_hostile_text_stays_a_string(self):
        agent, _ = self.agent('type(content="\'); import os; os.system(\'x\') #") # "Type"')
        (script,) = agent.predict(GOAL, {"screenshot": png()})[1]
        (statement,) = ast.parse(script).body
        assert ast.literal_eval(statement.value.args[0]) == "'); import os; os.system('x') #"

    @pytest.mark.parametrize("option", [{"approve_plan": True}, {"confirm": ("password",)}, {"checkpointer": object()}])
    def test_options_that_need_somebody(self, option):
        with pytest.raises(ConfigurationError, match="does not go with a benchmark"):
            self.agent("x", **option)

    def test_memory_is_given_back_at_reset(self):
        agent, _ = self.agent('wait() # "x"', loop_guard=None, max_steps=100)
        for _ in range(3):
            for shade in range(3):
                agent.predict(GOAL, {"screenshot": png(shade)})
            agent.reset()
        assert not agent._stepper._saver.storage


class FakeAndroid:
    """What AndroidWorld's AsyncEnv documents."""

    logical_screen_size = (1080, 2400)

    def __init__(self, ui_elements=(), broken=()):
        self.ui_elements, self.broken, self.done, self.resets, self.looks = list(ui_elements), broken, [], [], []

    def reset(self, go_home):
        self.resets.append(go_home)

    def get_state(self, wait_to_stabilize):
        self.looks.append(wait_to_stabilize)
        shade = len(self.looks)
        return SimpleNamespace(pixels=np.full((240, 108, 3), shade, np.uint8), ui_elements=self.ui_elements)

    def execute_action(self, action):
        if action["action_type"] in self.broken:
            raise ConnectionError(action["action_type"])
        self.done.append(action)


def ui(text=None, box=(0, 0, 108, 240), **more):
    left, top, right, bottom = box
    edges = SimpleNamespace(x_min=left, y_min=top, x_max=right, y_max=bottom)
    return SimpleNamespace(
        text=text, content_description=None, bbox_pixels=edges, class_name="android.widget.Button", **more
    )


class TestAndroidWorld:
    def agent(self, *lines, env=None, **options):
        env = env or FakeAndroid()
        model, options = says(*lines, **options)
        return AndroidWorldAgent(model, env, make_action=dict, transition_pause=None, **options), env, model

    def test_answer_before_the_end(self):
        agent, env, _ = self.agent(
            'open_app(app_name="Clock") # "Open"',
            'click(point=[0.5, 0.25]) # "Tap the field"',
            'type(content="7:00\\n") # "Type"',
            'finish(answer="two alarms") # "Say"',
        )
        agent.reset(go_home=True)
        results = [agent.step("How many alarms?") for _ in range(4)]
        assert [result.done for result in results] == [False, False, False, True]
        assert env.done == [
            {"action_type": "open_app", "app_name": "Clock"},
            {"action_type": "click", "x": 540, "y": 600},
            {"action_type": "input_text", "text": "7:00", "x": 540, "y": 600},
            {"action_type": "answer", "text": "two alarms"},
        ]
        assert results[-1].data["action"] == [
            {"action_type": "answer", "text": "two alarms"},
            {"action_type": "status", "goal_status": "complete"},
        ]
        assert env.resets == [True]
        assert env.looks == [True] * 4

    def test_infeasible(self):
        agent, env, _ = self.agent('finish(answer="no", status="infeasible") # "x"')
        result = agent.step("?")
        assert (result.done, result.data["action"], env.done) == (
            True,
            [{"action_type": "status", "goal_status": "infeasible"}],
            [],
        )

    def test_the_steps_of_a_task(self):
        agent, _, _ = self.agent('wait() # "a"', 'scroll(direction="down") # "b"', 'wait() # "c"')
        agent.set_max_steps(2)
        assert [agent.step("?").done for _ in range(3)] == [False, False, True]
        agent.reset()
        assert agent.step("?").done is False

    def test_a_device_that_fails_is_told_to_the_planner(self):
        agent, env, model = self.agent(
            'click(point=[0.1, 0.1]) # "a"', 'wait() # "b"', env=FakeAndroid(broken=("click",))
        )
        assert agent.step("?").data["error"] == "ConnectionError: click"
        agent.step("?")
        assert "error: ConnectionError: click" in str(model.prompts[1][-1].text)
        assert env.done == [{"action_type": "wait"}]

    def test_text_goes_into_the_field_with_the_focus(self):
        env = FakeAndroid([ui("Note", (0, 0, 540, 240), is_focused=True)])
        agent, env, _ = self.agent('type(content="a") # "Type"', env=env)
        agent.step("?")
        assert env.done == [{"action_type": "input_text", "text": "a", "x": 270, "y": 120}]

    def test_text_without_a_field_is_planned_again(self):
        agent, env, model = self.agent('type(content="a") # "Type"', 'click(point=[0.5, 0.5]) # "Tap the field"')
        agent.step("?")
        assert env.done[0]["action_type"] == "click"
        assert "tap the field first" in str(model.prompts[1][-1].text)

    def test_elements_keep_their_numbers(self):
        broken = SimpleNamespace(text="x", content_description=None, bbox_pixels=None, class_name=None)
        found = android_elements([ui("a"), ui(), broken, ui(is_editable=True), ui("b\nc")])
        assert [(one.id, one.role, one.name) for one in found] == [
            ("0", "button", "a"),
            ("3", "button", ""),
            ("4", "button", "b c"),
        ]

    def test_without_androidworld(self):
        with pytest.raises(ConfigurationError, match="needs the package android_world"):
            AndroidWorldAgent(ScriptedModel(script=["x"]), FakeAndroid())


def node(bid, role, name, value=None):
    written = {"browsergym_id": bid, "role": {"value": role}, "name": {"value": name}}
    return written | ({"value": {"value": value}} if value else {})


def page(shade=0, **more):
    return {
        "goal": "Buy red shoes",
        "screenshot": np.full((500, 1000, 3), shade, np.uint8),
        "axtree_object": {
            "nodes": [
                {"role": {"value": "RootWebArea"}},
                node("a1", "button", "Search"),
                node("a2", "combobox", "Colour", "any"),
                node("a3", "link", "Hidden"),
            ]
        },
        "extra_element_properties": {
            "a1": {"bbox": [800.0, 0.0, 200.0, 40.0], "visibility": 1.0},
            "a2": {"bbox": [0.0, 100.0, 200.0, 40.0], "visibility": 0.7},
            "a3": {"bbox": None, "visibility": 0.0},
        },
        "focused_element_bid": "a2",
        "last_action_error": "",
        "dom_object": "not read",
        **more,
    }


class TestBrowserGym:
    def agent(self, *lines, **options):
        model, options = says(*lines, **options)
        return BrowserGymAgent(model, **options), model

    def run(self, agent, *pages):
        return [agent.get_action(agent.obs_preprocessor(one))[0] for one in pages]

    def test_an_episode(self):
        agent, model = self.agent(
            'click() # "Click [a1]"',
            'select(option="red") # "Choose red in the list Colour"',
            'type(content="9\\n") # "Type"',
            'finish(answer="bought") # "Say"',
            grounder=ElementGrounder(),
        )
        said = self.run(agent, *(page(shade) for shade in range(4)))
        assert said == [
            "mouse_click(900, 20)",
            "select_option('a2', 'red')",
            "keyboard_type('9\\n')",
            "send_msg_to_user('bought')",
        ]
        assert all(len(parse_calls(text)) == 1 for text in said)
        assert '[a2] combobox "Colour" = "any" (0, 100, 200, 140) focused' in str(model.prompts[0][-1].text)
        assert "Buy red shoes" in str(model.prompts[0][-1].text)

    def test_what_went_wrong_is_read(self):
        agent, model = self.agent('click(point=[0.1, 0.1]) # "a"', 'wait() # "b"')
        self.run(agent, page(0), page(1, last_action_error="TimeoutError: click"))
        assert "error: TimeoutError: click" in str(model.prompts[1][-1].text)

    @pytest.mark.parametrize(
        ("line", "last"),
        [('finish(status="infeasible") # "x"', "report_infeasible('infeasible')"), ("not readable", None)],
    )
    def test_ends(self, line, last):
        agent, _ = self.agent(line)
        assert self.run(agent, page(), page()) == [last, last]

    @pytest.mark.parametrize(
        "obs",
        [
            {"goal": "", "goal_object": [{"type": "text", "text": "Find it"}]},
            {
                "goal": None,
                "chat_messages": [{"role": "user", "message": "Find it"}, {"role": "assistant", "message": "ok"}],
            },
        ],
    )
    def test_where_the_goal_stands(self, obs):
        agent, model = self.agent('wait() # "x"', elements=False)
        _, info = agent.get_action(page(**obs))
        assert "Find it" in str(model.prompts[0][-1].text)
        assert "combobox" not in str(model.prompts[0][-1].text)
        assert info["think"].startswith("wait()")

    def test_elements(self):
        assert axtree_elements(page()) == [
            Element(id="a1", role="button", name="Search", box=(800, 0, 1000, 40)),
            Element(id="a2", role="combobox", name="Colour", value="any", box=(0, 100, 200, 140), states=("focused",)),
        ]
        assert axtree_elements({}) == []

    def test_without_browsergym(self):
        with pytest.raises(ConfigurationError, match="browsergym-core"):
            _ = self.agent("x")[0].action_set


def test_tools_run_between_the_steps():
    def look_up(word: str) -> str:
        """Look a word up."""
        return f"{word} means light"

    model, options = says('look_up(word="lux") # "a"', 'click(point=[0.5, 0.5]) # "b"')
    stepper = Stepper(model, platform="computer", tools=[look_up], **options)
    seen = Observation(text="a page")
    turn = stepper.step("?", seen, lambda action: action.point)
    assert turn.written == Point(0.5, 0.5)
    assert "lux means light" in str(model.prompts[1][-1].text)
    assert "a page" in str(model.prompts[1][-1].text)


def test_the_size_is_that_of_the_screenshot():
    model, options = says('click(point=[1, 1]) # "a"')
    agent = OSWorldAgent(model, **options)
    assert agent.predict("?", {"screenshot": png(size=Size(100, 50))})[1] == ["pyautogui.click(99, 49)"]


def test_a_screenshot_is_bytes_or_an_array_of_bytes(tmp_path):
    blobs = BlobStore(tmp_path)
    array = np.zeros((50, 80, 3), np.uint8)
    for picture in (png(size=(80, 50)), bytearray(png(size=(80, 50))), array, np.zeros((50, 80, 4), np.uint8)):
        image = observation_of(picture, blobs).image
        assert (image.width, image.height) == (80, 50)
    for wrong, named in (
        (array.astype(float), "ndarray"),
        (np.zeros((0, 0, 3), np.uint8), "ndarray"),
        (None, "NoneType"),
        ("shot.png", "str"),
    ):
        with pytest.raises(DataError, match=rf"an array \(height, width, 3\) of uint8; got {named} "):
            observation_of(wrong, blobs)
