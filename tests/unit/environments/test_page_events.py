"""What Chromium says of pages to come, and how long a look waits for them."""

from __future__ import annotations

import time

import pytest

from tracer1_agents.environments.page_events import PageEvents


class Session:
    """Stands in for Chromium's protocol: hands events to whoever listens."""

    def __init__(self):
        self.heard = {}

    def on(self, name, listener):
        self.heard[name] = listener

    def say(self, name, **event):
        self.heard[f"Page.{name}"](event)


@pytest.fixture
def page():
    events, session = PageEvents(None, dialogs="accept"), Session()
    events.follow(session, "main")
    return events, session


@pytest.mark.parametrize("asked", ["frameRequestedNavigation", "frameStartedLoading"])
@pytest.mark.parametrize(
    ("answer", "event"), [("frameNavigated", {"frame": {"id": "main"}}), ("frameStoppedLoading", {"frameId": "main"})]
)
async def test_a_page_that_was_asked_for_is_expected_until_it_came(page, asked, answer, event):
    events, session = page
    assert not events.expecting
    session.say(asked, frameId="main")
    assert events.expecting
    session.say(answer, **event)
    assert not events.expecting
    await events.arrived(time.monotonic() + 60.0)
    assert events.notes == []


def test_other_frames_and_other_windows_are_not_waited_for(page):
    events, session = page
    session.say("frameRequestedNavigation", frameId="inner")
    session.say("frameRequestedNavigation", frameId="main", disposition="newTab")
    session.say("frameStartedLoading", frameId="inner")
    assert not events.expecting
    session.say("frameStartedLoading", frameId="main")
    session.say("frameNavigated", frame={"id": "inner"})
    session.say("frameStoppedLoading", frameId="inner")
    assert events.expecting
    events.clear()
    assert not events.expecting


async def test_a_page_that_does_not_come_is_noted(page):
    events, session = page
    session.say("frameStartedLoading", frameId="main")
    await events.arrived(time.monotonic())
    assert not events.expecting
    assert "has not come yet" in events.notes[0]
