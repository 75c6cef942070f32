"""Batches: what is weighed, what is padded, and an order that a resumed run and several processes share."""

from dataclasses import replace
from itertools import count, islice

import pytest

pytest.importorskip("torch", reason="torch is not installed")

from tracer1_agents.actions.coordinates import THOUSAND, Screen
from tracer1_agents.actions.grammars.ui_tars import UiTarsGrammar
from tracer1_agents.data.taskgen.windows import WindowOptions
from tracer1_agents.training.batches import (
    POOL,
    BatchSize,
    batches,
    encode,
    generated_pools,
    generated_rows,
    mixture_pools,
    pad,
)
from tracer1_agents.training.mixture import Mixture
from tracer1_agents.training.rows import PromptOptions, rows_of
from tracer1_agents.training.sampler import MixtureSampler
from tracer1_agents.training.tiny_model import train_tokenizer
from tracer1_agents.types import ReferenceStep, ReferenceTrajectory

pytestmark = pytest.mark.torch


def trajectory(name, steps=3):
    wanted = [ReferenceStep(action={"kind": "open_app", "app_name": name}, instruction=f"open {name}")]
    wanted += [ReferenceStep(action={"kind": "wait"}, instruction="wait a little") for _ in range(steps - 1)]
    return ReferenceTrajectory(id=name, source="s", instruction=f"start {name}", steps=tuple(wanted))


def rows(name="Clock", steps=3):
    return list(rows_of(trajectory(name, steps), PromptOptions(horizon=5, platform="mobile")))


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer([rows()[0].reply], 300)


def weighed(encoded, tokenizer, weight):
    ids, weights = encoded
    return tokenizer.decode([token for token, own in zip(ids, weights, strict=True) if own == weight])


def test_the_first_line_of_a_canonical_reply_weighs_more(tokenizer):
    encoded = encode(rows()[0], tokenizer, 2.0)
    assert weighed(encoded, tokenizer, 2.0) == 'open_app(app_name="Clock") # "open Clock"\n'
    assert weighed(encoded, tokenizer, 1.0) == 'wait() # "wait a little"\nwait() # "wait a little"<|im_end|>'
    assert weighed(encoded, tokenizer, 0.0) == "<|im_start|>user\nTask: start Clock<|im_end|>\n<|im_start|>assistant\n"


def test_a_reply_of_one_pair_weighs_as_the_first_to_its_end(tokenizer):
    encoded = encode(rows(steps=1)[0], tokenizer, 2.0)
    assert weighed(encoded, tokenizer, 2.0) == 'open_app(app_name="Clock") # "open Clock"<|im_end|>'
    assert weighed(encoded, tokenizer, 1.0) == ""


def test_other_grammars_weigh_every_pair_alike(tokenizer):
    row = replace(rows()[0], grammar=UiTarsGrammar(Screen(THOUSAND)))
    assert set(encode(row, tokenizer, 2.0)[1]) == {0.0, 1.0}
    assert weighed(encode(row, tokenizer, 2.0), tokenizer, 1.0) == row.reply + "<|im_end|>"


def test_special_tokens_stand_only_where_the_template_writes_them(tokenizer):
    class Beginning:
        """A tokenizer that begins every text with a token of its own, as many do."""

        eos_token_id, apply_chat_template = tokenizer.eos_token_id, tokenizer.apply_chat_template

        def __call__(self, text, *, add_special_tokens=True):
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
            return {"input_ids": [0, *ids] if add_special_tokens else ids}

    assert encode(rows()[0], Beginning(), 2.0) == encode(rows()[0], tokenizer, 2.0)


def test_padding_has_no_weight():
    batch = pad([([5, 6, 7], [0.0, 2.0, 1.0]), ([8], [1.0])])
    assert batch.ids_BL.tolist() == [[5, 6, 7], [8, 0, 0]]
    assert batch.weights_BL.tolist() == [[0.0, 2.0, 1.0], [1.0, 0.0, 0.0]]


def mixture():
    both = [*rows("Clock"), *rows("Maps", 6)]
    return Mixture(rows=both, sizes=[3, 6], weights=[0.5, 0.5], names=["a", "b"])


def test_pools_of_a_mixture_follow_its_weights_and_start_anywhere():
    both = mixture()
    pools = mixture_pools(both, seed=4)
    first, second = pools(0), pools(1)
    assert len(first) == len(second) == POOL
    assert mixture_pools(both, seed=4)(1) == second
    assert mixture_pools(both, seed=5)(1) != second
    share = sum("Clock" in row.key for row in first) / POOL
    assert 0.4 < share < 0.6  # a third of the rows, half of the draws
    assert {row.key for row in first} == {row.key for row in both.rows}
    order = MixtureSampler(both.sizes, both.weights, group_size=1, groups_per_batch=1, seed=4)
    drawn = islice((both.rows[at] for epoch in count() for at in order.epoch_order(epoch)), 2 * POOL)
    assert [*first, *second] == list(drawn)  # one pool goes on where the last one ended


