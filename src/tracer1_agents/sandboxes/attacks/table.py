"""All attacks, and what stops them in WebAssembly, where much of Linux is not there to be attacked."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from tracer1_agents.sandboxes.attacks.kernel import KERNEL
from tracer1_agents.sandboxes.attacks.load import INTERPRETER, RESOURCES
from tracer1_agents.sandboxes.attacks.reach import FILES, NETWORK, SECRETS

ATTACKS: Final = tuple(
    [*FILES, *SECRETS, *NETWORK, *KERNEL] + [replace(attack, spoils=True) for attack in (*RESOURCES, *INTERPRETER)]
)
"""In the order in which they run: those that leave a session as it was come first."""
