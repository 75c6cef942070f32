"""Actions of a named class wait for somebody's word."""

from __future__ import annotations

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from loop_helpers import make_agent
from pydantic import ValidationError

from tracer1_agents import create_tracer1_agent
from tracer1_agents.actions.elements import Element, render_elements
from tracer1_agents.actions.space import (
    Click,
    Code,
    Finish,
    Hotkey,
    OpenApp,
    Point,
    PressButton,
    Scroll,
    ToolCall,
    Type,
)
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.graphs.safeguards import SAFEGUARDS, Situation, concerns, stays_within
from tracer1_agents.graphs.settings import Tracer1Context
from tracer1_agents.testing import RecordingExecutor, StreamingModel
from tracer1_agents.types import ImageRef, Observation

THREAD = {"configurable": {"thread_id": "1"}}
TASK = {"instruction": "Buy it"}
APPROVE = {"decision": "approve"}


def page(*elements):
    image = ImageRef(ref="/nowhere.png", width=100, height=100)
    return Observation(text=render_elements(elements), image=image)


def box(number, role, name, at=(0, 0, 50, 50), **more):
    return Element(id=str(number), role=role, name=name, box=at, **more)


NOTHING = Observation()
LOGIN = page(box(1, "password", "", states=("focused",)))
NAMED = page(box(1, "textbox", "Your PIN", states=("focused",)))
UNFOCUSED = page(box(1, "password", "Password"), box(2, "textbox", "Name", states=("focused",)))
CART = page(box(1, "button", "Place order", (10, 10, 30, 30)), box(2, "main", "Basket", (0, 0, 100, 100)))


def reasons(name, action, instruction="", seen=NOTHING, before=""):
    return concerns([name], Situation(action, instruction, seen, before))


class TestPassword:
    @pytest.mark.parametrize(
        ("action", "instruction", "seen", "before"),
        [
            (Type(content="x"), "Type it", LOGIN, ""),
            (Type(content="x"), "Type it", NAMED, ""),
            (Type(content="x"), "Type the Password", NOTHING, ""),
            (Type(content="x"), "Type it", NOTHING, "Click the passcode field"),
            (Type(content="1"), "Enter the CVV", NOTHING, ""),
        ],
    )
    def test_asks(self, action, instruction, seen, before):
        assert reasons("password", action, instruction, seen, before)

    @pytest.mark.parametrize(
        ("action", "instruction", "seen"),
        [
            (Type(content="Ann"), "Type the name", UNFOCUSED),
            (Click(), "Click the password field", NOTHING),
            (Type(content="password"), "Type the word to look for", NOTHING),
            (Type(content="x"), "Type spinning", NOTHING),
        ],
    )
    def test_lets_pass(self, action, instruction, seen):
        assert reasons("password", action, instruction, seen) == []


class TestPurchaseAndSubmit:
    @pytest.mark.parametrize(
        ("name", "action", "instruction", "seen"),
        [
            ("purchase", Click(), "Click Buy now", NOTHING),
            ("purchase", Click(), "Click [1]", CART),
            ("purchase", Click(point=Point(0.2, 0.2)), "Go on", CART),  # the smaller element at the point
            ("purchase", ToolCall(name="shop"), "Check out", NOTHING),
            ("purchase", Hotkey(keys=("enter",)), "Pay", NOTHING),
            ("submit", Click(), "Send the message", NOTHING),
            ("submit", Click(), "DELETE the file", NOTHING),
            ("submit", Type(content="hello\n"), "Write the reply", NOTHING),
            ("submit", PressButton(button="enter"), "Go on", NOTHING),
            ("submit", Hotkey(keys=("ctrl", "return")), "Go on", NOTHING),
        ],
    )
    def test_asks(self, name, action, instruction, seen):
        assert reasons(name, action, instruction, seen)

    @pytest.mark.parametrize(
        ("name", "action", "instruction", "seen"),
        [
            ("purchase", Click(point=Point(0.8, 0.8)), "Go on", CART),
            ("purchase", Scroll(direction="down"), "Look for the Buy button", NOTHING),
            ("purchase", Type(content="a"), "Type the payment note", NOTHING),
            ("purchase", Finish(answer="Buy"), "Say what to buy", NOTHING),
            ("submit", Type(content="cats\n"), "Search for cats", NOTHING),
            ("submit", Type(content="hello"), "Write the reply to send", NOTHING),
            ("submit", Click(), "Open the sender's page", NOTHING),
        ],
    )
    def test_lets_pass(self, name, action, instruction, seen):
        assert reasons(name, action, instruction, seen) == []


class TestAllowList:
    @pytest.mark.parametrize(
        ("action", "instruction"),
        [
            (Type(content="evil.example\n"), ""),
            (Type(content="evil.example"), "Type it into the address bar"),
            (Type(content="https://shop.example.evil.example/"), ""),
            (Type(content="http://shop.example@evil.example/"), ""),
            (Type(content="http://evil.example\\@shop.example/"), ""),
            (Type(content="javascript:alert(1)"), ""),
            (Type(content="file:///etc/passwd"), ""),
            (Type(content="evilshop.example\n"), ""),
            (ToolCall(name="visit", arguments={"pages": [{"url": "https://evil.example"}]}), ""),
            (Code(source="get('https://evil.example')"), ""),
            (OpenApp(app_name="Mail"), ""),
            (Type(content="http://[::1"), ""),
        ],
        ids=str,
    )
    def test_asks(self, action, instruction):
        guard = stays_within(hosts=["shop.example"], apps=["Browser"])
        assert concerns([guard], Situation(action, instruction, NOTHING))

    @pytest.mark.parametrize(
        ("action", "instruction"),
        [
            (Type(content="shop.example\n"), ""),
            (Type(content="https://www.shop.example:443/a?b=evil.example"), ""),
            (Type(content="report.pdf"), "Type the file's name"),
            (Type(content="ann@evil.example"), "Type the address of Ann"),
            (OpenApp(app_name="browser"), ""),
            (Click(), "Visit https://evil.example"),  # where a click leads is the environment's business
        ],
        ids=str,
    )
    def test_lets_pass(self, action, instruction):
        guard = stays_within(hosts=["shop.example"], apps=["Browser"])
        assert concerns([guard], Situation(action, instruction, NOTHING)) == []

    def test_a_name_is_no_list(self):
        with pytest.raises(ConfigurationError, match="hosts and apps are lists"):
            stays_within(hosts="shop.example")


