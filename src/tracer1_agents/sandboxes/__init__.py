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
from tracer1_agents.sandboxes.calls import HostFunction
from tracer1_agents.sandboxes.choose import default_sandbox
from tracer1_agents.sandboxes.pool import SandboxPool

__all__ = [
    "Availability",
    "Capabilities",
    "HostCalls",
    "HostFunction",
    "Limits",
    "RunResult",
    "Sandbox",
    "SandboxPool",
    "Session",
    "default_sandbox",
]
