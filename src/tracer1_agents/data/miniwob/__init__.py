"""Demonstrations for MiniWoB++: one scripted oracle per named task, and the trajectories that they leave.

An oracle reads the page's DOM and knows the task; it shows that the action space is enough and what a good trajectory
looks like. It is a source of data and never an agent: nothing in `graphs` or `evals` can reach it.
"""
