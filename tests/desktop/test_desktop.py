"""A real Xvfb with a real xterm: input arrives, screens change, the controller drives it, nothing is left running."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.actions.space import (
    Click,
    Drag,
    Hotkey,
    Hover,
    LeftDouble,
    OpenApp,
    Point,
    RightSingle,
    Scroll,
    Select,
    Type,
)
from tracer1_agents.blobs import BlobStore
from tracer1_agents.environments.base import Failure, failure_of, png_size
from tracer1_agents.environments.controller import DesktopController
from tracer1_agents.environments.desktop import DesktopEnvironment
from tracer1_agents.environments.display import XvfbDisplay
from tracer1_agents.errors import ConfigurationError, EnvironmentFailure

SOURCES = str(Path(__file__).parents[2] / "src")
SIZE = Size(640, 480)
MIDDLE = Point(0.4, 0.4)


@pytest.fixture
def typed(tmp_path):
    """Where the terminal's program writes what it is given."""
    return tmp_path / "typed"


def open_desktop(folder, program):
    return DesktopEnvironment(
        BlobStore(folder / "blobs"),
        size=SIZE,
        programs=[("xterm", "-geometry", "80x24+20+20", "-e", "sh", "-c", program)],
        apps={"terminal": ("xterm",)},
        start_seconds=30.0,
    )


@pytest.fixture
def desktop(tmp_path, typed):
    """One of a test's own, whose terminal writes what it is given to a file."""
    with open_desktop(tmp_path, f"stty -echo; cat > {typed}") as environment:
        environment.reset()
        yield environment


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with open_desktop(tmp_path_factory.mktemp("desktop"), "cat > /dev/null") as environment:
        environment.reset()
        yield environment


@pytest.fixture
def kept(shared):
    """One for tests that leave it as they found it; an open menu is closed after each."""
    yield shared
    shared.act(Hotkey(keys=("esc",)))


def test_text_arrives_as_it_is(desktop, typed):
    desktop.act(Click(point=MIDDLE))
    first = desktop.act(Type(content="plain $(id) ; 'quoted'\n"))
    assert (first.image.width, first.image.height) == SIZE
    desktop.act(Hotkey(keys=("ctrl", "d")))
    assert arrived(typed, "plain $(id) ; 'quoted'\n")


def test_keys_arrive_as_they_are_written(desktop, typed):
    desktop.act(Click(point=MIDDLE))
    for keys in (("?",), ("A",), ("+",), ("a",), ("=",), ("shift", "b"), ("shift", "C"), ("shift", "/"), ("enter",)):
        assert desktop.act(Hotkey(keys=keys)).ok
    desktop.act(Hotkey(keys=("ctrl", "D")))
    assert arrived(typed, "?A+a=BC?\n")


@pytest.mark.parametrize(
    "action",
    [
        Click(point=MIDDLE), LeftDouble(point=MIDDLE), RightSingle(point=Point(0.99, 0.99)), Hover(point=MIDDLE),
        Scroll(direction="down"), Drag(start=MIDDLE, end=Point(0.5, 0.5)), Hotkey(keys=("shift", "tab")),
    ],
)  # fmt: skip
def test_every_pointer_action_is_taken(kept, action):
    execution = kept.act(action)
    assert execution.ok, execution.text
    assert execution.image is not None


def test_a_menu_of_the_desktop_opens_where_it_is_asked_for(kept):
    """The window manager's own menu on the right button: the screen changes there."""
    before = kept.observe().image.ref
    assert kept.act(RightSingle(point=Point(0.97, 0.03))).image.ref != before


def test_what_it_cannot_do_is_a_typed_failure(desktop):
    for action in (Hotkey(keys=("hyper",)), Select(option="a"), OpenApp(app_name="sh -c id")):
        failed = desktop.act(action)
        assert failure_of(failed) is Failure.UNSUPPORTED
        assert failed.image is not None
    assert desktop.act(OpenApp(app_name="terminal")).ok


def test_a_display_that_goes_away_is_an_environment_failure_and_comes_back(desktop):
    desktop._server._processes[0].send_signal(signal.SIGKILL)
    desktop._server._processes[0].wait()
    for attempt in (lambda: desktop.act(Click(point=MIDDLE)), desktop.observe):
        with pytest.raises(EnvironmentFailure, match="reset"):
            attempt()
    # even where nobody noticed that the server ended, the process lives on
    desktop._server, server = None, desktop._server
    with pytest.raises(EnvironmentFailure):
        desktop.act(Click(point=MIDDLE))
    desktop._server = server
    assert desktop.reset().image is not None