def guarded(script, confirm=("purchase",), **options):
    return make_agent(script, platform="computer", checkpointer=InMemorySaver(), confirm=confirm, **options)


BUY = 'click() # "Click Buy now"\nfinish() # "done"'
LOOK = 'click() # "Open the basket"'
END = 'finish() # "done"'


class TestInTheLoop:
    def test_the_run_stops_before_anything_is_done(self):
        agent, _ = guarded([LOOK, BUY, END])
        screen = RecordingExecutor(["basket", "bought"])
        context = Tracer1Context(grounder=screen)
        result = agent.invoke(TASK, THREAD, context=context)
        question = result["__interrupt__"][0].value
        assert (question["type"], question["step"]) == ("confirm_action", 2)
        assert question["reasons"] == ['the step may spend money ("buy")']
        assert question["pairs"][0]["instruction"] == "Click Buy now"
        assert len(screen.calls) == 1
        result = agent.invoke(Command(resume=APPROVE), THREAD, context=context)
        assert (result["status"], len(screen.calls)) == ("finished", 2)
        assert all("may have run twice" not in str(entry["events"]) for entry in result["forecast_log"])

    def test_a_refusal_goes_to_the_planner(self):
        agent, model = guarded([BUY, END])
        screen = RecordingExecutor()
        agent.invoke(TASK, THREAD, context=Tracer1Context(grounder=screen))
        no = {"decision": "reject", "reason": "too dear"}
        result = agent.invoke(Command(resume=no), THREAD, context=Tracer1Context(grounder=screen))
        assert (result["status"], screen.calls, len(model.prompts)) == ("finished", [], 2)

    def test_an_invalid_reply_can_be_answered_again(self):
        agent, _ = guarded([BUY, END])
        screen = RecordingExecutor(["bought"])
        agent.invoke(TASK, THREAD, context=Tracer1Context(grounder=screen))
        with pytest.raises(ValidationError):
            agent.invoke(Command(resume="yes"), THREAD, context=Tracer1Context(grounder=screen))
        assert screen.calls == []
        result = agent.invoke(Command(resume=APPROVE), THREAD, context=Tracer1Context(grounder=screen))
        assert (result["status"], len(screen.calls)) == ("finished", 1)

    def test_off_by_default_and_by_context(self):
        agent, _ = make_agent([BUY, END], platform="computer")
        assert agent.invoke(TASK, context=Tracer1Context(grounder=RecordingExecutor()))["status"] == "finished"
        agent, _ = guarded([BUY, END])
        context = Tracer1Context(grounder=RecordingExecutor(), confirm=())
        assert agent.invoke(TASK, THREAD, context=context)["status"] == "finished"
        agent, _ = make_agent([BUY, END], platform="computer", checkpointer=InMemorySaver())
        context = Tracer1Context(grounder=RecordingExecutor(), confirm=("purchase",))
        assert "__interrupt__" in agent.invoke(TASK, THREAD, context=context)

    def test_with_approve_plan_one_question(self):
        agent, _ = guarded([BUY, END], approve_plan=True)
        question = agent.invoke(TASK, THREAD, context=Tracer1Context(grounder=RecordingExecutor()))["__interrupt__"]
        assert question[0].value["type"] == "approve_plan"
        assert question[0].value["reasons"]

    def test_whoever_is_asked_sees_the_whole_forecast(self):
        model = StreamingModel(script=[BUY, END])
        options = {"profile": "compact", "platform": "computer", "checkpointer": InMemorySaver()}
        agent = create_tracer1_agent(model, confirm="purchase", eager_first=True, **options)
        screen = RecordingExecutor(["bought"])
        result = agent.invoke(TASK, THREAD, context=Tracer1Context(grounder=screen))
        assert [pair["instruction"] for pair in result["__interrupt__"][0].value["pairs"]] == ["Click Buy now", "done"]
        assert screen.calls == []

    def test_a_function_and_a_single_name(self):
        agent, _ = guarded([LOOK, END], confirm=[lambda seen: "always" if seen.before == "" else None])
        result = agent.invoke(TASK, THREAD, context=Tracer1Context(grounder=RecordingExecutor()))
        assert result["__interrupt__"][0].value["reasons"] == ["always"]
        assert "__interrupt__" in guarded([BUY], confirm="purchase")[0].invoke(TASK, THREAD)

    @pytest.mark.parametrize("confirm", [("purchases",), (1,)])
    def test_no_such_safeguard(self, confirm):
        with pytest.raises(ConfigurationError, match=r"there is no safeguard .*; choose of password, purchase, submit"):
            make_agent([END], confirm=confirm)

    def test_without_a_checkpointer(self):
        agent, _ = make_agent([BUY], confirm=("purchase",), platform="computer")
        with pytest.raises(ConfigurationError, match="confirm needs a checkpointer"):
            agent.invoke(TASK)

    def test_the_names(self):
        assert sorted(SAFEGUARDS) == ["password", "purchase", "submit"]
