"""docs/data.md: every reader has its command, every sample its row."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tracer1_agents.cli import main
from tracer1_agents.data.fetch import megabytes, samples
from tracer1_agents.data.readers.registry import READERS

PAGE = (Path(__file__).parents[3] / "docs" / "data.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", READERS)
def test_every_reader_has_its_command(name):
    assert f"tracer1 data validate {name} " in PAGE


def test_every_sample_has_its_row():
    for sample in samples().values():
        origin = f"{sample.repository} at {sample.commit[:7]}"
        assert f"| `{sample.name}` | {origin} | {sample.licence} | {megabytes(sample.size)} |" in PAGE


def test_commands_are_those_that_there_are(capsys):
    named = re.findall(r"tracer1 data (?:validate|export|stats) ([a-z]\w*)", PAGE)
    assert set(named) <= set(READERS)
    with pytest.raises(SystemExit):
        main(["data", "--help"])
    offered = capsys.readouterr().out
    assert all(task in offered for task in re.findall(r"tracer1 data (\w+)", PAGE))
