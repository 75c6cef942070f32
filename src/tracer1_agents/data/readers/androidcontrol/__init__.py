"""AndroidControl in its four published layouts; `reader` tells them apart, each other module reads one."""

from tracer1_agents.data.readers.androidcontrol.reader import AndroidControlReader

__all__ = ["AndroidControlReader"]
