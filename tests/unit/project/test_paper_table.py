"""docs/paper.md: every row has a standing, every function it names exists, every default it names is the code's."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "src" / "tracer1_agents"
TEXT = (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
    for line in TEXT.splitlines()
    if re.match(r"\| [A-Z] \|", line) and line.count("|") >= 5
]
REFERENCE = re.compile(r"`([\w/]+\.py):([\w.]+)`")
DEFAULTS = [
    (row[2], *match.groups())
    for row in ROWS
    for match in REFERENCE.finditer(row[3])
    if "Config." in match[2] or "Settings." in match[2] or match[2].endswith("_CHARS")
]


@cache
def tree_of(file: str) -> ast.Module:
    return ast.parse((PACKAGE / file).read_text(encoding="utf-8"))


def definition(file: str, name: str) -> ast.AST | None:
    """The node that defines a dotted name in a file, found without importing it."""
    scope: ast.AST = tree_of(file)
    for part in name.split("."):
        found = next((node for node in getattr(scope, "body", []) if part in names_of(node)), None)
        if found is None:
            return None
        scope = found
    return scope


def names_of(node: ast.AST) -> list[str]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return [node.name]
        case ast.AnnAssign(target=ast.Name() as target):
            return [target.id]
        case ast.Assign():
            return [target.id for target in node.targets if isinstance(target, ast.Name)]
    return []


def field_default(node):
    """The default of a plain field, or of one written `Field(default, ...)`."""
    if not isinstance(node, ast.Call):
        return node
    named = [word.value for word in node.keywords if word.arg == "default"]
    return named[0] if named else node.args[0]


def test_the_table_is_there():
    assert len(ROWS) > 70
    assert {row[0] for row in ROWS} == {"P", "S", "O"}
    assert sum(REFERENCE.search(row[3]) is not None for row in ROWS) > 35
    assert len(DEFAULTS) >= 9


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]} {row[1]}"[:60])
def test_a_row_names_what_exists_or_says_not_yet(row):
    assert len(row) == 4
    named = REFERENCE.findall(row[3])
    assert named or row[3].startswith("not yet")
    assert row[3].count("`") >= 2 * len(named)
    for file, name in named:
        assert (PACKAGE / file).is_file(), f"{file} is not there"
        assert definition(file, name) is not None, f"{file} defines no {name}"


@pytest.mark.parametrize(("value", "file", "name"), DEFAULTS, ids=lambda part: part.partition(" ")[0][-40:])
def test_defaults_are_those_of_the_code(value, file, name):
    node = definition(file, name)
    assert isinstance(node, ast.AnnAssign)
    default = ast.literal_eval(field_default(node.value))
    written = {False: "off", True: "on"}.get(default) if isinstance(default, bool) else str(default)
    assert re.search(rf"(?<![\w.]){re.escape(written)}(?![\w.])", value), (
        f"{name} is {default!r}, the table says {value!r}"
    )


def test_what_was_only_read_about_is_never_quoted():
    assert [row for row in ROWS if row[0] == "S" and re.search(r"[\"“”«»]", " ".join(row))] == []


def test_the_attacks_are_those_that_the_benchmark_measures():
    benchmark = ast.parse((ROOT / "benchmarks" / "reward.py").read_text(encoding="utf-8"))
    policies = next(node.value for node in benchmark.body if "POLICIES" in names_of(node))
    table = TEXT.partition("| attack |")[2].partition("\n\n")[0].splitlines()[2:]
    assert len(table) == len(policies.keys) - 1  # all but the reference
    assert all(re.fullmatch(r"\| [^|]+(\| -?\d\.\d{3} ){4}\|", line) for line in table)
