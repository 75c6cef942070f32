"""What an endpoint says of its models, before it is relied on."""

from __future__ import annotations

import pytest

from tracer1_agents.errors import ConfigurationError
from tracer1_agents.serving.endpoint import check_endpoint
from tracer1_agents.testing import ScriptedServer

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


def test_nothing_answers():
    with pytest.raises(ConfigurationError, match="is it up"):
        check_endpoint("m", "http://127.0.0.1:9/v1")
