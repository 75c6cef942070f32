"""A checkpoint folder as a LangChain chat model, and as the planner of an agent."""

from __future__ import annotations

import asyncio
import shutil
import time

import pytest
from langchain_core.messages import HumanMessage
from langchain_tests.unit_tests import ChatModelUnitTests

from tracer1_agents import LocalChatModel, create_tracer1_agent
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.planner.policy import ChatModelPolicy
from tracer1_agents.planner.prompt import Message
from tracer1_agents.serving.local import load_batcher, verify_checksums
from tracer1_agents.testing import ScriptedModel

HELLO = [Message("user", [{"type": "text", "text": "hello"}])]


@pytest.mark.torch
class TestLocalChatModelStandard(ChatModelUnitTests):
    @pytest.fixture(autouse=True)
    def _folder(self, checkpoint):
        type(self).folder = str(checkpoint)

    @property
    def chat_model_class(self):
        return LocalChatModel

    @property
    def chat_model_params(self):
        return {"model": getattr(self, "folder", "tracer1-tiny")}


class TestScriptedModelStandard(ChatModelUnitTests):
    @property
    def chat_model_class(self):
        return ScriptedModel

    @property
    def chat_model_params(self):
        return {"script": ["hello"]}


@pytest.mark.torch
class TestReplies:
    def test_carry_ids_and_logprobs(self, checkpoint):
        message = LocalChatModel(model=str(checkpoint), max_tokens=9, temperature=1.0).invoke("hello")
        metadata = message.response_metadata
        assert len(metadata["token_ids"]) == len(metadata["token_logprobs"]) == message.usage_metadata["output_tokens"]
        assert len(metadata["prompt_token_ids"]) == message.usage_metadata["input_tokens"]
        assert all(logprob <= 0 for logprob in metadata["token_logprobs"])
        reply = ChatModelPolicy(LocalChatModel(model=str(checkpoint), max_tokens=9)).sample(HELLO, horizon=1)
        assert len(reply.completion_ids) == len(reply.logprobs) == reply.usage.output_tokens

    def test_seeds_and_call_options(self, checkpoint):
        model = LocalChatModel(model=str(checkpoint), max_tokens=12, temperature=1.0, seed=3)
        assert model.invoke("hello").text == model.invoke("hello").text
        ids = {tuple(model.invoke("hello", seed=seed).response_metadata["token_ids"]) for seed in range(5)}
        assert len(ids) > 1
        assert model.invoke("hello", max_tokens=2).usage_metadata["output_tokens"] <= 2
        greedy = {tuple(model.invoke("hi", temperature=0.0, seed=s).response_metadata["token_ids"]) for s in range(3)}
        assert len(greedy) == 1

    def test_sync_equals_async(self, checkpoint):
        model = LocalChatModel(model=str(checkpoint), max_tokens=12, temperature=1.0, seed=8)
        assert asyncio.run(model.ainvoke("hello")).text == model.invoke("hello").text

    def test_stop_texts_are_cut_off(self, checkpoint):
        whole = LocalChatModel(model=str(checkpoint), max_tokens=12).invoke("hello").text
        mark = whole[len(whole) // 2]
        assert (
            LocalChatModel(model=str(checkpoint), max_tokens=12).invoke("hello", stop=[mark]).text
            == (whole.split(mark)[0])
        )

    def test_models_of_one_folder_share_an_engine(self, checkpoint):
        one, other = (
            LocalChatModel(model=str(checkpoint)),
            LocalChatModel(model=str(checkpoint / "..") + "/tracer1-test"),
        )
        assert one.batcher is other.batcher

    def test_concurrent_calls_share_batches(self, checkpoint):
        async def together():
            model = LocalChatModel(model=str(checkpoint), max_tokens=8)
            before = model.batcher.batches, model.batcher.rows
            await asyncio.gather(*[model.ainvoke(f"question {k}") for k in range(12)])
            return model.batcher.batches - before[0], model.batcher.rows - before[1]

        batches, rows = asyncio.run(together())
        assert rows == 12
        assert batches <= 4

    def test_images_are_refused(self, checkpoint):
        picture = HumanMessage([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}])
        with pytest.raises(ConfigurationError, match="given image_url content; use a prompt profile without images"):
            LocalChatModel(model=str(checkpoint)).invoke([picture])

    def test_everything_that_decides_a_reply_is_in_the_cache_key(self, checkpoint):
        one = LocalChatModel(model=str(checkpoint), temperature=1.0, seed=1)
        other = LocalChatModel(model=str(checkpoint), temperature=1.0, seed=2)
        assert one._get_llm_string() != other._get_llm_string()


