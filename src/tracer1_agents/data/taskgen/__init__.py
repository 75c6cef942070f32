"""Synthetic tasks on real files: seeded questions, files, references and gold answers.

The order of things: `names` (what files, people and columns are called, with a held-out part), `contents` (what is in a
file, and the text a reader should get from it), `draft` (a task under construction; references whose later arguments
wait for earlier results), `families` (one function per kind of task), `windows` (training windows with history, errors
and placeholders) and `bundle` (a GAIA-format folder on disk). `desk` has tasks whose early choices decide what is
possible later. Gold answers and expected tool outputs are computed here,
without the tools; a test runs every reference through the real toolbox and compares.
"""
