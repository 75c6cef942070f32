"""Confidence intervals."""

from __future__ import annotations

import math
from typing import Final

_Z95: Final = 1.959964


def wilson_interval(hits: int, total: int) -> tuple[float, float]:
    """95% interval of a rate (Wilson score).

    Args:
        hits: Successes.
        total: Trials.

    Returns:
        Lower and upper bound; (0.0, 1.0) for no trials.
    """
    if total == 0:
        return 0.0, 1.0
    rate, z2 = hits / total, _Z95**2
    centre = (rate + z2 / (2 * total)) / (1 + z2 / total)
    half = _Z95 * math.sqrt(rate * (1 - rate) / total + z2 / (4 * total**2)) / (1 + z2 / total)
    # exact at the ends, where rounding would leave the rate just outside
    return max(0.0, centre - half) if hits else 0.0, min(1.0, centre + half) if hits < total else 1.0
