"""Dialects of planner replies: canonical (ours), UI-TARS, Qwen tool calls, generic JSON."""
