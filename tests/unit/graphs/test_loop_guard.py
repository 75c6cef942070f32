"""Marks of steps, and how many of them a run looks back on."""

from __future__ import annotations

from tracer1_agents.actions.space import Click, Code
from tracer1_agents.graphs.loop_guard import LoopGuard, keep_trail, mark, remember
from tracer1_agents.types import ImageRef, Observation

CLICK = Click()


def screen(ref, text=""):
    return Observation(text=text, image=ImageRef(ref=ref, width=10, height=10))


def test_a_step_counts_with_what_was_seen_before_it():
    seen = mark(CLICK, "press ok", screen("a.png"))
    assert mark(CLICK, "Press  OK", screen("a.png")) == seen
    others = [screen("b.png"), screen("a.png", "a word"), Observation()]
    assert all(mark(CLICK, "press ok", other) != seen for other in others)
    assert mark(CLICK, "press no", screen("a.png")) != seen
    assert LoopGuard().repeats([seen], mark(CLICK, "press ok", screen("a.png")))
    assert not LoopGuard().repeats([seen], mark(CLICK, "press ok", screen("b.png")))


def test_a_mark_is_short_whatever_was_done_and_seen():
    assert len("".join(mark(Code(source="x" * 100_000), "", Observation(text="y" * 100_000)))) < 40


def test_the_newest_sixty_four_steps_are_remembered():
    marks = [("click", str(number)) for number in range(100)]
    trail = []
    for one in marks:
        trail = remember(trail, one)
    assert trail == marks[-64:]
    written = [list(one) for one in marks]
    assert keep_trail(written[:60], [written[60:62], written[62:]]) == written[-64:]
    assert keep_trail(written[:60], [written[60:62], None, written[62:64]]) == written[62:64]