TYPED = (
    "pyautogui.write('ab'); pyautogui.keyDown('shift'); pyautogui.press('c'); pyautogui.keyUp('shift'); "
    "pyautogui.write(['d', 'E', 'enter'])"
)


def test_the_controller_speaks_osworlds_language(desktop, typed):
    desktop.act(Click(point=MIDDLE))
    with DesktopController(desktop) as controller:
        connection = http.client.HTTPConnection("127.0.0.1", controller.port)
        connection.request("GET", "/screenshot")
        assert png_size(connection.getresponse().read()) == SIZE
        assert post(controller, "/screen_size", {}) == (200, {"width": 640, "height": 480})
        script = "import pyautogui; pyautogui.FAILSAFE = False; " + TYPED
        code, said = post(controller, "/execute", {"command": ["python", "-c", script], "shell": False})
        assert (code, said["status"]) == (200, "success")
        for command in (["python", "-c", "import os; os.system('id')"], ["sh", "-c", "id"], "id", None):
            assert post(controller, "/execute", {"command": command})[0] == 400
        assert post(controller, "/nothing", {})[0] == 404
        assert post(controller, "/screen_size", {}, host="evil.example")[0] == 403
    desktop.act(Hotkey(keys=("ctrl", "d")))
    assert arrived(typed, "abCdE\n")


def arrived(file, text, seconds=20.0):
    """Whether a program that runs by itself has written this, once it had the time."""
    until = time.monotonic() + seconds
    while not (file.exists() and file.read_text() == text) and time.monotonic() < until:
        time.sleep(0.05)
    return file.read_text() == text


def post(controller, path, body, host="127.0.0.1"):
    connection = http.client.HTTPConnection("127.0.0.1", controller.port)
    headers = {"Host": host, "Content-Type": "application/json"}
    connection.request("POST", path, body=json.dumps(body), headers=headers)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def test_an_existing_display_is_used_and_left_alone(kept, tmp_path):
    with DesktopEnvironment(BlobStore(tmp_path / "other"), display=kept.display) as guest:
        assert guest.reset().image is not None
        assert guest.size == SIZE
        assert failure_of(guest.act(OpenApp(app_name="terminal"))) is Failure.UNSUPPORTED
    assert kept.act(Hover(point=MIDDLE)).ok
    with pytest.raises(ConfigurationError, match="programs"):
        DesktopEnvironment(BlobStore(tmp_path / "other"), display=":0", programs=[("xterm",)])


def test_nothing_is_left_running(tmp_path):
    homes = []
    for _ in range(2):
        with DesktopEnvironment(BlobStore(tmp_path), size=SIZE, programs=[("xterm",)]) as environment:
            environment.reset()
            homes.append(environment._server.home)
    time.sleep(0.2)
    assert not any(home.exists() for home in homes)
    assert [left_in(str(home)) for home in homes] == [[], []]


STARTS_A_DISPLAY = """
import time
from tracer1_agents.actions.coordinates import Size
from tracer1_agents.environments.display import XvfbDisplay
display = XvfbDisplay(Size(640, 480))
display.run("xterm", "-e", "sleep", "600")
print(*(process.pid for process in display._processes), display.home, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_outlives_a_process_that_is_ended(number):
    command, environment = [sys.executable, "-c", STARTS_A_DISPLAY], {**os.environ, "PYTHONPATH": SOURCES}
    started = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)  # noqa: S603  (our own text)
    *pids, home = started.stdout.readline().split()
    assert len(pids) == 3
    assert left_in(home)
    started.send_signal(number)
    started.wait()
    started.stdout.close()
    until = time.monotonic() + 20
    while left_in(home) and time.monotonic() < until:
        time.sleep(0.05)
    left = left_in(home)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(home)
    assert left == []


def left_in(home):
    """The processes that run in this folder."""
    return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/cwd") if _target(path) == home]


def test_a_display_outlives_the_thread_that_opened_it():
    opened = []
    thread = threading.Thread(target=lambda: opened.append(XvfbDisplay(SIZE)))
    thread.start()
    thread.join()
    time.sleep(0.5)
    assert opened[0].alive
    opened[0].close()


def test_a_program_that_is_not_there_is_named(kept):
    with pytest.raises(ConfigurationError, match="no-such-program"):
        kept._server.run("no-such-program")


def _target(path):
    try:
        return str(path.readlink()).removesuffix(" (deleted)")
    except OSError:
        return ""
