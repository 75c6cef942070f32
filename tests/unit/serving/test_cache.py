"""Caches with spare columns hold what the caches of transformers hold, and stay where they are."""

import pytest
import torch
from transformers.cache_utils import DynamicCache

from tracer1_agents.serving.cache import chosen, joined

HEADS, SIZE, LAYERS = 2, 4, 3


def columns(rows, count, seed):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, rows, HEADS, count, SIZE, generator=generator) for _ in range(LAYERS)]


def filled(rows, count, seed=0):
    cache = DynamicCache()
    for at, (keys, values) in enumerate(columns(rows, count, seed)):
        cache.update(keys, values, at)
    return cache


def same(one, other):
    pairs = zip(one.layers, other.layers, strict=True)
    return all(torch.equal(a.keys, b.keys) and torch.equal(a.values, b.values) for a, b in pairs)


@pytest.mark.parametrize("tokens", [1, 63, 64, 65, 200])
def test_new_columns_come_behind_those_that_are_held(tokens):
    plain, spare = filled(3, 10), joined([filled(3, 10)], 10)
    for seed in range(1, tokens + 1):
        for at, (keys, values) in enumerate(columns(3, 1, seed)):
            plain.update(keys, values, at)
            shown = spare.update(keys, values, at)
            assert torch.equal(shown[0], plain.layers[at].keys)
    assert same(plain, spare)
    assert spare.get_seq_length() == 10 + tokens


def test_more_columns_at_once_than_are_spare():
    plain, spare = filled(2, 5), joined([filled(2, 5)], 5)
    for at, (keys, values) in enumerate(columns(2, 150, 1)):
        plain.update(keys, values, at)
        spare.update(keys, values, at)
    assert same(plain, spare)


def test_what_is_held_is_not_moved_while_columns_are_spare():
    spare = joined([filled(2, 5)], 5)
    places = set()
    for seed in range(1, 60):
        for at, (keys, values) in enumerate(columns(2, 1, seed)):
            spare.update(keys, values, at)
        places.add(spare.layers[0].keys.data_ptr())
    assert len(places) == 1


def test_rows_are_joined_at_their_right_edge():
    wide, narrow = filled(2, 7, seed=1), filled(1, 3, seed=2)
    both = joined([wide, narrow], 7)
    for layer, left, right in zip(both.layers, wide.layers, narrow.layers, strict=True):
        assert torch.equal(layer.keys[:2], left.keys)
        assert torch.equal(layer.values[2:, :, 4:], right.values)
        assert not layer.keys[2:, :, :4].any()


def test_chosen_rows_go_on_alone():
    spare = joined([filled(4, 9)], 9)
    for at, (keys, values) in enumerate(columns(4, 1, 1)):
        spare.update(keys, values, at)
    some = chosen(spare, torch.tensor([3, 1]), left=2)
    for layer, whole in zip(some.layers, spare.layers, strict=True):
        assert torch.equal(layer.keys, whole.keys[[3, 1], :, 2:])
    for at, (keys, values) in enumerate(columns(2, 1, 2)):
        assert some.update(keys, values, at)[1].shape == (2, HEADS, 9, SIZE)
