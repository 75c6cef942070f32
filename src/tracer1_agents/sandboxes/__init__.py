"""Somewhere to run code that nobody has read: protocols in `base`, one file per backend, `choose` to pick one."""

from tracer1_agents.sandboxes.base import (
    Availability,
    Capabilities,
    HostCalls,
    Limits,
    RunResult,
    Sandbox,
    Session,
)

__all__ = ["Availability", "Capabilities", "HostCalls", "Limits", "RunResult", "Sandbox", "Session"]
