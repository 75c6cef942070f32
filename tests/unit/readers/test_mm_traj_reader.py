"""MM-Traj conversations: blocks as tool calls or code, ends of every form."""

from __future__ import annotations

import pytest

from tracer1_agents.actions.space import Code, Finish, ToolCall
from tracer1_agents.data.readers.tool_code import parse_block, printed_instead, tool_call


def _turn(code, thought="I look."):
    return {"from": "assistant", "value": f"Thought: {thought}\n\nCode:\n```py\n{code}\n```"}


def _output(text, number=0):
    return {"from": "user", "value": f"[OUTPUT OF STEP {number}] Observation:\n{text}\n"}


def _record(*turns, **more):
    said = [{"from": "system", "value": "rules"}, {"from": "user", "value": "Task: How old is the bridge?"}, *turns]
    return {"id": "r1", "image": {}, "correct": "yes", "answer": "120", "conversations": said, **more}


def test_a_conversation_becomes_steps(write_lines, read):
    record = _record(
        _turn('age = ask_search_agent("age of the bridge")\nprint(age)'),
        _output("built in 1900"),
        _turn("print(2020 - 1900)", "I subtract."),
        {"from": "user", "value": "[OUTPUT OF STEP 1] Error: out of paper"},
        _turn('final_answer("120 years")', "Done."),
    )
    [trajectory], problems = read("mm_traj", write_lines(record))
    assert problems == []
    search, code, end = trajectory.steps
    assert search.action == ToolCall(name="ask_search_agent", arguments={"query": "age of the bridge"})
    assert (search.instruction, search.result, search.observation.text) == ("I look.", "built in 1900", "")
    assert code.action == Code(source="print(2020 - 1900)")
    assert (code.observation.text, code.result, code.flags) == ("built in 1900", "Error: out of paper", {"failed"})
    assert end.action == Finish(answer="120 years")
    assert (end.observation.text, end.result, end.instruction) == ("Error: out of paper", "", "Done.")
    assert (trajectory.id, trajectory.instruction) == ("r1", "How old is the bridge?")


@pytest.mark.parametrize(
    "code",
    ["final_answer(120)", "final_answer(answer='120')", "  \nfinal_answer('120')\n"],
)
def test_a_literal_handed_over_is_the_end(write_lines, read, code):
    [trajectory], _ = read("mm_traj", write_lines(_record(_turn(code))))
    assert [step.action for step in trajectory.steps] == [Finish(answer="120")]


@pytest.mark.parametrize(
    ("code", "printed"),
    [
        ("x = 100 + 20\nfinal_answer(x)", "x = 100 + 20\nprint(x)"),
        ("if True:\n    final_answer(100 + 20)", "if True:\n    print(100 + 20)"),
        ("print(final_answer(f'{120}'))", "print(print(f'{120}'))"),
        ("s = 'ü'; final_answer(s)", "s = 'ü'; print(s)"),
    ],
)
def test_a_block_that_computes_and_ends_is_two_steps(write_lines, read, code, printed):
    [trajectory], _ = read("mm_traj", write_lines(_record(_turn(code))))
    assert [step.action for step in trajectory.steps] == [Code(source=printed), Finish(answer="120")]
    assert [step.flags for step in trajectory.steps] == [frozenset(), {"continued"}]
    assert trajectory.steps[0].result == trajectory.steps[1].observation.text == "120"


def test_a_hand_over_that_was_answered_did_not_end(write_lines, read):
    code = "if found:\n    final_answer(1)"
    [trajectory], _ = read("mm_traj", write_lines(_record(_turn(code), _output("no"), _turn("final_answer(120)"))))
    assert [step.action for step in trajectory.steps] == [Code(source=code), Finish(answer="120")]


def test_an_answer_in_prose_ends_and_other_prose_is_left_out(write_lines, read):
    prose = {"from": "assistant", "value": "Final Answer: it is 120."}
    error = {"from": "user", "value": "[OUTPUT OF STEP 0] Error: no code found"}
    [trajectory], _ = read("mm_traj", write_lines(_record(prose, error, _turn("print(1)"), _output("1"), prose)))
    assert [step.action for step in trajectory.steps] == [Code(source="print(1)"), Finish(answer="120")]
    assert [step.flags for step in trajectory.steps] == [{"after_gap"}, {"uncoded"}]
    assert trajectory.metadata["turns_without_code"] == 1


def test_a_record_without_an_end_gets_one_when_it_was_right(write_lines, read):
    turns = (_turn("print(120)"), _output("120"))
    path = write_lines(_record(*turns), _record(*turns, correct="no"))
    (right, wrong), _ = read("mm_traj", path)
    assert right.steps[-1].action == Finish(answer="120")
    assert right.steps[-1].flags == {"synthetic"}
    assert not wrong.finished


