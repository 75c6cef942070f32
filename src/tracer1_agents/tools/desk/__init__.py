"""Desk tools: conversions that take a while, sealed archives, a register that closes, reservations that stand.

Work at a desk has a budget and leaves traces: `state` keeps both in the workspace, `tools` are the LangChain tools,
`registry` counts every call of an episode (those of other tools too) and refuses what has to wait. They are no part of
the default toolbox: a workspace that has a desk (`has_desk`) is opened with them, no other one is.
"""

from tracer1_agents.tools.desk.registry import DeskRegistry
from tracer1_agents.tools.desk.state import final_state, has_desk, is_left_as
from tracer1_agents.tools.desk.tools import desk_tools

__all__ = ["DeskRegistry", "desk_tools", "final_state", "has_desk", "is_left_as"]
