"""What a vLLM server gives is kept, and what it leaves out is said."""

from __future__ import annotations

import asyncio
import copy
import time

import pytest
from langchain_core.messages import HumanMessage
from langchain_tests.unit_tests import ChatModelUnitTests

from scripted_server import REPLY, VllmServer, completion
from tracer1_agents import create_tracer1_agent
from tracer1_agents.blobs import BlobStore
from tracer1_agents.errors import ConfigurationError, MissingExtraError, PlannerError
from tracer1_agents.planner.policy import ChatModelPolicy
from tracer1_agents.planner.prompt import Message
from tracer1_agents.planner.retries import Retries
from tracer1_agents.serving import vllm
from tracer1_agents.serving.vllm import VllmChatModel
from tracer1_agents.types import ImageRef

pytest.importorskip("openai", reason="openai is not installed (extra agents)")
pytestmark = pytest.mark.enable_socket

HELLO = [Message("user", [{"type": "text", "text": "hello"}])]
QUICK = Retries(attempts=3, first_wait=0.001, timeout=20)
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc0000003010100c9fe92ef"
    "0000000049454e44ae426082"
)


@pytest.fixture
def server():
    scripted = VllmServer()
    yield scripted
    scripted.close()


def model_of(server, **options):
    return VllmChatModel(model="tracer1-test", base_url=server.url, **options)


class TestVllmChatModelStandard(ChatModelUnitTests):
    @property
    def chat_model_class(self):
        return VllmChatModel

    @property
    def chat_model_params(self):
        return {"model": "tracer1-test", "base_url": "http://127.0.0.1:9/v1"}

    @property
    def init_from_env_params(self):
        return {"VLLM_API_KEY": "of-the-environment"}, self.chat_model_params, {"api_key": "of-the-environment"}


class TestWhatIsAsked:
    def test_the_request(self, server):
        model_of(server, temperature=0.5, max_tokens=9, seed=2**64 + 5, stop=["END"]).invoke("hello", stop=["\n\n"])
        body, _ = server.asked[0]
        assert body == {
            "model": "tracer1-test",
            "messages": [{"role": "user", "content": "hello"}],
            "temperature": 0.5,
            "max_tokens": 9,
            "seed": 5,
            "stop": ["END", "\n\n"],
            "top_p": 1.0,
            "top_k": 0,
            "min_p": 0.0,
            "repetition_penalty": 1.0,
            "logprobs": True,
            "return_token_ids": True,
        }

    def test_call_options_and_further_fields_win_but_never_over_what_is_checked(self, server):
        model = model_of(server, extra_body={"top_k": 20, "logprobs": False})
        model.invoke("hello", temperature=0.7, seed=3)
        body, _ = server.asked[0]
        assert (body["top_k"], body["temperature"], body["seed"], body["logprobs"]) == (20, 0.7, 3, True)

    def test_keys_of_hosted_services_stay_here(self, server, monkeypatch):
        monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
        monkeypatch.setenv("VLLM_API_KEY", "local-key")
        model_of(server).invoke("hello")
        monkeypatch.delenv("VLLM_API_KEY")
        model_of(server).invoke("hello")
        sent = [{name.lower(): value for name, value in headers.items()} for _, headers in server.asked]
        assert [headers["authorization"] for headers in sent] == ["Bearer local-key", "Bearer none"]

    def test_pictures_are_data_urls_of_the_user(self, server, tmp_path):
        blobs = BlobStore(tmp_path)
        ref = ImageRef(ref=blobs.put(PIXEL), width=1, height=1)
        picture = Message("user", [{"type": "image", "ref": ref}, {"type": "text", "text": "what is it?"}])
        ChatModelPolicy(model_of(server), blobs=blobs).sample([picture], horizon=1)
        (message,) = server.asked[0][0]["messages"]
        assert message["role"] == "user"
        assert [part["type"] for part in message["content"]] == ["image_url", "text"]
        assert message["content"][0]["image_url"]["url"].startswith("data:image/png;base64,iVBORw0KGgo")


