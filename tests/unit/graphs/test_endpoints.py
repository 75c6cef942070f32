"""Busy, broken and silent endpoints: asked again with a back-off, then a status."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from loop_helpers import FINISH, QUICK, TASK, make_agent, run

from tracer1_agents import create_tracer1_agent
from tracer1_agents.errors import ConfigurationError, PlannerError
from tracer1_agents.planner.policy import ChatModelPolicy
from tracer1_agents.planner.prompt import Message
from tracer1_agents.planner.retries import Retries
from tracer1_agents.testing import ScriptedModel

HELLO = [Message("user", [{"type": "text", "text": "hello"}])]


class StatusError(Exception):
    """As providers raise them."""

    def __init__(self, status_code):
        super().__init__(f"status {status_code}")
        self.status_code = status_code


class HttpStatusError(Exception):
    """As httpx raises them."""

    def __init__(self, status_code):
        super().__init__("no luck")
        self.response = type("Response", (), {"status_code": status_code})()


class CodeError(Exception):
    """As Google's clients raise them."""

    def __init__(self, code):
        super().__init__(f"code {code}")
        self.code = code


class ReadTimeout(Exception):  # noqa: N818  (httpx calls it so)
    pass


class TestRetries:
    @pytest.mark.parametrize(
        "error",
        [StatusError(429), StatusError(500), StatusError(503), HttpStatusError(502), CodeError(429),
         ConnectionRefusedError("no"), TimeoutError("late"), ReadTimeout("late")],
    )  # fmt: skip
    def test_busy_endpoints_are_asked_again(self, error):
        result, _, model = run([error, error, FINISH])
        assert result["status"] == "finished"
        assert len(model.prompts) == 3
        assert result["planner_calls"] == 1  # one answer

    @pytest.mark.parametrize("error", [StatusError(400), StatusError(401), HttpStatusError(404), CodeError(403)])
    def test_a_refusal_is_final(self, error):
        result, _, model = run([error, FINISH])
        assert result["status"] == "model_error"
        assert len(model.prompts) == 1
        assert "refused the request" in result["detail"]

    def test_what_is_no_endpoints_doing_is_not_blamed_on_one(self):
        result, _, model = run([ValueError("too long"), FINISH])
        assert (result["status"], len(model.prompts)) == ("model_error", 1)
        assert result["detail"].endswith("ValueError: too long")

    def test_given_up(self):
        result, _, model = run([StatusError(429)])
        assert result["status"] == "model_error"
        assert len(model.prompts) == QUICK.attempts
        assert "planner model scripted gave no answer after 3 attempts: StatusError: status 429" in result["detail"]
        assert "is the endpoint up?" in result["detail"]

    @pytest.mark.parametrize(
        ("wrong", "words"),
        [
            ({"attempts": 0}, "attempts counts the first one too .* at least 1, got 0"),
            ({"attempts": 1.5}, "attempts .*, got 1.5"),
            ({"first_wait": -1}, "waits must be at least 0 seconds"),
            ({"timeout": 0}, "a timeout above 0, or None to wait for ever, got .*timeout=0"),
        ],
    )
    def test_what_could_never_ask_is_refused(self, wrong, words):
        with pytest.raises(ConfigurationError, match=words):
            Retries(**wrong)

    def test_waits_double_up_to_a_bound(self):
        retries = Retries(first_wait=1.0, longest_wait=5.0)
        for attempt, middle in ((1, 1.0), (2, 2.0), (3, 4.0), (4, 5.0), (2_000, 5.0)):
            assert 0.75 * middle <= retries.wait(attempt) <= 1.25 * middle

    @pytest.mark.parametrize("drive", ["sync", "async"])
    def test_waits_are_kept(self, drive):
        policy = ChatModelPolicy(ScriptedModel(script=[StatusError(429), "x"]), retries=Retries(first_wait=0.1))
        began = time.perf_counter()
        if drive == "sync":
            policy.sample(HELLO, horizon=1)
        else:
            asyncio.run(policy.asample(HELLO, horizon=1))
        assert time.perf_counter() - began >= 0.075

    def test_a_model_that_never_answers(self):
        agent, _ = make_agent([FINISH], retries=Retries(attempts=2, first_wait=0.001, timeout=0.05))
        silent = ScriptedModel(script=[FINISH], delay=1.0)
        agent = create_tracer1_agent(
            silent, profile="compact", retries=Retries(attempts=2, first_wait=0.001, timeout=0.05)
        )
        for result in (agent.invoke(TASK), asyncio.run(agent.ainvoke(TASK))):
            assert result["status"] == "model_error"
            assert "after 2 attempts" in result["detail"]
            assert "TimeoutError" in result["detail"]

    def test_an_interrupt_is_not_swallowed(self):
        policy = ChatModelPolicy(ScriptedModel(script=[KeyboardInterrupt()]), retries=QUICK)
        with pytest.raises(KeyboardInterrupt):
            policy.sample(HELLO, horizon=1)


class _Answers(BaseHTTPRequestHandler):
    """An OpenAI-compatible endpoint that gives the statuses of its list, then answers."""

    statuses: list[int]
    asked: int

    def do_POST(self):
        server = self.server
        self.rfile.read(int(self.headers["content-length"]))
        status = server.statuses[server.asked] if server.asked < len(server.statuses) else 200
        server.asked += 1
        choice = {"index": 0, "message": {"role": "assistant", "content": FINISH}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
        ok = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
        body = json.dumps(ok if status == 200 else {"error": {"message": "try later"}}).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def endpoint():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    server.statuses, server.asked = [], 0
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.enable_socket
class TestOverHttp:
    @staticmethod
    def agent_for(port):
        openai = pytest.importorskip("langchain_openai")
        model = openai.ChatOpenAI(
            model="qwen3-vl-8b", base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0
        )
        return create_tracer1_agent(model, profile="compact", retries=QUICK)

    def test_busy_then_fine(self, endpoint):
        endpoint.statuses = [429, 500]
        result = self.agent_for(endpoint.server_port).invoke(TASK)
        assert (result["status"], result["answer"], endpoint.asked) == ("finished", "42", 3)
        assert result["usage"] == {"input_tokens": 7, "output_tokens": 3}

    def test_async(self, endpoint):
        endpoint.statuses = [503]
        result = asyncio.run(self.agent_for(endpoint.server_port).ainvoke(TASK))
        assert (result["status"], endpoint.asked) == ("finished", 2)

    def test_refused(self, endpoint):
        endpoint.statuses = [401] * 5
        result = self.agent_for(endpoint.server_port).invoke(TASK)
        assert (result["status"], endpoint.asked) == ("model_error", 1)
        assert f"qwen3-vl-8b at http://127.0.0.1:{endpoint.server_port}/v1" in result["detail"]

    def test_down(self, endpoint):
        port = endpoint.server_port
        endpoint.shutdown()
        endpoint.server_close()
        result = self.agent_for(port).invoke(TASK)
        assert result["status"] == "model_error"
        assert "after 3 attempts: " in result["detail"]
        assert "is the endpoint up?" in result["detail"]


def test_policy_says_what_it_could_not_do():
    policy = ChatModelPolicy(ScriptedModel(script=[StatusError(400)]), retries=QUICK)
    with pytest.raises(PlannerError, match="planner model scripted gave no answer: StatusError: status 400; the end"):
        policy.sample(HELLO, horizon=1)