def test_code_that_is_no_python_stays_code(write_lines, read):
    [trajectory], _ = read(
        "mm_traj", write_lines(_record(_turn("x = = 1"), _output("Error"), _turn("final_answer(1)")))
    )
    assert trajectory.steps[0].action == Code(source="x = = 1")


def test_images_come_in_the_order_of_their_placeholders(write_lines, read):
    task = {"from": "user", "value": "Picture 1: <img>a.jpg</img>\nPicture 2: <img>b.jpg</img>\nTask: Compare.\n"}
    record = _record(image={"<image_01>": "b.jpg", "<image_00>": "a.jpg"})
    record["conversations"] = [task, _turn("final_answer(1)")]
    [trajectory], _ = read("mm_traj", write_lines(record))
    assert trajectory.metadata["images"] == ["a.jpg", "b.jpg"]
    assert trajectory.instruction == "Compare."


def test_an_array_cut_off_mid_record_gives_the_records_before(write_lines, read):
    import json  # noqa: PLC0415  (only here)

    text = json.dumps([_record(_turn("final_answer(1)"))] * 2, indent=1)
    trajectories, problems = read("mm_traj", write_lines(text[:-40], name="x.json", end=""))
    assert len(trajectories) == 1
    assert problems == [(text[:-40].count("\n") + 1, "the array is not closed: the file is cut off in a record")]


@pytest.mark.parametrize(
    ("conversations", "problem"),
    [
        ([], "must begin with the user's task"),
        ([{"from": "robot", "value": ""}], 'got "robot"'),
        ([{"from": "user"}], 'the key "value" is missing'),
        ("text", '"conversations" must be list'),
    ],
)
def test_a_broken_conversation_is_told(write_lines, read, conversations, problem):
    good = _record(_turn("final_answer(1)"))
    trajectories, problems = read("mm_traj", write_lines({"id": "x", "conversations": conversations}, good))
    assert len(trajectories) == 1
    assert problems[0][0] == 1
    assert problem in problems[0][1]


@pytest.mark.parametrize(
    "turn",
    [_turn("final_answer('\\ud83d')"), _turn("final_answer(found)"), {"from": "assistant", "value": "It is \ud83d."}],
)
def test_an_answer_with_half_of_a_surrogate_pair_is_told(write_lines, read, turn):
    good = _record(_turn("final_answer(1)"))
    trajectories, problems = read("mm_traj", write_lines(_record(turn) | {"answer": "\ud83d"}, good))
    assert len(trajectories) == 1
    assert problems[0][0] == 1
    assert "surrogate" in problems[0][1]


def test_a_problem_that_quotes_half_of_a_surrogate_pair_can_be_printed(write_lines, read):
    [(_, problem)] = read("mm_traj", write_lines(_record({"from": "\ud83d", "value": ""})))[1]
    assert 'got "\\ud83d"' in problem


_CALL = ToolCall(name="visualizer", arguments={"question": "what?", "image_path": "a.png"})


@pytest.mark.parametrize(
    ("source", "used_later", "expected"),
    [
        ("visualizer('what?', 'a.png')", (), _CALL),
        ("print(visualizer(image_path='a.png', question='what?'))", (), _CALL),
        ("x = visualizer('what?', image_path='a.png')\nprint(x)", (), _CALL),
        ("p = 'a.png'\nx = visualizer('what?', p)\nprint(x)", (), _CALL),
        ("p = 'a.png'\nvisualizer('what?', p)", ("p",), None),
        ("x = visualizer('what?', 'a.png')\nprint(x)", ("x",), None),
        ("x = visualizer('what?', 'a.png')\nprint('It shows', x)", (), None),
        ("x = visualizer('what?', 'a.png')\nprint(y)", (), None),
        ("visualizer('what?', unknown)", (), None),
        ("visualizer('what?', 'a.png', 3)", (), None),
        ("visualizer('what?', question='again')", (), None),
        ("visualizer(*['what?'])", (), None),
        ("visualizer(**{'question': 'what?'})", (), None),
        ("visualizer({1, 2}, 'a.png')", (), None),
        ("unlink('a.png')", (), None),
        ("os.remove('a.png')", (), None),
        ("visualizer('a', 'b')\nvisualizer('c', 'd')", (), None),
        ("", (), None),
        ("(", (), None),
    ],
)
def test_a_block_that_is_one_call(source, used_later, expected):
    assert tool_call(parse_block(source), frozenset(used_later)) == expected


def test_several_hand_overs_in_a_line_are_all_printed():
    block = parse_block("final_answer(1) if a else final_answer(2)")
    assert printed_instead(block) == "print(1) if a else print(2)"
