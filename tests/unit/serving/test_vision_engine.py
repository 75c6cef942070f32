"""Prompts with pictures, sampled as `generate` samples each of them alone."""

from __future__ import annotations

import random

import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("PIL", reason="Pillow is not installed")

import torch
from PIL import Image

from tracer1_agents.errors import ConfigurationError
from tracer1_agents.serving.chat import ChatEncoder
from tracer1_agents.serving.engine import SampleRequest, SamplingEngine
from tracer1_agents.training.vision_model import VisionModelConfig, build_vision_planner

pytestmark = pytest.mark.torch
SIZES = [(64, 48), (32, 128), (96, 96)]


def picture(size, seed=0):
    return Image.frombytes("RGB", size, random.Random(seed).randbytes(3 * size[0] * size[1]))


def chat(text, *pictures):
    if not pictures:
        return [{"role": "system", "content": "Say what comes next."}, {"role": "user", "content": text}]
    parts = [{"type": "image", "image": shown} for shown in pictures]
    return [{"role": "user", "content": [*parts, {"type": "text", "text": text}]}]


def conversations():
    """Pictures of several sizes, two in one prompt, one asked two things, and text between them."""
    a, b, c = (picture(size, seed) for seed, size in enumerate(SIZES))
    return [
        chat("Go", a),
        chat("no picture here, only a longer line of words"),
        chat("a longer question about another screen", b),
        chat("both", c, a),
        chat("x"),
        chat("again", a),
    ]


@pytest.fixture(scope="module")
def planner():
    torch.set_num_threads(1)
    planner = build_vision_planner(VisionModelConfig(hidden_size=32, heads=2, key_value_heads=1, mlp_size=64))
    with torch.no_grad():
        for name, parameter in planner.model.named_parameters():  # louder: replies follow the prompt and the picture
            if parameter.ndim == 2 and "visual" not in name:
                parameter.mul_(6.0)
    planner.model.eval()
    return planner


@pytest.fixture
def engine(planner):
    return SamplingEngine(planner.model, planner.processor)


def asked(engine, conversation, **options):
    prompt = engine.encode_chat(conversation)
    return SampleRequest(prompt.ids, pictures=prompt.pictures, **options)


def generated(planner, conversation, tokens):
    """Greedy ids with log-probabilities, by transformers, one prompt in its batch."""
    options = {"tokenize": True, "return_dict": True, "return_tensors": "pt", "add_generation_prompt": True}
    inputs = planner.processor.apply_chat_template(conversation, **options)
    config = planner.model.config
    output = planner.model.generate(
        **inputs,
        max_new_tokens=tokens,
        do_sample=False,
        suppress_tokens=[config.image_token_id, config.video_token_id],
        return_dict_in_generate=True,
        output_logits=True,
    )
    ids = output.sequences[0, inputs["input_ids"].shape[1] :].tolist()
    logprobs = [float(logits[0].log_softmax(-1)[token]) for logits, token in zip(output.logits, ids, strict=True)]
    return ids, logprobs


class TestGreedy:
    def test_equals_generate(self, engine, planner):
        lengths = [12, 3, 8, 12, 5, 1]
        asks = conversations()
        requests = [asked(engine, one, max_new_tokens=count) for one, count in zip(asks, lengths, strict=True)]
        samples = engine.sample(requests)
        for one, count, sample in zip(asks, lengths, samples, strict=True):
            ids, logprobs = generated(planner, one, count)
            assert list(sample.completion_ids) == ids
            assert sample.logprobs == pytest.approx(logprobs, abs=1e-5)
        assert len({sample.completion_ids[:3] for sample in samples}) > 3  # they do not all say the same

    def test_the_picture_decides(self, engine):
        one, other = engine.sample([asked(engine, chat("Go", picture((64, 64), seed))) for seed in (1, 2)])
        assert one.prompt_ids == other.prompt_ids
        assert one.logprobs != pytest.approx(other.logprobs, abs=1e-3)

    def test_rows_join_and_leave_between_tokens(self, engine, planner):
        """A row's shift stays its own when others come before it in the batch, or go."""
        asks = conversations() * 2
        order = random.Random(1)
        order.shuffle(asks)
        lengths = [order.randint(1, 12) for _ in asks]
        left = [asked(engine, one, max_new_tokens=count) for one, count in zip(asks, lengths, strict=True)]
        rows = []
        while left or engine.busy:
            newcomers = order.choice((0, 1, 2, 3))
            rows += engine.admit(left[:newcomers])
            left = left[newcomers:]
            if engine.busy:
                engine.step()
        for one, count, row in zip(asks, lengths, rows, strict=True):
            ids, logprobs = generated(planner, one, count)
            assert row.ids == ids
            assert row.logprobs == pytest.approx(logprobs, abs=1e-5)

    def test_a_training_pass_in_between_changes_nothing(self, engine, planner):
        """The model remembers the shifts of its latest call; the engine must not."""
        request = asked(engine, chat("Go", picture((96, 64))), max_new_tokens=8)
        alone = engine.sample([request])[0]
        rows = engine.admit([request])
        while engine.busy:
            other = planner.processor.apply_chat_template(
                chat("other", picture((32, 128))), tokenize=True, return_dict=True, return_tensors="pt"
            )
            planner.model(**other)
            engine.step()
        assert rows[0].ids == list(alone.completion_ids)
        assert rows[0].logprobs == pytest.approx(alone.logprobs, abs=1e-5)


