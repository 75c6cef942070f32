"""The desk that answers host calls, without a sandbox."""

from __future__ import annotations

import contextvars
import threading

import pytest

from tracer1_agents.errors import ConfigurationError, SandboxError
from tracer1_agents.sandboxes import calls
from tracer1_agents.sandboxes.base import Limits
from tracer1_agents.sandboxes.calls import CallDesk, HostFunction

COLOUR = contextvars.ContextVar("colour", default="none")


def fail(text=""):
    raise LookupError(text)


FUNCTIONS = {
    "add": lambda a, b=0: a + b,
    "fail": fail,
    "opaque": object,
    "nan_keyed": lambda: {("a",): 1},
    "long": lambda: "x" * 2000,
    "colour": COLOUR.get,
    "leave": lambda: (_ for _ in ()).throw(SystemExit),
}


def ask(desk, name, *args, **kwargs):
    return ask_raw(desk, {"id": 7, "name": name, "args": list(args), "kwargs": kwargs})


def ask_raw(desk, request):
    answers, arrived = [], threading.Event()

    def send(answer):
        answers.append(answer)
        arrived.set()

    desk.serve(request, send)
    assert arrived.wait(5)
    return answers[0]


@pytest.fixture
def desk():
    return CallDesk(FUNCTIONS, Limits(host_calls=3, message_bytes=1000))


def test_positional_and_keyword_arguments_arrive(desk):
    assert ask(desk, "add", 1, b=2) == {"op": "answer", "id": 7, "ok": True, "value": 3}


@pytest.mark.parametrize(
    ("name", "args", "error"),
    [
        ("missing", [], "no host function 'missing'; there are: add, colour, fail"),
        ("fail", ["not here"], "not here"),
        ("fail", [], "LookupError"),
        ("opaque", [], "the result is not JSON"),
        ("nan_keyed", [], "the result is not JSON"),
        ("long", [], "the result has 2002 bytes, over the limit of 1000"),
        ("add", ["x" * 2000], "the arguments are over 1000 bytes"),
        ("leave", [], "SystemExit"),
    ],
)
def test_refusals_and_errors_are_answers(desk, name, args, error):
    answer = ask(desk, name, *args)
    assert answer["ok"] is False
    assert error in answer["error"]


@pytest.mark.parametrize("request_", [{}, {"name": "add", "args": 1, "kwargs": {}}, {"name": ["add"]}])
def test_malformed_requests_are_refused(desk, request_):
    assert ask_raw(desk, request_)["ok"] is False


def test_calls_are_counted_per_run(desk):
    assert [ask(desk, "add", 1)["ok"] for _ in range(4)] == [True, True, True, False]
    desk.begin_run()
    assert ask(desk, "add", 1)["ok"]


def test_two_calls_at_once_are_a_broken_worker():
    release = threading.Event()
    desk = CallDesk({"wait": release.wait}, Limits())
    request = {"name": "wait", "args": [], "kwargs": {}}
    desk.serve(request, lambda _answer: None)
    with pytest.raises(SandboxError, match="flooded"):
        desk.serve(request, lambda _answer: None)
    release.set()


def test_context_variables_reach_the_function(desk):
    token = COLOUR.set("red")
    assert ask(desk, "colour")["value"] == "red"
    COLOUR.reset(token)


@pytest.mark.parametrize("name", ["two words", "class", "", "a.b"])
def test_names_must_be_identifiers(name):
    with pytest.raises(ConfigurationError, match="identifier"):
        CallDesk({name: len}, Limits())


class TestFunctionsWithBoundsOfTheirOwn:
    def desk(self, **bounds):
        functions = {"add": HostFunction(FUNCTIONS["add"], **bounds), "long": HostFunction(FUNCTIONS["long"], **bounds)}
        return CallDesk(functions, Limits())

    def test_permission_sees_the_arguments_and_says_why_not(self):
        desk = self.desk(allow=lambda args, kwargs: None if args[0] < 5 and not kwargs else f"{args[0]} is too much")
        assert ask(desk, "add", 4)["value"] == 4
        assert ask(desk, "add", 6)["error"] == "6 is too much"
        assert "cannot be checked: IndexError" in ask(desk, "add")["error"]

    def test_calls_of_one_run(self):
        desk = self.desk(calls=2)
        assert [ask(desk, "add", 1)["ok"] for _ in range(3)] == [True, True, False]
        assert ask(desk, "long")["ok"]
        desk.begin_run()
        assert ask(desk, "add", 1)["ok"]

    def test_calls_of_one_second(self, monkeypatch):
        clock = [100.0]
        monkeypatch.setattr(calls.time, "monotonic", lambda: clock[0])
        desk = self.desk(per_second=2)
        assert [ask(desk, "add", 1)["ok"] for _ in range(3)] == [True, True, False]
        desk.begin_run()
        assert "in one second" in ask(desk, "add", 1)["error"]
        clock[0] += 1.0
        assert ask(desk, "add", 1)["ok"]

    def test_sizes(self):
        assert "over 100" in ask(self.desk(argument_bytes=100), "add", "x" * 200)["error"]
        assert "over the limit of 1000" in ask(self.desk(result_bytes=1000), "long")["error"]

    def test_refused_calls_use_nothing_up(self):
        desk = self.desk(calls=1, allow=lambda args, _: "no" if args[0] == 0 else None)
        assert [ask(desk, "add", number)["ok"] for number in (0, 0, 1, 1)] == [False, False, True, False]
