"""What all environments share: refused actions, pixels, typed failures, names of keys, allowed addresses."""

from __future__ import annotations

import struct

import pytest

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.actions.space import (
    CallUser,
    Click,
    Drag,
    Finish,
    Hotkey,
    LongPress,
    Point,
    PressButton,
    Scroll,
    Select,
    ToolCall,
    Wait,
    actions_for,
)
from tracer1_agents.blobs import BlobStore
from tracer1_agents.environments.allowed import is_allowed
from tracer1_agents.environments.base import (
    ActionFailed,
    Failure,
    check_action,
    failed,
    failure_of,
    keep_png,
    pixel_of,
    succeeded,
)
from tracer1_agents.environments.keys import KEYS, key_named
from tracer1_agents.types import Execution, Observation

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00\x00\x00\rIHDR" + struct.pack(">II", 3, 2) + b"rest"


@pytest.mark.parametrize(
    ("action", "platform", "failure"),
    [
        (Click(), "computer", Failure.NO_PLACE),
        (Drag(start=Point(0.1, 0.1)), "computer", Failure.NO_PLACE),
        (Click.model_construct(point=Point(1.2, 0.5)), "computer", Failure.OUTSIDE),
        (Click.model_construct(point=Point(float("nan"), 0.5)), "computer", Failure.OUTSIDE),
        (LongPress(point=Point(0.1, 0.1)), "computer", Failure.UNSUPPORTED),
        (Hotkey(keys=("a",)), "mobile", Failure.UNSUPPORTED),
        (CallUser(), "computer", Failure.UNSUPPORTED),
        (Finish(), "computer", Failure.UNSUPPORTED),
        (ToolCall(name="x"), "computer", Failure.UNSUPPORTED),
    ],
)
def test_what_cannot_be_done_is_a_typed_failure(action, platform, failure):
    with pytest.raises(ActionFailed) as raised:
        check_action(action, platform)
    assert raised.value.failure is failure
    execution = failed(raised.value, Observation(text="[1] button"))
    assert failure_of(execution) is failure
    assert execution.text.startswith("error: ")
    assert execution.text.endswith("[1] button")  # the planner still sees the screen


@pytest.mark.parametrize("action", [Scroll(direction="down"), Select(option="a"), Wait(), Click(point=Point(0, 1))])
def test_what_needs_no_place_passes_without_one(action):
    check_action(action, "computer")


def test_the_edges_of_the_screen_belong_to_its_last_pixels():
    size = Size(160, 210)
    assert pixel_of(Point(0, 0), size) == (0, 0)
    assert pixel_of(Point(1, 1), size) == (159, 209)
    assert pixel_of(Point(0.5, 0.5), size) == (80, 105)


def test_a_screenshot_is_kept_by_reference_and_an_empty_one_is_a_failure(tmp_path):
    blobs = BlobStore(tmp_path)
    image = keep_png(PNG, blobs)
    assert (image.width, image.height) == (3, 2)
    assert blobs.get(image.ref) == PNG
    for broken in (b"", b"GIF89a" + PNG, PNG.replace(struct.pack(">II", 3, 2), struct.pack(">II", 0, 2))):
        with pytest.raises(ActionFailed) as raised:
            keep_png(broken, blobs)
        assert raised.value.failure is Failure.EMPTY_SCREENSHOT
        assert failed(raised.value).infrastructure  # it says nothing of the action


def test_an_execution_that_did_not_fail_here_has_no_failure():
    done = succeeded(PressButton(button="home"), Observation(text="x"))
    assert done.ok
    assert done.value == {"kind": "press_button", "button": "home"}
    assert failure_of(done) is None
    assert failure_of(Execution(ok=False, value={"replay": "miss"})) is None


def test_keys_have_aliases_and_unknown_ones_are_refused():
    assert key_named("Control") is KEYS["ctrl"]
    assert key_named("PageDown") is KEYS["pagedown"]
    assert key_named("a") is None  # itself
    with pytest.raises(ActionFailed, match="no key"):
        key_named("hyper")


@pytest.mark.parametrize(
    ("url", "domains", "start", "allowed"),
    [
        ("https://example.com/a", ("example.com",), "about:blank", True),
        ("https://www.example.com/a", ("example.com",), "about:blank", True),
        ("https://notexample.com/", ("example.com",), "about:blank", False),
        ("https://example.com.evil.org/", ("example.com",), "about:blank", False),
        ("https://evil.org/?example.com", ("example.com",), "about:blank", False),
        ("https://example.com@evil.org/", ("example.com",), "about:blank", False),
        ("http://127.0.0.1:8000/b", (), "http://127.0.0.1:8000/a", True),
        ("http://127.0.0.1:8001/b", (), "http://127.0.0.1:8000/a", False),
        ("http://anything.org/", None, "about:blank", True),
        ("file:///etc/passwd", None, "http://example.com", False),
        ("file:///pages/b.html", (), "file:///pages/a.html", True),
        ("file:///pages/../etc/passwd", (), "file:///pages/a.html", False),
        ("file:///etc/passwd", None, "file:///pages/a.html", False),
        ("javascript:alert(1)", None, "about:blank", False),
        ("chrome://settings", None, "about:blank", False),
        ("about:blank", (), "https://example.com", True),
        ("file:///my%20pages/b.html", (), "file:///my pages/a.html", True),
        ("http://localhost:8000/b", (), "http://LOCALHOST:8000/a", True),
        ("http://example.com/b", (), "http://example.com:80/a", True),
        ("https://example.com/b", (), "http://example.com/a", False),
        ("https://xn--mller-kva.de/", ("müller.de",), "about:blank", True),
        ("http://example.com:8080/", ("example.com:8080",), "about:blank", True),
        ("http://example.com:81/", ("example.com:8080",), "about:blank", False),
        ("http://[::1/", None, "about:blank", False),
        ("http://example.com:99999/", ("example.com",), "about:blank", False),
    ],
)
def test_allowed_addresses(url, domains, start, allowed):
    assert is_allowed(url, domains, start) is allowed


def test_every_action_of_the_computer_space_has_a_case_in_the_browser():
    """Only `CallUser` is refused before it gets there; a new action must not fall through."""
    import inspect  # noqa: PLC0415

    from tracer1_agents.environments import desktop, page_actions  # noqa: PLC0415

    source = inspect.getsource(page_actions.perform)
    on_desktop = inspect.getsource(desktop.DesktopEnvironment._perform)
    missing = [cls.__name__ for cls in actions_for("computer") if f"{cls.__name__}(" not in source]
    assert missing == ["CallUser", "Finish"]
    assert [cls.__name__ for cls in actions_for("computer") if f"{cls.__name__}(" not in on_desktop] == [
        "Select",
        "CallUser",
        "Finish",
    ]
