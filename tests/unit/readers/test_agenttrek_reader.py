"""AgentTrek conversations, generated: steps joined to replays, ends, damage."""

from __future__ import annotations

import json

import pytest

from tracer1_agents.actions.space import CallUser, Click, Finish, Hotkey, Scroll, Type
from tracer1_agents.cli import main

_PROMPT = """# Instructions
Review the current state of the page.

## Goal:

{goal}

# Observation of current step:

## AXTree:
RootWebArea 'Boats', focused
\t[12] link 'Rent', clickable, visible
{page}

# History of interaction with the task:
{history}
# Action space:
click(bid: str)

# Concrete Example
<action>
click('a324')
</action>
"""


def _record(action, history=(), *, goal="Rent a boat.", think="", page=""):
    past = "".join(f"\n## step {n}\n\n<action>\n{done}\n</action>\n" for n, done in enumerate(history))
    thought = f"<think>\n{think}\n</think>\n" if think else ""
    return {
        "messages": [
            {"role": "system", "content": "You are an agent."},
            {"role": "user", "content": _PROMPT.format(goal=goal, page=page, history=past)},
            {"role": "assistant", "content": f"{thought}<action>\n{action}\n</action>"},
        ]
    }


_ACTIONS = ("click('12') <!-- Open the rental page -->", "fill('13', 'two people')", "send_msg_to_user('Done.')")


def _replay(actions=_ACTIONS, **options):
    return [_record(action, actions[:number], **options) for number, action in enumerate(actions)]


def test_steps_of_a_replay_become_a_trajectory(write_lines, read):
    path = write_lines(json.dumps(_replay(think="I look."), indent=1), name="agenttrek.json")
    [trajectory], problems = read("agenttrek", path)
    assert problems == []
    assert [step.action for step in trajectory.steps] == [Click(), Type(content="two people"), Finish(answer="Done.")]
    assert [step.instruction for step in trajectory.steps] == ["Open the rental page", "I look.", "I look."]
    assert [sorted(step.flags) for step in trajectory.steps] == [["no_target"], [], []]
    seen = trajectory.steps[0].observation.text
    assert seen.startswith("## AXTree:\nRootWebArea 'Boats', focused\n\t[12] link 'Rent'")
    assert "History" not in seen
    assert (trajectory.id, trajectory.source, trajectory.instruction) == ("line-2", "agenttrek", "Rent a boat.")
    assert trajectory.metadata == {"calls": list(_ACTIONS)}


def test_steps_may_be_shuffled_and_replays_of_one_goal_are_kept_apart(write_lines, read):
    first, second = _replay(), _replay(("scroll(0, 300)", "report_infeasible('no boats')"))
    other = _replay(("go_back()", "send_msg_to_user('x')"), goal="Buy bread.")
    path = write_lines(second[1], first[2], other[1], first[0], other[0], second[0], first[1])
    trajectories, problems = read("agenttrek", path)
    assert problems == []
    assert [[step.action for step in one.steps] for one in trajectories] == [
        [Hotkey(keys=("alt", "left")), Finish(answer="x")],
        [Click(), Type(content="two people"), Finish(answer="Done.")],
        [Scroll(direction="down"), Finish(answer="no boats", status="infeasible")],
    ]


def test_equal_replays_are_two(write_lines, read):
    trajectories, _ = read("agenttrek", write_lines(*_replay(), *_replay(page="another")))
    assert [len(one.steps) for one in trajectories] == [3, 3]
    assert "another" not in trajectories[0].steps[0].observation.text


def test_a_step_whose_past_is_not_there_follows_a_gap(write_lines, read):
    before, _, after = _replay()
    (opening, ending), problems = read("agenttrek", write_lines(before, after))
    assert problems == []
    assert [step.action for step in opening.steps] == [Click()]
    assert [sorted(step.flags) for step in ending.steps] == [["after_gap"]]


def test_no_end_is_made_up(write_lines, read):
    [trajectory], _ = read("agenttrek", write_lines(*_replay(_ACTIONS[:2])))
    assert [step.action.kind for step in trajectory.steps] == ["click", "type"]
    asked, *_, after = _replay(("send_msg_to_user('Which?')", "click('12')", "noop()"))
    (question, _), _ = read("agenttrek", write_lines(asked, after))
    assert question.steps[0].action == CallUser()  # it went on, although the next step is not there


def test_a_message_before_the_end_hands_over(write_lines, read):
    actions = ("send_msg_to_user('Which boat?')", "goto('http://b.example')")
    [trajectory], _ = read("agenttrek", write_lines(*_replay(actions)))
    assert [step.action for step in trajectory.steps] == [
        CallUser(),
        Hotkey(keys=("ctrl", "l")),
        Type(content="http://b.example\n"),
    ]
    assert [sorted(step.flags) for step in trajectory.steps] == [[], [], ["continued"]]
    assert trajectory.metadata["calls"] == [actions[0], actions[1], actions[1]]


def test_content_in_parts_and_headed_history(write_lines, read):
    first, second = _replay(("click('12')", "noop()"))
    user = second["messages"][1]
    text = user["content"].replace("<action>\nclick('12')\n</action>", "### Action:\nclick('12')")
    user["content"] = [{"type": "text", "text": text}]
    [trajectory], _ = read("agenttrek", write_lines(first, second))
    assert [step.action.kind for step in trajectory.steps] == ["click", "wait"]


def test_an_unknown_action_takes_its_replay_with_it(write_lines, read):
    bad = _replay(("click('12')", "teleport('13')", "noop()"), goal="Fly.")
    trajectories, problems = read("agenttrek", write_lines(*bad, *_replay()))
    assert [one.instruction for one in trajectories] == ["Rent a boat."]
    assert problems == [(2, "unknown action 'teleport'")]


@pytest.mark.parametrize(
    ("record", "line_problem"),
    [
        ({"messages": "none"}, 'the record lacks a prompt with the section "## Goal:"'),
        ({"messages": [{"role": "user", "content": "hello"}]}, "the record lacks a prompt"),
        ({"text": "x"}, "the record lacks a prompt"),
        ({"messages": _record("noop()")["messages"][:2]}, "the reply has no <action>...</action>"),
        (_record("click(element)"), "an argument of click must be a literal"),
        (_record("<!-- nothing -->"), "no call in"),
    ],
)
def test_a_broken_record_is_told(write_lines, read, record, line_problem):
    trajectories, [(line, text)] = read("agenttrek", write_lines(*_replay(goal="a"), record, *_replay(goal="b")))
    assert [one.instruction for one in trajectories] == ["a", "b"]
    assert line == 4
    assert line_problem in text


def test_rows_and_a_file_that_is_cut_off(write_rows, write_lines, read, capsys):
    [trajectory], _ = read("agenttrek", write_rows(*_replay()))
    assert len(trajectory.steps) == 3
    path = write_lines(json.dumps(_replay(), indent=1)[:-200], name="cut.json", end="")
    assert main(["data", "validate", "agenttrek", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["trajectories"], found["kinds"]) == (1, {"click": 1, "type": 1})
    assert ["cut off in a record" in one["problem"] for one in found["problems"]] == [True]