class TestWhatIsKept:
    @pytest.mark.parametrize("drive", ["sync", "async"])
    def test_ids_and_logprobs(self, server, drive):
        model = model_of(server)
        message = model.invoke("hello") if drive == "sync" else asyncio.run(model.ainvoke("hello"))
        ids = [ord(character) for character in REPLY]
        assert message.text == REPLY
        assert message.response_metadata["prompt_token_ids"] == [1, 2, 3]
        assert message.response_metadata["token_ids"] == ids
        assert message.response_metadata["token_logprobs"] == [-one / 1000 for one in ids]
        assert message.usage_metadata == {"input_tokens": 3, "output_tokens": len(ids), "total_tokens": 3 + len(ids)}

    def test_the_policy_reads_them(self, server):
        server.script = [completion(finish_reason="length")]
        reply = ChatModelPolicy(model_of(server)).sample(HELLO, horizon=1)
        assert (reply.prompt_ids, reply.completion_ids) == ((1, 2, 3), tuple(map(ord, REPLY)))
        assert len(reply.logprobs) == len(reply.completion_ids)
        assert reply.truncated

    @pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
    def test_a_thought_that_the_server_kept_apart(self, server, name):
        server.script = [completion(message={"role": "assistant", "content": REPLY, name: "let me see"})]
        assert ChatModelPolicy(model_of(server)).sample(HELLO, horizon=1).reasoning == "let me see"

    def test_several_replies(self, server):
        both = completion()
        both["choices"] += completion("other")["choices"]
        server.script = [both]
        (replies,) = model_of(server).generate([[HumanMessage("hello")]], n=2).generations
        assert [reply.text for reply in replies] == [REPLY, "other"]

    def test_one_event_loop_after_another(self, server):
        model = model_of(server)
        copied = model.model_copy(update={"seed": 1})
        assert [asyncio.run(one.ainvoke("hello")).text for one in (model, model, copied)] == [REPLY] * 3

    def test_nothing_is_streamed_in_pieces_without_ids(self, server):
        (chunk, *rest) = [one for one in model_of(server).stream("hello") if one.text]
        assert (chunk.text, rest) == (REPLY, [])
        assert chunk.response_metadata["token_ids"]


def without(name):
    answer = completion()
    answer.pop(name)
    return answer


LACKS = [
    (completion(logprobs=None), "answered without `logprobs`: it ignores what it was asked for; use a vLLM server"),
    (completion(logprobs={"content": None}), "without `logprobs`"),
    (completion(token_ids=None), "without `token_ids`: it is too old, or not vLLM"),
    (without("prompt_token_ids"), "without `prompt_token_ids`: it is too old, or not vLLM"),
    (completion(token_ids=[1, 2]), f"for each token: 2 token ids, {len(REPLY)} log-probabilities"),
    (completion(message=None), "without `message`"),
    ({**completion(), "choices": []}, "asked for n = 1, got 0"),
    ({"detail": "hi"}, "without `choices`: .*ending in /v1"),
    ("<html>welcome</html>", "without `choices`: '<html>welcome"),
]


class TestWhatIsMissing:
    @pytest.mark.parametrize(("answer", "message"), LACKS)
    @pytest.mark.parametrize("drive", ["sync", "async"])
    def test_is_said(self, server, answer, message, drive):
        server.script = [answer]
        with pytest.raises(PlannerError, match=message):
            model_of(server).invoke("x") if drive == "sync" else asyncio.run(model_of(server).ainvoke("x"))

    def test_fewer_replies_than_asked_for(self, server):
        with pytest.raises(PlannerError, match="asked for n = 2, got 1"):
            model_of(server).invoke("hello", n=2)

    def test_a_form_that_was_ignored(self, server):
        with pytest.raises(PlannerError, match="`response_format`: it ignores it"):
            model_of(server).invoke("hello", response_format={"type": "json_object"})
        server.script = [completion('{"a": 1}')]
        assert model_of(server).invoke("hello", response_format={"type": "json_object"}).text == '{"a": 1}'

    def test_the_policy_does_not_ask_again_for_what_will_not_come(self, server):
        server.script = [completion(token_ids=None)]
        with pytest.raises(PlannerError, match=r"^the server at http://127.0.0.1:\d+/v1 answered without `token_ids`"):
            ChatModelPolicy(model_of(server), retries=QUICK).sample(HELLO, horizon=1)
        assert len(server.asked) == 1


