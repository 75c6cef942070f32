"""Execution and reference to a number: pure functions."""
