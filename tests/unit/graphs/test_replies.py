"""What is kept of a reply, and of replies that are still being written."""

from __future__ import annotations

import pytest
from loop_helpers import FINISH

from tracer1_agents.actions.grammars.canonical import CanonicalGrammar
from tracer1_agents.graphs import replies
from tracer1_agents.graphs.settings import Settings
from tracer1_agents.planner.policy import PolicyReply, ReplayPolicy

TWENTY = "x" * 20
REPLY = f"<think>{TWENTY}</think>{FINISH}"


@pytest.mark.parametrize(
    ("most", "thought", "text"),
    [(20, TWENTY, REPLY), (19, "x" * 15 + " ...", FINISH), (0, "", FINISH)],
)
def test_a_thought_that_is_longer_than_asked_is_cut_and_kept_once(most, thought, text):
    settings = Settings(policy=ReplayPolicy([FINISH]), thought_chars=most)
    forecast = replies.read_reply(PolicyReply(text=REPLY), CanonicalGrammar(), 1, settings)
    assert (forecast.thought, forecast.text, len(forecast.pairs)) == (thought, text, 1)


def test_rests_of_runs_that_never_went_on_are_forgotten(monkeypatch):
    monkeypatch.setattr(replies, "_MOST_OPEN", 2)
    monkeypatch.setattr(replies, "_rests", {})
    kept = {ticket: object() for ticket in "abc"}
    for ticket, rest in kept.items():
        replies.keep_rest(ticket, rest)
    assert replies.take_rest({"ticket": "a"}) is None  # the oldest
    assert replies.take_rest({"ticket": "b"}) is kept["b"]
    assert replies.take_rest({"ticket": "b"}) is None  # taken already
    assert replies.take_rest({"ticket": "c"}) is kept["c"]
    assert replies.take_rest({}) is None