def test_pools_of_generated_tasks_differ_and_repeat_by_number():
    pools = generated_pools(1, WindowOptions(), ("arithmetic",))
    first, second = ([row.messages for row in pools(number)] for number in (0, 1))
    assert len(first) == POOL
    assert first != second
    assert [row.messages for row in generated_pools(1, WindowOptions(), ("arithmetic",))(1)] == second


def test_generated_rows_are_of_the_families_and_words_that_are_asked_for():
    trained, held_out, one_family = (
        list(islice(generated_rows(1, WindowOptions(), families, split=split), 40))
        for families, split in (((), "train"), ((), "held_out"), (("arithmetic",), "train"))
    )
    assert len({row.key.split("/")[1] for row in trained}) > 1
    assert {row.key.split("/")[1] for row in one_family} == {"arithmetic"}
    assert [row.messages for row in trained] != [row.messages for row in held_out]
    thinking = generated_pools(1, WindowOptions(), ("arithmetic",), thoughts=True)(0)
    assert all(row.reply.startswith("<think>") for row in thinking)


def test_batches_of_a_pool_come_in_an_order_of_its_own(tokenizer):
    def lengths():
        stream = batches(mixture_pools(mixture(), 0), lambda row: encode(row, tokenizer, 2.0), BatchSize(400))
        numbered = [(number, batch.ids_BL.shape[1]) for number, batch in islice(stream, 200)]
        assert [number for number, _ in numbered] == sorted(number for number, _ in numbered)
        assert {number for number, _ in numbered} >= {0, 1}
        return [length for number, length in numbered if number == 0]

    first = lengths()
    assert first not in (sorted(first), sorted(first, reverse=True))
    assert lengths() == first


def test_processes_take_turns_at_the_pools(tokenizer):
    asked = []

    def pools(number):
        asked.append(number)
        return rows()

    stream = batches(pools, lambda row: encode(row, tokenizer, 2.0), BatchSize(10_000), start=1, every=2)
    assert [number for number, _ in islice(stream, 3)] == asked == [1, 3, 5]


def test_a_batch_holds_no_more_tokens_than_asked(tokenizer):
    stream = batches(mixture_pools(mixture(), 0), lambda row: encode(row, tokenizer, 2.0), BatchSize(400))
    for _, batch in islice(stream, 20):
        assert batch.ids_BL.numel() <= 400 or len(batch.ids_BL) == 1


def test_batches_of_so_many_reply_tokens():
    rows = [([1] * length, [0.0] * (length - taught) + [1.0] * taught) for length, taught in ((5, 2), (6, 2), (9, 3))]
    assert [len(group) for group in BatchSize(100, reply_tokens=4).deal(rows)] == [2, 1]
    assert [len(group) for group in BatchSize(1, reply_tokens=7).deal(rows)] == [3]
    assert [len(group) for group in BatchSize(100, reply_tokens=1).deal(rows)] == [1, 1, 1]  # too large, yet not lost
    assert [len(group) for group in BatchSize(12).deal(rows)] == [2, 1]


@pytest.mark.parametrize(
    ("taught", "groups"), [((2, 2, 3, 1, 2), [[2, 2], [3, 1], [2]]), ((2, 2, 3, 2), [[2, 2], [3], [2]])]
)
def test_every_batch_counts_for_itself(taught, groups):
    def dealt(size):
        rows = [([1] * 3, [1.0] * own + [0.0] * (3 - own)) for own in taught]
        return [[int(sum(weights)) for _, weights in group] for group in size.deal(rows)]

    assert dealt(BatchSize(100, reply_tokens=4)) == groups
    assert [len(group) for group in dealt(BatchSize(6))] == [2] * (len(taught) // 2) + [1] * (len(taught) % 2)


def test_prompts_have_the_weight_that_is_asked_for(tokenizer):
    row = generated_pools(1, WindowOptions(2), ("arithmetic",))(0)[0]
    ids, weights = encode(row, tokenizer, 2.0, 0.5)
    plain_ids, plain = encode(row, tokenizer, 2.0)
    assert ids == plain_ids
    asked = sum(weight == 0.0 for weight in plain)
    assert weights[:asked] == [0.5] * asked
    assert weights[asked:] == plain[asked:]
