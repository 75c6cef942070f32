"""Actions as adb commands, against a fake adb that answers as adb's documentation says. No device was at hand."""

from __future__ import annotations

import json
import shlex
import struct
import sys
from pathlib import Path

import pytest

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.actions.space import (
    Click,
    Drag,
    Hotkey,
    LongPress,
    OpenApp,
    Point,
    PressButton,
    Scroll,
    Type,
    Wait,
    actions_for,
)
from tracer1_agents.blobs import BlobStore
from tracer1_agents.environments.android import AndroidEnvironment, read_hierarchy
from tracer1_agents.environments.base import Failure, failure_of
from tracer1_agents.errors import ConfigurationError, EnvironmentFailure

WIDTH, HEIGHT = 1080, 2400
SHOT = b"\x89PNG\r\n\x1a\n" + b"\x00\x00\x00\rIHDR" + struct.pack(">II", WIDTH, HEIGHT) + b"pixels"
LOOK = [{"ask": ["exec-out", "screencap", "-p"], "hex": SHOT.hex()}]
HIERARCHY = (
    '<hierarchy rotation="0"><node class="android.widget.FrameLayout" bounds="[0,0][1080,2400]">'
    '<node class="android.widget.Button" text="OK" clickable="true" bounds="[100,200][300,260]"/>'
    '<node class="android.widget.EditText" text="secret" password="true" focused="true" clickable="true"'
    ' content-desc="Password" bounds="[100,300][900,380]"/>'
    '<node class="android.widget.EditText" text="cats" content-desc="Query" bounds="[0,0][10,10]" enabled="false"/>'
    '<node class="android.view.View" bounds="[0,0][5,5]"/></node></hierarchy>'
)


@pytest.fixture
def device(tmp_path, monkeypatch):
    """A device whose adb expects exactly these exchanges."""
    adb = tmp_path / "adb"
    adb.write_text(f'#!/bin/sh\nexec {sys.executable} {Path(__file__).parent / "fake_adb.py"} "$@"\n')
    adb.chmod(0o755)
    monkeypatch.setenv("FAKE_ADB", str(tmp_path))

    def make(*exchanges, **options):
        (tmp_path / "exchanges.json").write_text(json.dumps(list(exchanges)))
        options = {"elements": False, "settle": 0.0, **options}
        return AndroidEnvironment(BlobStore(tmp_path / "blobs"), adb=str(adb), **options)

    return make


def shell(*words, **answer):
    return {"ask": ["shell", shlex.join(words)], **answer}


@pytest.mark.parametrize(
    ("action", "commands"),
    [
        (Click(point=Point(0.5, 0.25)), [("input", "tap", "540", "600")]),
        (LongPress(point=Point(0.0, 1.0)), [("input", "swipe", "0", "2399", "0", "2399", "1000")]),
        (Drag(start=Point(0, 0), end=Point(0.5, 0.5)), [("input", "swipe", "0", "0", "540", "1200", "400")]),
        # to see what is further down the finger goes up
        (Scroll(direction="down"), [("input", "swipe", "540", "1680", "540", "720", "400")]),
        (Scroll(direction="left"), [("input", "swipe", "324", "1200", "756", "1200", "400")]),
        # a finger at the edge would mean home, back or the notifications
        (Scroll(direction="down", point=Point(0.5, 0.95)), [("input", "swipe", "540", "2160", "540", "1800", "400")]),
        (Scroll(direction="up", point=Point(0.5, 0.02)), [("input", "swipe", "540", "240", "540", "528", "400")]),
        (Scroll(direction="right", point=Point(1, 0.5)), [("input", "swipe", "972", "1200", "864", "1200", "400")]),
        (Type(content="two words"), [("input", "text", "two%swords")]),
        (Type(content="go\n"), [("input", "text", "go"), ("input", "keyevent", "KEYCODE_ENTER")]),
        (Type(content="5%sale"), [("input", "text", "5%"), ("input", "text", "sale")]),
        (Type(content="$(reboot); 'x'"), [("input", "text", "$(reboot);%s'x'")]),
        (PressButton(button="recent"), [("input", "keyevent", "KEYCODE_APP_SWITCH")]),
        (OpenApp(app_name="Clock"), [("am", "start", "-n", "com.clock/.Main")]),
        (Wait(), []),
    ],
)
def test_actions_become_commands(device, action, commands):
    phone = device(*(shell(*command) for command in commands), *LOOK, apps={"Clock": "com.clock/.Main"})
    phone.size = Size(WIDTH, HEIGHT)
    execution = phone.act(action)
    assert execution.ok, execution.text
    assert (execution.image.width, execution.image.height) == (WIDTH, HEIGHT)


def test_every_mobile_action_is_covered_above():
    cases = test_actions_become_commands.pytestmark[0].args[1]
    assert {type(case[0]) for case in cases} == {
        cls for cls in actions_for("mobile") if cls.__name__ not in {"CallUser", "Finish"}
    }


def test_text_reaches_the_device_as_one_quoted_word(device):
    """What the device's shell would make of the line: the same words again."""
    assert shlex.split(shell("input", "text", "$(reboot);%s'x'")["ask"][1]) == ["input", "text", "$(reboot);%s'x'"]


