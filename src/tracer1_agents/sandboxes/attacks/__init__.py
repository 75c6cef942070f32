"""What hostile code tries, and whether a sandbox on this machine stops it.

One source for the tests (`tests/security`) and for users (`tracer1 sandbox check`): `table` holds snippets with the
words that show what stopped them, `outcomes` holds attacks whose success shows on the host only, `check` runs both.
"""
