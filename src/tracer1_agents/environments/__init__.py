"""Somewhere to act: a browser, MiniWoB++ tasks, a desktop, a phone, recorded trajectories, all behind one protocol."""
