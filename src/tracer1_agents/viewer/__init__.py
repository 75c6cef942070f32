"""A person looks: each forecast against what happened.

`plain` makes untrusted text harmless, `terminal` prints episodes. Nothing here runs an agent or reads a file.
"""