def test_reset_reads_the_size_and_goes_home(device):
    phone = device(
        {"ask": ["-s", "emulator-5554", "get-state"], "say": "device\n"},
        {"ask": ["-s", "emulator-5554", "shell", "wm size"], "say": "Physical size: 10x20\nOverride size: 1080x2400\n"},
        {"ask": ["-s", "emulator-5554", "shell", "input keyevent KEYCODE_HOME"]},
        {"ask": ["-s", "emulator-5554", "exec-out", "screencap", "-p"], "hex": SHOT.hex()},
        serial="emulator-5554",
    )
    assert phone.reset().image is not None
    assert phone.size == (WIDTH, HEIGHT)


@pytest.mark.parametrize(
    "error",
    [
        "error: device offline", "adb: no devices/emulators found", "error: closed", "adb: device offline",
        "error: no devices/emulators found", "error: device 'emulator-5554' not found", "error: device not found",
        "error: device unauthorized.\nThis adb server's $ADB_VENDOR_KEYS is not set", "error: device still authorizing",
        "* daemon not running; starting now\nadb: cannot connect to daemon at tcp:5037: Connection refused",
        "adb: error: failed to get feature set: no devices/emulators found",
        "adb: failed to check server version: cannot connect to daemon",
    ],
)  # fmt: skip
def test_a_lost_device_is_an_environment_failure(device, error):
    phone = device({"ask": ["get-state"], "error": error, "code": 1})
    with pytest.raises(EnvironmentFailure, match="adb devices"):
        phone.reset()


def test_a_device_lost_in_the_middle_is_one_too(device):
    phone = device(
        shell("input", "tap", "540", "1200"), {**LOOK[0], "hex": "", "error": "error: device 'x' not found", "code": 1}
    )
    phone.size = Size(WIDTH, HEIGHT)
    with pytest.raises(EnvironmentFailure, match="not found"):
        phone.act(Click(point=Point(0.5, 0.5)))


def test_refusals_are_failed_steps(device):
    phone = device(shell("input", "tap", "540", "1200", code=255, error="Security exception"), *LOOK)
    phone.size = Size(WIDTH, HEIGHT)
    assert failure_of(phone.act(Click(point=Point(0.5, 0.5)))) is Failure.REFUSED
    for action in (Type(content="naïve"), Hotkey(keys=("a",)), OpenApp(app_name="no such app; reboot")):
        phone = device(*LOOK * 5)
        (Path(phone.blobs.folder).parent / "asked.jsonl").unlink(missing_ok=True)
        assert failure_of(phone.act(action)) is Failure.UNSUPPORTED


@pytest.mark.parametrize("said", ["/system/bin/sh: monkey: not found", "monkey: stream closed", "Error: unauthorized"])
def test_what_the_devices_shell_says_is_no_lost_device(device, said):
    command = ("monkey", "-p", "com.clock", "-c", "android.intent.category.LAUNCHER", "1")
    phone = device(shell(*command, code=127, error=said), *LOOK)
    execution = phone.act(OpenApp(app_name="com.clock"))
    assert failure_of(execution) is Failure.REFUSED
    assert said in execution.text


def test_a_step_whose_view_hierarchy_cannot_be_had_is_no_failure(device):
    dump = {"ask": ["exec-out", "uiautomator", "dump", "/dev/tty"], "error": "Killed", "code": 137}
    phone = device(shell("input", "tap", "540", "1200"), *LOOK, dump, elements=True)
    phone.size = Size(WIDTH, HEIGHT)
    execution = phone.act(Click(point=Point(0.5, 0.5)))
    assert execution.ok, execution.text
    assert execution.text.startswith("(the device tells nothing")
    phone = device(*LOOK, {**dump, "error": "error: device offline", "code": 1}, elements=True)
    (Path(phone.blobs.folder).parent / "asked.jsonl").unlink()
    with pytest.raises(EnvironmentFailure, match="offline"):
        phone.observe()


def test_an_empty_screenshot_after_an_action_is_typed(device):
    phone = device(shell("input", "tap", "540", "1200"), {**LOOK[0], "hex": "", "say": ""})
    phone.size = Size(WIDTH, HEIGHT)
    execution = phone.act(Click(point=Point(0.5, 0.5)))
    assert failure_of(execution) is Failure.EMPTY_SCREENSHOT
    assert execution.infrastructure


def test_no_adb_is_a_configuration_error(tmp_path):
    with pytest.raises(ConfigurationError, match="adb"):
        AndroidEnvironment(BlobStore(tmp_path), adb="no-such-adb")


def test_the_view_hierarchy_becomes_elements(device):
    ok, password, query = read_hierarchy(HIERARCHY)
    assert (ok.role, ok.name, ok.box) == ("button", "OK", (100, 200, 300, 260))
    assert (password.role, password.name, password.value, password.states) == (
        "password", "Password", "******", ("focused",),
    )  # fmt: skip
    assert (query.value, query.states) == ("cats", ("disabled",))
    assert read_hierarchy("<hierarchy><node") == ()
    dump = {"ask": ["exec-out", "uiautomator", "dump", "/dev/tty"], "say": f"<?xml?>{HIERARCHY}UI hierchary dumped"}
    phone = device(*LOOK, dump, elements=True)
    assert phone.observe().text.splitlines()[0] == '[1] button "OK" (100, 200, 300, 260)'


def test_whatever_a_view_is_called_it_is_an_element():
    view = f'<node class="a.{"Very" * 30}Long$View" text="{"word " * 100}" clickable="true" bounds="[0,0][9,9]"/>'
    beyond = f'<node text="far" bounds="[0,0][{"9" * 5000},9]"/>'
    (found,) = read_hierarchy(f"<hierarchy>{view}{beyond}</hierarchy>")
    assert (found.role, found.name) == (("very" * 30)[:40], ("word " * 100)[:200])
