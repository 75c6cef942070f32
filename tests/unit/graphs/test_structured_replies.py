"""Models that can be held to a schema are; all others are asked in words and parsed all the same."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from tracer1_agents import create_tracer1_agent
from tracer1_agents.planner.retries import Retries
from tracer1_agents.testing import ScriptedModel

openai = pytest.importorskip("langchain_openai", reason="langchain-openai is not installed")

REPLY = '{"plan": [{"action": "finish", "arguments": {"answer": "42"}, "instruction": "Say it"}]}'


@pytest.fixture
def server():
    """A chat completions endpoint on this machine; remembers what it was asked."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            message = {"role": "assistant", "content": REPLY}
            body = {
                "id": "1",
                "object": "chat.completion",
                "created": 1,
                "model": "m",
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12},
            }
            content = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    httpd = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}/v1", asked
    httpd.shutdown()


@pytest.mark.parametrize(("name", "held"), [("gpt-5", True), ("some-local-model", False)])
def test_response_format_is_sent_where_the_model_is_known_to_take_it(server, name, held):
    url, asked = server
    model = openai.ChatOpenAI(model=name, base_url=url, api_key="none", max_retries=0)
    agent = create_tracer1_agent(model, profile="generic", retries=Retries(attempts=1, timeout=20))
    result = agent.invoke({"instruction": "What is six times seven?"})
    assert (result["status"], result["answer"]) == ("finished", "42")
    assert result["usage"] == {"input_tokens": 5, "output_tokens": 7}
    assert ("response_format" in asked[0]) is held
    if held:
        schema = asked[0]["response_format"]["json_schema"]["schema"]
        assert schema["required"] == ["plan"]


def test_other_dialects_are_never_held_to_the_json_schema(server):
    url, asked = server
    model = openai.ChatOpenAI(model="gpt-5", base_url=url, api_key="none", max_retries=0)
    create_tracer1_agent(model, profile="ui-tars", max_reasks=0).invoke({"instruction": "x"})
    assert "response_format" not in asked[0]


def test_long_thoughts_are_kept_short_and_out_of_the_next_prompt():
    thought = "<think>" + "because " * 5_000 + "</think>"
    script = [f'{thought}look(x=1) # "look"', f'{thought}finish(answer="1") # "done"']

    def look(x: int) -> str:
        """Look."""
        return f"saw {x}"

    model = ScriptedModel(script=script)
    agent = create_tracer1_agent(model, [look], profile="compact", checkpointer=InMemorySaver())
    thread = {"configurable": {"thread_id": "1"}}
    result = agent.invoke({"instruction": "x"}, thread)
    assert result["answer"] == "1"
    assert "because" not in str(model.prompts[1])
    assert len(json.dumps(result["forecast_log"])) < 20_000
    assert agent.get_state(thread).values["forecast"]["text"] == 'finish(answer="1") # "done"'
