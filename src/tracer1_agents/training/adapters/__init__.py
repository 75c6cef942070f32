"""Other training engines, reached through the same rewards and the same graph: EasyR1, verl."""
