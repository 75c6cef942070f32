"""Each row of a batch is sampled as if it were alone."""

from __future__ import annotations

import random
import threading

import pytest

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def engine(tiny):
    from tracer1_agents.serving.engine import SamplingEngine  # noqa: PLC0415

    return SamplingEngine(*tiny)


@pytest.fixture(scope="module")
def ask(tiny):
    """Makes requests: prompt of `length` random ids, plus options."""
    from tracer1_agents.serving.sampling import SampleRequest  # noqa: PLC0415

    def make(length=12, *, prompt_seed=0, **options):
        rng = random.Random(prompt_seed)
        ids = tuple(rng.randrange(3, 300) for _ in range(length))
        return SampleRequest(ids, **{"max_new_tokens": 16, **options})

    return make


def argmax_loop(model, prompt_ids, count, eos):
    """Greedy decoding without cache, mask or batch."""
    import torch  # noqa: PLC0415

    ids = list(prompt_ids)
    with torch.no_grad():
        for _ in range(count):
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
            if ids[-1] == eos:
                break
    return tuple(ids[len(prompt_ids) :])


class TestGreedy:
    def test_equals_a_hand_written_loop(self, engine, tiny, ask):
        model, tokenizer = tiny
        requests = [ask(length, prompt_seed=length) for length in (1, 5, 12, 40, 77)]
        for request, sample in zip(requests, engine.sample(requests), strict=True):
            assert sample.completion_ids == argmax_loop(model, request.prompt_ids, 16, tokenizer.eos_token_id)
            assert sample.prompt_ids == request.prompt_ids

    def test_seed_does_not_matter(self, engine, ask):
        one, other = engine.sample([ask(seed=1), ask(seed=2)])
        assert one.completion_ids == other.completion_ids


class TestSeeded:
    def test_the_same_text_whatever_the_batch(self, engine, ask):
        wanted = ask(20, prompt_seed=5, temperature=1.0, seed=77)
        alone = engine.sample([wanted])[0]
        rng = random.Random(3)
        for size in (2, 5, 9):
            others = [
                ask(rng.randint(1, 90), prompt_seed=k, temperature=rng.choice((0.0, 0.7, 1.3)), seed=k,
                    max_new_tokens=rng.randint(1, 24))
                for k in range(size)
            ]  # fmt: skip
            at = rng.randint(0, size)
            batch = [*others[:at], wanted, *others[at:]]
            sample = engine.sample(batch)[at]
            assert sample.completion_ids == alone.completion_ids
            assert sample.text == alone.text
            assert sample.logprobs == pytest.approx(alone.logprobs, abs=1e-4)

    def test_the_same_text_whenever_a_row_joins(self, engine, ask):
        rng = random.Random(11)
        requests = [
            ask(rng.randint(1, 120), prompt_seed=k, temperature=rng.choice((0.0, 1.0)), seed=k,
                max_new_tokens=rng.randint(1, 40))
            for k in range(24)
        ]  # fmt: skip
        alone = [engine.sample([request])[0] for request in requests]
        rows, left = [], list(requests)
        while left or engine.busy:
            newcomers = rng.choice((0, 0, 1, 2, 3))
            rows += engine.admit(left[:newcomers])
            left = left[newcomers:]
            if engine.busy:
                engine.step()
        samples = [row.sample(engine.tokenizer) for row in rows]
        assert [sample.completion_ids for sample in samples] == [sample.completion_ids for sample in alone]
        assert [sample.finish_reason for sample in samples] == [sample.finish_reason for sample in alone]
        for sample, wanted in zip(samples, alone, strict=True):
            assert sample.logprobs == pytest.approx(wanted.logprobs, abs=1e-4)

    def test_seeds_decide(self, engine, ask):
        samples = engine.sample([ask(temperature=1.0, seed=seed) for seed in (1, 2, 1, 2**70, -1)])
        assert samples[0].completion_ids == samples[2].completion_ids != samples[1].completion_ids

    def test_draws_follow_the_probabilities(self, engine, tiny, ask):
        import torch  # noqa: PLC0415

        request = ask(8, prompt_seed=1)
        with torch.no_grad():
            probabilities = tiny[0](torch.tensor([request.prompt_ids])).logits[0, -1].softmax(-1)
        likeliest = int(probabilities.argmax())
        draws = [
            sample.completion_ids[0]
            for batch in range(4)
            for sample in engine.sample(
                [ask(8, prompt_seed=1, temperature=1.0, seed=64 * batch + k, max_new_tokens=1) for k in range(64)]
            )
        ]
        expected = float(probabilities[likeliest])
        spread = 4 * (expected * (1 - expected) / len(draws)) ** 0.5
        assert abs(draws.count(likeliest) / len(draws) - expected) <= spread


class TestLogprobs:
    @pytest.mark.parametrize("temperature", [0.0, 0.6, 1.0])
    def test_equal_a_teacher_forced_forward(self, engine, tiny, ask, temperature):
        import torch  # noqa: PLC0415

        requests = [ask(length, prompt_seed=length, temperature=temperature, seed=length) for length in (3, 30, 60)]
        for sample in engine.sample(requests):
            ids = torch.tensor([[*sample.prompt_ids, *sample.completion_ids]])
            with torch.no_grad():
                logits = tiny[0](ids).logits[0].float() / (temperature or 1.0)
            start = len(sample.prompt_ids) - 1
            wanted = logits.log_softmax(-1)[start:-1].gather(1, ids[0, start + 1 :, None])[:, 0]
            assert sample.logprobs == pytest.approx(wanted.tolist(), abs=1e-4)
            assert len(sample.logprobs) == len(sample.completion_ids)


