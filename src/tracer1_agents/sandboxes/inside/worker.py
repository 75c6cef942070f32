"""Entry point of a worker that finds these files in a folder of its own.

Called as `worker.py <requests> <replies> <working folder>`.
"""

from __future__ import annotations

import sys

# In isolated mode the script's folder is not on the path: it is there for this import only.
sys.path.insert(0, __file__.rpartition("/tracer1_agents/")[0])
from tracer1_agents.sandboxes.inside.process import apply_limits, serve_on

del sys.path[0]

serve_on(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], apply_limits)
