"""Rendered prompts as text files; `UPDATE_SNAPSHOTS=1 pytest tests/unit/planner` writes them anew.

A diff of a snapshot is a change of what every planner sees: read it as one reads a change of behaviour.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tracer1_agents.actions.codec import ParseOutcome
from tracer1_agents.actions.grammars.canonical import CanonicalGrammar
from tracer1_agents.actions.space import ACTION_TYPES, Click, Finish, Point, ToolCall, actions_for
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.planner.examples import SAMPLES, in_one_line, worked_example
from tracer1_agents.planner.forecast import read_forecast
from tracer1_agents.planner.profiles import PROFILES, Profile, profile_for, profile_named
from tracer1_agents.planner.prompt import ToolSpec, build_messages
from tracer1_agents.types import Forecast, ForecastPair, HistoryEntry, ImageRef, Observation

SNAPSHOTS = Path(__file__).parent / "snapshots"
IMAGE = ImageRef(ref="5f2c", width=1920, height=1080)
TOOLS = [
    ToolSpec(
        "sum_column",
        "Add up a column of a table. Costs $0; {braces} are text.",
        {"type": "object", "properties": {"column": {"type": "string"}}, "required": ["column"]},
    ),
    ToolSpec("now", "The time."),
]
HISTORY = (
    HistoryEntry(step=1, action="first()", summary="one row"),
    HistoryEntry(step=2, action="second()", summary="shown in full below"),
)
PREVIOUS = Forecast(
    pairs=(
        ForecastPair(action=ToolCall(name="second")),
        ForecastPair(action=Click(point=Point(0.5, 0.25)), instruction="not shown"),
        ForecastPair(action=Finish(answer="12")),
    )
)
PLATFORMS = ("computer", "mobile", "tools")


def messages(profile, platform, **changes):
    arguments = {
        "instruction": "How many are there in {total}?",
        "observation": Observation(text="qty: 12\nqty: 13", image=None if platform == "tools" else IMAGE),
        "history": HISTORY,
        "horizon": 4,
        "tools": TOOLS if platform == "tools" else [],
        "platform": platform,
    }
    return build_messages(PROFILES[profile], **{**arguments, **changes})


def as_text(parts):
    lines = []
    for message in parts:
        kinds = "+".join(part["type"] for part in message.content)
        lines += [f"--- {message.role} ({kinds})", message.text, ""]
    return "\n".join(lines)


WITH_SNAPSHOTS = [name for name in PROFILES if not name.startswith("gui-owl")]


@pytest.mark.parametrize(("profile", "same"), [("gui-owl", "qwen2.5-vl"), ("gui-owl-1.5", "qwen-tool-call")])
def test_gui_owl_is_asked_as_the_model_it_grew_out_of(profile, same):
    assert as_text(messages(profile, "computer")) == as_text(messages(same, "computer"))
    assert PROFILES[profile].frame == PROFILES[same].frame


def check(name, text):
    path = SNAPSHOTS / f"{name}.txt"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("profile", WITH_SNAPSHOTS)
def test_snapshot(profile, platform):
    check(f"{profile}.{platform}", as_text(messages(profile, platform)))


@pytest.mark.parametrize("profile", WITH_SNAPSHOTS)
def test_snapshot_of_a_first_step_with_everything_optional(profile):
    rendered = messages(profile, "computer", history=(), previous=PREVIOUS, note="The last reply broke.", tools=TOOLS)
    check(f"{profile}.optional", as_text(rendered))


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("profile", PROFILES)
def test_what_the_prompt_shows_is_what_the_profile_reads(profile, platform):
    grammar = PROFILES[profile].grammar_for(IMAGE, platform=platform)
    for sample, _ in SAMPLES:
        (pair,) = grammar.parse(in_one_line(grammar, sample)).pairs
        assert pair.outcome is ParseOutcome.OK
        assert pair.action.kind == sample.kind
    for horizon in (1, 2, 9):
        forecast = read_forecast(worked_example(grammar, platform, horizon), grammar=grammar, horizon=horizon, step=1)
        assert (forecast.ok, forecast.tail_outcome) == (True, ParseOutcome.OK)
        assert 1 <= len(forecast.pairs) <= horizon
        assert forecast.summary
        assert all(pair.instruction for pair in forecast.pairs)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_action_of_a_platform_is_offered(platform):
    offered = {sample.kind for sample, _ in SAMPLES}
    assert {cls.model_fields["kind"].default for cls in ACTION_TYPES} == offered
    text = messages("generic", platform, tools=TOOLS)[0].text
    for cls in actions_for(platform):
        name = {"tool": "tool_name"}.get(cls.model_fields["kind"].default, cls.model_fields["kind"].default)
        assert f'{{"action": "{name}", ' in text


@pytest.mark.parametrize("profile", ["ui-tars", "qwen-tool-call", "generic"])
def test_tool_schemas_stand_whole_in_the_prompt(profile):
    lines = messages(profile, "tools")[0].text.splitlines()
    functions = [json.loads(line)["function"] for line in lines if line.startswith('{"type": "function"')]
    assert [(f["name"], f["description"], f["parameters"]) for f in functions] == [
        (tool.name, tool.description, tool.parameters) for tool in TOOLS
    ]


def test_without_tools_there_is_no_heading_for_them():
    for profile in ("ui-tars", "qwen-tool-call", "generic"):
        text = as_text(messages(profile, "tools", tools=[]))
        assert "ools" not in text.split("xample")[0].replace("tools can be called", "").replace("or of a tool", "")
        assert "tool_name" not in text


def test_the_image_goes_to_the_user_message_once():
    system, user = messages("generic", "computer")
    assert [part["type"] for part in system.content] == ["text"]
    assert [part["type"] for part in user.content] == ["image", "text"]
    assert user.content[0]["ref"] == IMAGE


def test_pixels_need_no_screenshot_to_write_a_prompt_but_refuse_a_point_without_one():
    rendered = messages("ui-tars-1.5", "computer", observation=Observation(text="blank"))
    assert "<point>" in rendered[0].text
    grammar = PROFILES["ui-tars-1.5"].grammar_for(None)
    assert grammar.parse("Action: click(point='<point>1 2</point>')").pairs[0].outcome is ParseOutcome.BAD_ARGUMENT
    assert grammar.parse("Action: click()").pairs[0].action == Click()


def test_horizon_counts_from_one():
    with pytest.raises(ConfigurationError, match="horizon"):
        messages("generic", "tools", horizon=0)


@pytest.mark.parametrize(
    ("model", "profile"),
    [
        ("ByteDance-Seed/UI-TARS-1.5-7B", "ui-tars-1.5"),
        ("bytedance-research/UI-TARS-7B-DPO", "ui-tars"),
        ("ui_tars_72b", "ui-tars"),
        ("Qwen/Qwen3-VL-8B-Instruct", "qwen-tool-call"),
        ("qwen3.5-vl", "qwen-tool-call"),
        ("mPLUG/GUI-Owl-7B", "gui-owl"),
        ("mPLUG/GUI-Owl-1.5-8B", "gui-owl-1.5"),
        ("tracer1-tiny", "compact"),
        ("Qwen/Qwen2.5-VL-7B-Instruct", "qwen2.5-vl"),
        ("gpt-4o", "generic"),
        ("", "generic"),
    ],
)
def test_profile_by_model_name(model, profile):
    assert profile_for(model) == profile
    assert profile_named(profile).name == profile


def test_an_unknown_profile_is_refused_with_the_choices():
    with pytest.raises(ConfigurationError, match="compact, compact-screen, ui-tars"):
        profile_named("nope")


class TestOwnTemplates:
    """Of a profile that somebody made with `replace`."""

    def asked(self, template):
        own = replace(PROFILES["compact"], name="own", user_template=template)
        told = {"history": [], "horizon": 1, "tools": []}
        messages = build_messages(own, instruction="buy milk", observation=Observation(text="a shop"), **told)
        return messages[-1].content[0]["text"]

    def test_line_endings_of_windows_part_blocks_too(self):
        assert self.asked("Task: $instruction\r\n\r\nBefore: $history\r\n\r\nNow: $observation\r\n") == (
            "Task: buy milk\n\nNow: a shop"
        )

    @pytest.mark.parametrize(
        ("template", "words"),
        [("Task: $task", r"nothing is known as \$task; .*\$instruction"), ("It costs $ 5", r"write \$\$ for a dollar")],
    )
    def test_what_cannot_be_filled_is_named(self, template, words):
        with pytest.raises(ConfigurationError, match=words):
            self.asked(template)


def test_a_grammar_of_ones_own_comes_with_a_class_of_ones_own():
    class Shouting(Profile):
        def grammar_for(self, image=None, *, platform="tools"):
            return CanonicalGrammar()

    mine = {**vars(PROFILES["compact"]), "name": "mine", "grammar": "shouting"}
    assert Shouting(**mine).grammar == "shouting"
    with pytest.raises(ConfigurationError, match=r"'mine' names the grammar 'shouting'; there are .*subclass"):
        Profile(**mine)
