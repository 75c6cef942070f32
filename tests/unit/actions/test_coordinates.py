"""Frames: tables against the published resizing, and round trips over random sizes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer1_agents.actions.codec import Broken, ParseOutcome
from tracer1_agents.actions.coordinates import (
    PIXELS,
    QWEN2_5_VL_PIXELS,
    QWEN3_VL_PIXELS,
    THOUSAND,
    UI_TARS_15,
    UNIT,
    Screen,
    Size,
    smart_resize,
)
from tracer1_agents.actions.space import Point
from tracer1_agents.errors import ConfigurationError

FRAMES = [UNIT, THOUSAND, PIXELS, UI_TARS_15, QWEN2_5_VL_PIXELS, QWEN3_VL_PIXELS]
SIZES = st.builds(Size, st.integers(30, 5000), st.integers(30, 5000))
POINTS = st.builds(Point, st.floats(0, 1), st.floats(0, 1))


@pytest.mark.parametrize(
    ("size", "limits", "expected"),
    [
        # 1920/28 = 68.6 -> 69, 1080/28 = 38.6 -> 39
        ((1920, 1080), (28, 100 * 784, 16384 * 784), (1932, 1092)),
        ((1920, 1080), (32, 65_536, 16_777_216), (1920, 1088)),
        ((28, 28), (28, 784, 78_400), (28, 28)),
        # too small: grown by sqrt(78400 / 3136) = 5
        ((56, 56), (28, 78_400, 10_000_000), (280, 280)),
        # too large: shrunk by sqrt(4e6 / 1e6) = 2 to 1000x1000, then down to 35 * 28
        ((2000, 2000), (28, 784, 1_000_000), (980, 980)),
        # a half rounds to the even multiple: 42/28 = 1.5 -> 2, 70/28 = 2.5 -> 2
        ((42, 70), (28, 784, 1_000_000), (56, 56)),
        ((2000, 10), (28, 784, 1_000_000), (1988, 28)),
        # exactly as large as allowed, and as small: 56 * 56 = 3136
        ((70, 56), (28, 784, 3_136), (56, 56)),
        ((42, 56), (28, 3_136, 1_000_000), (56, 56)),
        ((1, 1), (28, 784, 1_000_000), (28, 28)),
    ],
)
def test_smart_resize(size, limits, expected):
    factor, min_pixels, max_pixels = limits
    assert smart_resize(*size, factor=factor, min_pixels=min_pixels, max_pixels=max_pixels) == expected


@given(SIZES)
def test_smart_resize_keeps_to_its_limits(size):
    width, height = UI_TARS_15.counted_in(size)
    assert width % 28 == height % 28 == 0
    assert UI_TARS_15.min_pixels <= width * height <= UI_TARS_15.max_pixels


@pytest.mark.parametrize("size", [(0, 0), (0, 10), (10, -1), (2010, 10)])
def test_images_that_no_processor_takes(size):
    with pytest.raises(ConfigurationError, match="ratio"):
        Screen(UI_TARS_15, Size(*size))


@pytest.mark.parametrize("frame", FRAMES)
@given(point=POINTS, size=SIZES)
def test_round_trip_from_the_screen(frame, point, size):
    x, y = frame.from_unit(point, size)
    back = frame.to_unit(x, y, size)
    # whole numbers are at most half of one away, on an axis of at least 28 of them
    assert abs(back.x - point.x) <= 0.5 / 28 + 1e-9
    assert abs(back.y - point.y) <= 0.5 / 28 + 1e-9
    assert frame.from_unit(back, size) == (x, y)


@given(SIZES, st.data())
def test_pixels_survive_exactly(size, data):
    for frame in (PIXELS, UI_TARS_15, QWEN2_5_VL_PIXELS, QWEN3_VL_PIXELS):
        width, height = frame.counted_in(size)
        x, y = data.draw(st.integers(0, width)), data.draw(st.integers(0, height))
        assert frame.from_unit(frame.to_unit(x, y, size), size) == (x, y)


@pytest.mark.parametrize("frame", FRAMES)
@given(size=SIZES, beyond=st.floats(1e-3, 1e9), axis=st.booleans(), below=st.booleans())
def test_outside_is_an_outcome_and_never_clamped(frame, size, beyond, axis, below):
    right, bottom = frame.from_unit(Point(1, 1), size)
    value = -beyond if below else (right if axis else bottom) + beyond
    with pytest.raises(Broken) as caught:
        frame.to_unit(*((value, 0) if axis else (0, value)), size)
    assert caught.value.outcome is ParseOutcome.OUT_OF_RANGE


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("frame", FRAMES)
def test_what_is_no_number_is_outside(frame, value):
    with pytest.raises(Broken) as caught:
        frame.to_unit(value, 0, Size(100, 100))
    assert caught.value.outcome is ParseOutcome.OUT_OF_RANGE


@pytest.mark.parametrize("frame", FRAMES)
def test_corners_are_inside(frame):
    screen = Screen(frame, Size(640, 480))
    assert screen.place(0, 0) == (0, 0)
    assert screen.place(*screen.locate(Point(1, 1))) == (1, 1)


def test_pixels_without_a_screenshot():
    with pytest.raises(Broken) as caught:
        Screen(PIXELS).place(1, 1)
    assert caught.value.outcome is ParseOutcome.BAD_ARGUMENT
    with pytest.raises(ConfigurationError, match="size of the screenshot"):
        Screen(PIXELS).locate(Point(0, 0))


@pytest.mark.parametrize(
    ("frame", "small", "large"),
    [
        (UI_TARS_15, 280, 3584),  # 78,400 and 12,845,056 pixels: sides of 280 and 3584, in steps of 28
        (QWEN2_5_VL_PIXELS, 56, 3584),  # 3,136 and 12,845,056
        (QWEN3_VL_PIXELS, 256, 4096),  # 65,536 and 16,777,216, in steps of 32
    ],
)
def test_the_limits_of_the_published_processors(frame, small, large):
    assert frame.counted_in(Size(10, 10)) == (small, small)
    assert frame.counted_in(Size(8192, 8192)) == (large, large)
    assert frame.counted_in(Size(small + frame.factor, small)) == (small + frame.factor, small)


def test_thousandths():
    assert THOUSAND.to_unit(250, 500) == (0.25, 0.5)
    assert THOUSAND.from_unit(Point(0.25, 0.5)) == (250, 500)
