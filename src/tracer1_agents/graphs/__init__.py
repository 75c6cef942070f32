"""The loop: state, nodes, the compiled agent and the planner node for other graphs."""
