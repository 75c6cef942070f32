"""Forecast against what happened, and how sure a rate is: pure functions."""