class TestBusyServers:
    @pytest.mark.parametrize("trouble", [[429, 500], ["drop", 503], ["drop", "drop"]])
    @pytest.mark.parametrize("drive", ["sync", "async"])
    def test_are_asked_again(self, server, trouble, drive):
        server.script = [*trouble, completion()]
        policy = ChatModelPolicy(model_of(server), retries=QUICK)
        ask = {"sync": lambda: policy.sample(HELLO, horizon=1), "async": lambda: asyncio.run(again())}

        async def again():
            return await policy.asample(HELLO, horizon=1)

        assert ask[drive]().text == REPLY
        assert len(server.asked) == 3

    def test_slow_ones_are_given_up(self, server):
        server.script = [(1.0, completion())]
        began = time.monotonic()
        retries = Retries(attempts=2, first_wait=0.001)
        with pytest.raises(PlannerError, match=r"tracer1-test at http.* after 2 attempts: APITimeoutError"):
            ChatModelPolicy(model_of(server, timeout=0.1), retries=retries).sample(HELLO, horizon=1)
        assert time.monotonic() - began < 1.0

    def test_slow_but_there(self, server):
        server.script = [(0.2, completion())]
        assert model_of(server).invoke("hello").text == REPLY

    def test_a_refusal_is_final(self, server):
        server.script = [400]
        with pytest.raises(PlannerError, match="refused the request"):
            ChatModelPolicy(model_of(server), retries=QUICK).sample(HELLO, horizon=1)
        assert len(server.asked) == 1


class TestCheckServer:
    def test_a_good_one(self, server):
        assert model_of(server).check_server() == "0.22.1"
        assert server.asked[0][0]["max_tokens"] == 1
        del server.pages["/version"]
        assert model_of(server).check_server() == "unknown"

    @pytest.mark.parametrize(("answer", "message"), LACKS)
    def test_one_that_leaves_something_out(self, server, answer, message):
        server.script = [answer]
        with pytest.raises(ConfigurationError, match=message):
            model_of(server).check_server()

    def test_another_model(self, server):
        other = VllmChatModel(model="qwen", base_url=server.url)
        with pytest.raises(ConfigurationError, match="does not serve 'qwen'; it serves tracer1-test"):
            other.check_server()

    def test_refused(self, server):
        server.script = [400]
        with pytest.raises(ConfigurationError, match="refused a test request: BadRequestError"):
            model_of(server).check_server()

    def test_something_else_is_there(self, server):
        server.pages.clear()
        with pytest.raises(ConfigurationError, match=r"lists no models; .*ending in /v1"):
            model_of(server).check_server()

    def test_nothing_is_there(self, server):
        model = model_of(server)
        server.close()
        with pytest.raises(ConfigurationError, match=r"no vLLM server answers at http.*; is it up\?"):
            model.check_server()


class TestAsPlanner:
    @pytest.mark.parametrize("drive", ["sync", "async"])
    def test_an_agent_answers(self, server, drive):
        agent = create_tracer1_agent(model_of(server), retries=QUICK)
        task = {"instruction": "What is it?"}
        result = agent.invoke(task) if drive == "sync" else asyncio.run(agent.ainvoke(task))
        assert (result["status"], result["answer"]) == ("finished", "42")
        assert agent.nodes["plan"].bound.settings.profile.name == "compact"  # the model's name says tracer1

    @pytest.mark.parametrize(
        ("name", "profile"),
        [("UI-TARS-1.5-7B", "ui-tars-1.5"), ("Qwen/Qwen3-VL-8B-Thinking", "qwen-tool-call"), ("llama", "generic")],
    )
    def test_the_profile_is_guessed_by_the_served_name(self, name, profile):
        agent = create_tracer1_agent(VllmChatModel(model=name, base_url="http://127.0.0.1:9/v1"))
        assert agent.nodes["plan"].bound.settings.profile.name == profile

    def test_asked_again_it_samples(self, server):
        server.script = [completion("what?"), completion()]
        result = create_tracer1_agent(model_of(server)).invoke({"instruction": "x"})
        assert result["status"] == "finished"
        first, second = (body for body, _ in server.asked)
        assert (first["temperature"], second["temperature"], second["seed"]) == (0.0, 0.7, 1)

    def test_a_server_that_leaves_something_out_is_a_status(self, server):
        server.script = [completion(logprobs=None)]
        result = create_tracer1_agent(model_of(server)).invoke({"instruction": "x"})
        assert result["status"] == "model_error"
        assert "answered without `logprobs`" in result["detail"]


def test_everything_that_decides_a_reply_is_in_the_cache_key_and_the_key_is_not():
    one = VllmChatModel(model="m", base_url="http://127.0.0.1:9/v1", api_key="hidden")
    other = one.model_copy(update={"seed": 2})
    assert one._get_llm_string() != other._get_llm_string()
    assert "hidden" not in one._get_llm_string() + repr(one)
    assert copy.deepcopy(one).base_url == one.base_url


def test_without_the_client_library(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "openai", None)
    with pytest.raises(MissingExtraError, match=r'extra "agents"'):
        vllm.VllmChatModel(model="m", base_url="http://127.0.0.1:9/v1").invoke("x")
