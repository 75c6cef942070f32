"""What an endpoint says of its models, before it is relied on."""

from __future__ import annotations

import pytest

from tracer1_agents import create_tracer1_agent
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.serving.endpoint import check_endpoint, endpoint_model
from tracer1_agents.serving.media import EndpointPictures
from tracer1_agents.testing import ScriptedServer, chat_completion

pytest.importorskip("langchain_openai", reason="langchain-openai is not installed")


@pytest.fixture
def server():
    scripted = ScriptedServer([])
    yield scripted
    scripted.close()


def listing(*names):
    return {"object": "list", "data": [{"id": name, "object": "model"} for name in names]}


@pytest.mark.parametrize("answer", [listing("m", "other"), listing(), 404])
def test_what_serves_the_model_or_lists_nothing_is_taken(server, answer):
    server.pages["/v1/models"] = answer
    check_endpoint("m", server.url)


@pytest.mark.parametrize(
    ("answer", "said"), [(listing("a", "b"), "does not serve 'm'; it serves a, b"), (401, "set OPENAI_API_KEY")]
)
def test_what_cannot_be_used_is_said(server, answer, said):
    server.pages["/v1/models"] = answer
    with pytest.raises(ConfigurationError, match=said):
        check_endpoint("m", server.url)


def test_a_key_that_is_empty_is_none(server, monkeypatch):
    """As a CI leaves it that has no such secret."""
    monkeypatch.setenv("OPENAI_API_KEY", "")
    server.pages["/v1/models"] = listing("m")
    check_endpoint("m", server.url)
    EndpointPictures("m", server.url)


def test_what_is_no_text_does_not_keep_a_prompt_from_being_sent(server):
    server.script = [chat_completion('finish(answer="x")')]
    agent = create_tracer1_agent(endpoint_model("m", server.url), profile="compact")
    result = agent.invoke({"instruction": "Read \udce9.txt", "observation": {"text": "\udce9.txt, b.txt"}})
    assert result["status"] == "finished"
    assert "Task: Read ?.txt" in str(server.asked[0][0]["messages"])


def test_nothing_answers():
    with pytest.raises(ConfigurationError, match="is it up"):
        check_endpoint("m", "http://127.0.0.1:9/v1")