class TestLimits:
    def test_tokens_of_each_row(self, engine, ask):
        wanted = (1, 7, 16)
        samples = engine.sample([ask(max_new_tokens=count) for count in wanted])
        for sample, count in zip(samples, wanted, strict=True):
            assert len(sample.completion_ids) == count or sample.finish_reason == "stop"
            assert sample.completion_ids == samples[-1].completion_ids[:count]

    def test_positions_of_the_model(self, engine, ask, scripted_engine):
        samples = scripted_engine("x" * 100).sample([ask(511, max_new_tokens=9), ask(505, max_new_tokens=9)])
        assert [len(sample.completion_ids) for sample in samples] == [1, 7]

    def test_lines_of_each_row(self, engine, ask, scripted_engine):
        text = 'a() # "x"\n\nb() # "y"\nc() # "z"\n'
        engine = scripted_engine(text)
        samples = engine.sample([ask(stop_lines=lines, max_new_tokens=60) for lines in (1, 2, 3, None)])
        assert [sample.text for sample in samples] == [
            'a() # "x"\n',
            'a() # "x"\n\nb() # "y"\n',
            text,
            text,
        ]
        assert {sample.finish_reason for sample in samples} == {"stop"}

    def test_a_leading_empty_line_is_no_line(self, ask, scripted_engine):
        sample = scripted_engine("\n \na()\nb()\n").sample([ask(stop_lines=1, max_new_tokens=60)])[0]
        assert sample.text == "\n \na()\n"

    @pytest.mark.parametrize(
        "aside", ['# "a table"\n', "<think>first, then</think>\n", "<think>click</think>"]
    )  # its marks are several tokens here
    def test_asides_are_no_lines(self, ask, scripted_engine, aside):
        sample = scripted_engine(f"{aside}a()\nb()\nc()\n").sample([ask(stop_lines=2, max_new_tokens=90)])[0]
        assert sample.text.startswith(f"{aside}a()\nb()\n")

    def test_lines_of_a_thought_are_none(self, ask, tiny):
        from tracer1_agents.serving.sampling import Row, Vocabulary  # noqa: PLC0415

        names = {"<think>": 1, "</think>": 2, "\n": 3, "word": 4}
        vocabulary = Vocabulary(
            eos=frozenset({0}),
            newline=frozenset({3}),
            blank=frozenset({3}),
            thought_opens=frozenset({1}),
            thought_closes=frozenset({2}),
            asides=frozenset({1, 2}),
        )
        for text in ("<think> \n word \n word \n </think> \n \n", "<think> word </think> \n", "<think> word </think>"):
            row = Row(ask(stop_lines=2, max_new_tokens=60), vocabulary, 512)
            for name in [*text.split(" "), "word", "\n", "word"]:
                row.take(names[name], 0.0)
            assert row.finish_reason == ""
            row.take(names["\n"], 0.0)
            assert row.finish_reason == "stop"

    def test_end_of_turn_is_kept_in_the_ids_and_not_in_the_text(self, ask, scripted_engine, tiny):
        sample = scripted_engine("ab").sample([ask(max_new_tokens=60)])[0]
        assert sample.text == "ab"
        assert sample.completion_ids[-1] == tiny[1].eos_token_id
        assert sample.finish_reason == "stop"

    def test_cancelled_rows_end_while_others_go_on(self, engine, ask):
        gone = ask(max_new_tokens=16)
        gone.cancelled.set()
        cancelled, other = engine.sample([gone, ask(20, prompt_seed=4)])
        assert (cancelled.finish_reason, len(cancelled.completion_ids)) == ("cancelled", 1)
        assert other.completion_ids == engine.sample([ask(20, prompt_seed=4)])[0].completion_ids

    @pytest.mark.parametrize(("length", "options"), [(0, {}), (512, {}), (5, {"max_new_tokens": 0})])
    def test_refused(self, engine, ask, length, options):
        with pytest.raises(ValueError, match=r"a prompt needs 1 to 511 tokens, got|max_new_tokens must be at least 1"):
            engine.sample([ask(length, **options)])

    def test_threads_take_turns(self, engine, ask):
        alone = engine.sample([ask(30, prompt_seed=9)])[0]
        results = []
        threads = [
            threading.Thread(target=lambda: results.append(engine.sample([ask(30, prompt_seed=9)])[0]))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {sample.completion_ids for sample in results} == {alone.completion_ids}


@pytest.fixture
def scripted_engine(tiny):
    """An engine whose model writes a given text and then ends its turn."""
    import torch  # noqa: PLC0415

    from tracer1_agents.serving.engine import SamplingEngine  # noqa: PLC0415

    model, tokenizer = tiny
    handles = []

    def make(text):
        ids = [*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        said = 0

        def speak(module, inputs, output):
            nonlocal said
            scores = torch.zeros_like(output)
            scores[..., ids[min(said, len(ids) - 1)]] = 50.0
            said += 1
            return scores

        handles.append(model.lm_head.register_forward_hook(speak))
        return SamplingEngine(model, tokenizer)

    yield make
    for handle in handles:
        handle.remove()
