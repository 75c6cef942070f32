"""Files and generators to reference trajectories."""
