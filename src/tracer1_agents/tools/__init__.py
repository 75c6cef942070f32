"""First action -> execution: the tools a planner can call, each confined to one workspace folder.

`toolbox.default_toolbox` builds them, `base.ToolRegistry` runs them by name. Tools receive models, sandboxes and web
access by protocol; they never build one.
"""
