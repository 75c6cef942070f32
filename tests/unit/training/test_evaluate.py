"""Scores by row: a table worked out by hand, their means, and evaluation of a model."""

import pytest

pytest.importorskip("torch", reason="torch is not installed")

from tracer1_agents.data.taskgen.windows import WindowOptions
from tracer1_agents.serving.sampling import Sample
from tracer1_agents.training.evaluate import evaluate_rows, held_out_rows, score_reply, summary
from tracer1_agents.training.rows import PromptOptions, rows_of
from tracer1_agents.training.tiny_model import TinyModelConfig, build_model, train_tokenizer
from tracer1_agents.types import ReferenceStep, ReferenceTrajectory

pytestmark = pytest.mark.torch

TRAJECTORY = ReferenceTrajectory(
    id="1",
    source="phone",
    instruction="open the menu",
    steps=(
        ReferenceStep(action={"kind": "click", "point": (0.5, 0.5)}, instruction="tap the menu"),
        ReferenceStep(action={"kind": "scroll", "direction": "down"}, instruction="look further"),
        ReferenceStep(action={"kind": "finish"}),
    ),
)
ROW = next(rows_of(TRAJECTORY, PromptOptions(horizon=5, platform="mobile", points=False)))
CLICK, SCROLL, FINISH = 'click() # "tap the menu"', 'scroll(direction="down") # "look further"', 'finish() # ""'


def scored(*lines, finish_reason="stop"):
    return score_reply(ROW, Sample((1,), (1, 2, 3), (0.0,) * 3, "\n".join(lines), finish_reason))


@pytest.mark.parametrize(
    ("lines", "exact", "plan_exact", "kinds_right"),
    [
        ((CLICK, SCROLL, FINISH), (True, True, True), True, 1.0),
        ((CLICK, SCROLL), (True, True, False), False, 2 / 3),
        ((CLICK, SCROLL, FINISH, FINISH), (True, True, True), True, 1.0),  # nothing can follow the end: not read
        (('click() # "tap the door"', SCROLL, FINISH), (False, True, True), False, 1.0),  # another target
        (('click() # "Tap  the menu"', SCROLL, FINISH), (True, True, True), True, 1.0),
        ((CLICK, 'scroll(direction="up") # "look further"'), (True, False, False), False, 2 / 3),
        ((FINISH,), (False, False, False), False, 0.0),
        (("click(", SCROLL), (False, False, False), False, 0.0),
    ],
)
def test_exactness_by_hand(lines, exact, plan_exact, kinds_right):
    score = scored(*lines)
    assert (score.exact, score.first_exact, score.plan_exact) == (exact, exact[0], plan_exact)
    assert score.kinds_right == pytest.approx(kinds_right)


def test_a_surplus_pair_is_no_exact_plan():
    score = scored(CLICK, SCROLL, 'wait() # ""', FINISH)
    assert score.exact == (True, True, False)
    assert not score.plan_exact
    assert score.repeats == pytest.approx(1 / 4)  # one of four steps goes on past the end


def test_a_pair_left_over_is_no_exact_plan_where_the_record_breaks_off_either():
    broken_off = TRAJECTORY.model_copy(update={"steps": TRAJECTORY.steps[:2]})
    row = next(rows_of(broken_off, PromptOptions(horizon=5, platform="mobile", points=False)))
    for lines, exact in (((CLICK, SCROLL), True), ((CLICK, SCROLL, 'wait() # ""'), False)):
        score = score_reply(row, Sample((1,), (1,), (0.0,), "\n".join(lines), "stop"))
        assert (score.exact, score.plan_exact) == ((True, True), exact)


def test_what_cannot_be_read_is_marked():
    assert scored("no action").unreadable
    assert scored("no action").reward == -0.5
    assert not scored(CLICK).unreadable
    assert (scored(CLICK).key, scored(CLICK).source, scored(CLICK).tokens) == ("phone/1/1", "phone", 3)


def test_the_reference_earns_everything():
    score = scored(*ROW.reply.splitlines())
    assert (score.reward, score.align, score.plan_exact) == (1.0, 1.0, True)


def test_means_are_over_windows_or_over_pairs():
    short = next(row for row in rows_of(TRAJECTORY, PromptOptions(points=False)) if row.number == 3)
    wrong = score_reply(short, Sample((1,), (1,), (0.0,), 'wait() # ""', "stop"))
    means = summary([scored(CLICK, SCROLL, FINISH), wrong])
    assert (means["windows"], means["first_exact"], means["pairs_exact"], means["kinds_right"]) == (2, 0.5, 0.75, 0.75)
    with pytest.raises(ValueError, match="no scores"):
        summary([])


def test_a_model_gets_a_record_for_each_row():
    rows = held_out_rows(WindowOptions(4), 5)
    assert [row.key for row in held_out_rows(WindowOptions(4), 7)[:5]] == [row.key for row in rows]
    tokenizer = train_tokenizer([row.messages[-1].text + row.reply for row in rows], 300)
    sizes = TinyModelConfig(vocab_size=300, hidden_size=16, layers=1, heads=1, head_size=16, mlp_size=16)
    model = build_model(sizes, tokenizer).train()
    scores = evaluate_rows(model, tokenizer, rows)
    assert [score.key for score in scores] == [row.key for row in rows]
    assert all(score.unreadable for score in scores)
    assert model.training
