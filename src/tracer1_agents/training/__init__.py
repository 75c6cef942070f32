"""Reward to update: warm start, stage 1, stage 2."""