def test_logprobs_of_draws_are_those_of_a_forward_pass(engine, planner):
    for temperature in (0.7, 1.0):
        asks = conversations()[:4]
        requests = [asked(engine, one, temperature=temperature, seed=3, max_new_tokens=10) for one in asks]
        for request, sample in zip(requests, engine.sample(requests), strict=True):
            ids = torch.tensor([[*sample.prompt_ids, *sample.completion_ids]])
            pictures = {}
            if request.pictures:
                pictures = {"pixel_values": request.pictures.pixel_values, "image_grid_thw": request.pictures.grid}
            kinds = (ids == planner.model.config.image_token_id).int()
            with torch.no_grad():
                logits = planner.model(input_ids=ids, mm_token_type_ids=kinds, **pictures).logits[0] / temperature
            start = len(sample.prompt_ids) - 1
            wanted = logits.log_softmax(-1)[start:-1].gather(1, ids[0, start + 1 :, None])[:, 0]
            assert sample.logprobs == pytest.approx(wanted.tolist(), abs=1e-5)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_image_tokens_are_never_drawn_and_keep_their_probability(engine, planner, temperature):
    config = planner.model.config

    def loud(module, inputs, output):
        output = torch.zeros_like(output)
        output[..., config.image_token_id] = 4.0
        return output

    handle = planner.model.lm_head.register_forward_hook(loud)
    try:
        requests = [asked(engine, chat("x"), temperature=temperature, seed=seed, max_new_tokens=6) for seed in range(4)]
        samples = engine.sample(requests)
    finally:
        handle.remove()
    vocabulary = planner.model.lm_head.weight.shape[0]
    quiet = -float(torch.tensor([4.0] + [0.0] * (vocabulary - 1)).logsumexp(0))  # what each other token has
    for sample in samples:
        assert not {config.image_token_id, config.video_token_id} & set(sample.completion_ids)
        assert sample.logprobs == pytest.approx([quiet] * len(sample.logprobs), abs=1e-5)


def test_equal_prompts_are_looked_at_once(engine, planner):
    seen = []
    handle = planner.model.model.visual.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    try:
        shots = [picture((64, 64), 1), picture((64, 64), 1), picture((64, 64), 2)]
        requests = [asked(engine, chat("Go", shot), temperature=1.0, seed=seed) for seed, shot in enumerate(shots)]
        samples = engine.sample(requests)
    finally:
        handle.remove()
    assert seen == [2 * 16]  # two pictures of 4 x 4 patches
    assert requests[0].pictures is requests[1].pictures
    assert samples[0].completion_ids != samples[1].completion_ids


def test_positions_end_where_the_model_says(planner):
    assert SamplingEngine(planner.model, planner.processor).max_prompt_tokens == 8191


def test_image_tokens_without_their_pictures_are_refused(engine):
    prompt = engine.encode_chat(chat("Go", picture((64, 64))))
    with pytest.raises(ValueError, match="a prompt has 4 image tokens for pictures of 0"):
        engine.sample([SampleRequest(prompt.ids)])
    with pytest.raises(ValueError, match=r"<\|image_pad\|>"):
        engine.sample([asked(engine, chat("a page that says <|image_pad|>"))])


def test_a_text_model_takes_no_pictures(tiny, engine):
    model, tokenizer = tiny
    with pytest.raises(ValueError, match="how a qwen3 places picture tokens is not known here"):
        SamplingEngine(model, tokenizer).check(asked(engine, chat("Go", picture((64, 64)))))
    with pytest.raises(ConfigurationError, match="reads text only"):
        ChatEncoder(tokenizer).encode(chat("Go", picture((8, 8))))
    with pytest.raises(ConfigurationError, match="reads text only"):
        SamplingEngine(model, tokenizer).encode_chat(chat("Go", picture((8, 8))))


def test_a_processor_with_other_outputs_is_refused(planner, monkeypatch):
    encoder = ChatEncoder(planner.processor)
    outputs = {"input_ids": torch.zeros(1, 2), "pixel_values": torch.zeros(1, 3), "tile_counts": [1]}
    monkeypatch.setattr(planner.processor, "apply_chat_template", lambda *_, **__: outputs)
    with pytest.raises(ConfigurationError, match="also gives tile_counts"):
        encoder.encode(chat("Go"))
