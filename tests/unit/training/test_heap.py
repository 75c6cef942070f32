"""Training spares the garbage collector what was loaded before, and gives it back."""

import gc

import pytest

pytest.importorskip("trl", reason="trl is not installed (extra train)")

from tracer1_agents.training.grpo import frozen_heap

pytestmark = pytest.mark.torch


def test_the_heap_is_frozen_as_long_as_the_outermost_block_lasts():
    with frozen_heap():
        outer = gc.get_freeze_count()
        assert outer > 0
        with frozen_heap():
            assert gc.get_freeze_count() >= outer
        assert gc.get_freeze_count() > 0
    assert gc.get_freeze_count() == 0


def test_it_is_given_back_after_a_failure():
    with pytest.raises(RuntimeError), frozen_heap():
        raise RuntimeError  # on purpose
    assert gc.get_freeze_count() == 0
