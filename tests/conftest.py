"""Hypothesis without a clock: on a shared machine a slow example says nothing about the code.

Where CI is set, examples are the same in every run, so that a failure there can be seen again here.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

collect_ignore = ["deep_agents"]  # an environment of its own: make deepagents-test

settings.register_profile(
    "shared machine",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("shared machine")
