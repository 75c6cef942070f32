"""Programs of this machine drive the controller; web pages in a browser on it do not."""

from __future__ import annotations

import http.client
import json

import pytest

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.environments.controller import DesktopController

SCRIPT = json.dumps({"command": ["python", "-c", "import pyautogui; pyautogui.write('abc')"], "shell": False})
JSON = {"Content-Type": "application/json"}


class Desktop:
    size = Size(640, 480)

    def __init__(self):
        self.typed = []

    def grab(self):
        return b"png"

    def input(self):
        return None, self.typed.append


@pytest.fixture(scope="module")
def running():
    with DesktopController(Desktop()) as controller:
        yield controller


@pytest.fixture
def controller(running):
    running.desktop.typed.clear()
    return running


def ask(controller, method, path, headers, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", controller.port, timeout=10)
    connection.request(method, path, body=body, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_a_program_is_served(controller, kind):
    assert ask(controller, "GET", "/screenshot", {}) == (200, b"png")
    assert ask(controller, "POST", "/screen_size", {})[0] == 200
    assert ask(controller, "POST", "/execute", {"Content-Type": kind}, SCRIPT)[0] == 200
    assert controller.desktop.typed == ["abc"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://page.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
        {"sec-fetch-site": "same-origin"}, {"Host": "page.example"},
    ],
)  # fmt: skip
@pytest.mark.parametrize(("method", "path"), [("GET", "/screenshot"), ("POST", "/screen_size"), ("POST", "/execute")])
def test_a_web_page_is_not(controller, headers, method, path):
    code, said = ask(controller, method, path, JSON | headers, SCRIPT if method == "POST" else None)
    assert code == 403
    assert "this controller answers to" in json.loads(said)["message"]
    assert controller.desktop.typed == []


@pytest.mark.parametrize("kind", [None, "text/plain", "text/plain;charset=UTF-8", "application/x-www-form-urlencoded"])
def test_a_command_that_is_not_declared_to_be_json_is_refused(controller, kind):
    """The types that a page may send elsewhere without asking there first."""
    code, said = ask(controller, "POST", "/execute", {"Content-Type": kind} if kind else {}, SCRIPT)
    assert code == 415
    assert "application/json" in json.loads(said)["message"]
    assert controller.desktop.typed == []