@pytest.mark.torch
class TestAsPlanner:
    def test_a_folder_is_a_model(self, checkpoint):
        settings = create_tracer1_agent(checkpoint).nodes["plan"].bound.settings
        assert settings.policy.model == LocalChatModel(model=str(checkpoint))
        assert settings.profile.name == "compact"  # the folder's name says tracer1

    def test_random_weights_write_no_action(self, checkpoint):
        agent = create_tracer1_agent(LocalChatModel(model=str(checkpoint), max_tokens=12), max_reasks=1)
        result = agent.invoke({"instruction": "What is it?"})
        assert (result["status"], result["planner_calls"]) == ("parse_error", 2)
        assert result["usage"]["output_tokens"] <= 24

    def test_a_prompt_that_does_not_fit_is_a_status(self, checkpoint):
        result = create_tracer1_agent(checkpoint, profile="compact").invoke({"instruction": "word " * 2_000})
        assert result["status"] == "model_error"
        assert "a prompt needs 1 to 511 tokens" in result["detail"]

    def test_stopped_early_only_in_dialects_of_one_line_a_pair(self, checkpoint):
        compact = create_tracer1_agent(checkpoint, profile="compact").nodes["plan"].bound.settings.policy
        generic = create_tracer1_agent(checkpoint, profile="generic").nodes["plan"].bound.settings.policy
        assert compact._prepare(HELLO, 5, 0)[1] == {"stop_lines": 5}
        assert generic._prepare(HELLO, 5, 0)[1] == {}
        assert create_tracer1_agent(ScriptedModel(script=["x"]), profile="compact")

    def test_cancelling_a_run_frees_the_engine(self, checkpoint):
        async def cancelled():
            agent = create_tracer1_agent(
                LocalChatModel(model=str(checkpoint), max_tokens=450, temperature=3.0, seed=1), profile="compact"
            )
            model = LocalChatModel(model=str(checkpoint), max_tokens=2)
            await model.ainvoke("warm up")
            run = asyncio.create_task(agent.ainvoke({"instruction": "x"}))
            await asyncio.sleep(0.1)
            run.cancel()
            await asyncio.gather(run, return_exceptions=True)
            began = time.perf_counter()
            await model.ainvoke("hello")
            return run.cancelled(), time.perf_counter() - began

        was_cancelled, seconds = asyncio.run(cancelled())
        assert was_cancelled
        assert seconds < 5.0


@pytest.mark.torch
class TestFolders:
    def test_checksums(self, checkpoint, tmp_path):
        folder = tmp_path / "copy"
        shutil.copytree(checkpoint, folder)
        verify_checksums(folder)
        config = folder / "config.json"
        config.write_text(config.read_text().replace("qwen3", "qwen4"))
        with pytest.raises(ConfigurationError, match=r"config.json does not match its checksum"):
            load_batcher(str(folder))
        config.unlink()
        with pytest.raises(ConfigurationError, match="holds no transformers checkpoint"):
            load_batcher(str(folder))

    def test_a_listed_file_is_missing(self, checkpoint, tmp_path):
        folder = tmp_path / "copy"
        shutil.copytree(checkpoint, folder)
        (folder / "tokenizer.json").unlink()
        with pytest.raises(ConfigurationError, match=r"tokenizer.json does not match its checksum \(missing instead"):
            verify_checksums(folder)

    def test_nothing_there(self, tmp_path):
        with pytest.raises(ConfigurationError, match=r"no config.json\); give a folder made by save_pretrained"):
            load_batcher(str(tmp_path))

    def test_broken_weights(self, checkpoint, tmp_path):
        folder = tmp_path / "copy"
        shutil.copytree(checkpoint, folder)
        (folder / "SHA256SUMS").unlink()
        (folder / "model.safetensors").write_bytes(b"nonsense")
        with pytest.raises(ConfigurationError, match="cannot be loaded as a language model"):
            load_batcher(str(folder))

    def test_unknown_dtype(self, checkpoint):
        with pytest.raises(ConfigurationError, match=r"dtype must be the name of a torch type .* got 'float7'"):
            load_batcher(str(checkpoint), dtype="float7")
