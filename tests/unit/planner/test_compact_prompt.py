"""The compact prompt is the shipped planner's training format: its text is fixed to the letter."""

from __future__ import annotations

from tracer1_agents.actions.space import ToolCall, Wait
from tracer1_agents.planner.profiles import COMPACT, COMPACT_SCREEN
from tracer1_agents.planner.prompt import ToolSpec, build_messages
from tracer1_agents.types import Forecast, ForecastPair, HistoryEntry, ImageRef, Observation

HISTORY = (
    HistoryEntry(step=3, action="f(a=1)", instruction="never shown", summary="three"),
    HistoryEntry(step=4, action="g()", summary=""),
    HistoryEntry(step=5, action="h()", summary="never shown"),
)


def compact(**changes):
    arguments = {
        "instruction": "Add {up} $qty",
        "observation": Observation(text="12\n13"),
        "history": HISTORY,
        "horizon": 4,
        "tools": [ToolSpec("f", "never shown")],
    }
    (message,) = build_messages(COMPACT, **{**arguments, **changes})
    assert message.role == "user"
    assert [part["type"] for part in message.content] == ["text"]
    return message.text


def test_the_whole_text():
    assert compact() == "Task: Add {up} $qty\n3. f(a=1) -> three\n4. g() -> \n5. h()\nNow: 12\n13"


def test_a_planner_of_screens_is_told_what_it_clicked_and_no_places():
    history = (
        HistoryEntry(step=1, action="click()", instruction="Click button Odd [1]", summary="ok"),
        HistoryEntry(step=2, action="click()", instruction="Click button Even [6]", summary="never shown"),
    )
    screen = Observation(text='[1] button "Odd" (0, 0, 20, 20)\n[6] button "Even" (40, 0, 60, 20) focused')
    (message,) = build_messages(
        COMPACT_SCREEN, instruction="u", observation=screen, history=history, horizon=1, tools=[]
    )
    assert message.text == (
        "Task: u\n1. click() # Click button Odd [1] -> ok\n2. click() # Click button Even [6]\n"
        "Now: button Odd [1]\nbutton Even [6] focused"
    )


def test_empty_parts_leave_no_line():
    assert compact(history=()) == "Task: Add {up} $qty\nNow: 12\n13"
    assert compact(history=(), observation=Observation()) == "Task: Add {up} $qty"
    assert compact(history=HISTORY[:1]) == "Task: Add {up} $qty\n3. f(a=1)\nNow: 12\n13"


def test_a_long_observation_is_cut():
    text = compact(history=(), observation=Observation(text="x" * 5000))
    assert text == "Task: Add {up} $qty\nNow: " + "x" * 1196 + " ..."


def test_the_forecast_comes_last_and_only_when_given():
    previous = Forecast(
        pairs=(ForecastPair(action=Wait()), ForecastPair(action=ToolCall(name="g")), ForecastPair(action=Wait()))
    )
    text = compact(history=(), previous=previous)
    assert text == "Task: Add {up} $qty\nNow: 12\n13\nForecast: g(); wait()"
    assert "Forecast" not in compact(previous=Forecast(pairs=previous.pairs[:1]))


def test_notes_are_left_out_since_the_shipped_planner_never_learnt_to_read_them():
    assert compact(note="again") == compact()


def test_a_screenshot_it_cannot_see_is_mentioned():
    observation = Observation(text="t", image=ImageRef(ref="r", width=10, height=10))
    assert compact(history=(), observation=observation).splitlines()[-1].startswith("Note: a screenshot was taken")
