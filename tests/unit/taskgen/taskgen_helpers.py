"""Families by what their references need, and tasks put where the tools find them."""

from __future__ import annotations

import json

from tracer1_agents.data.taskgen.families import FAMILIES, make_task
from tracer1_agents.data.taskgen.write import write_file

OCR = {name for name in FAMILIES if any(step.name == "ocr" for step in make_task(name, 0).steps)}
CODE = {"code_words"}
PLAIN = sorted(set(FAMILIES) - OCR - CODE)


def place(task, folder, corpus_folder):
    """The task's file in `folder`; its search corpus elsewhere, among entries that do not fit."""
    if task.attachment:
        write_file(task.attachment, folder)
    corpus = corpus_folder / "corpus.jsonl"
    others = [make_task("search_fact", f"other {number}").passages[0] for number in range(20)]
    entries = [*others[:10], *task.passages, *others[10:]]
    rows = [{"title": entry.title, "url": "x", "text": entry.text} for entry in entries]
    corpus.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return corpus
