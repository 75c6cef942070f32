"""Published data sets as reference trajectories, each format by a reader of its own (`registry` knows them by name)."""
