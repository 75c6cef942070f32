"""Tasks at a desk: worlds in which an early choice decides whether a later step is possible.

`options` has the dials, `names` the short names, `setting` the task under construction with its desk, `jobs` the pieces
(pack, convert, register, book), `rounds` the long families made of them, `families` the mix by name. References and the
state that should be left behind are computed here, without the tools.
"""
