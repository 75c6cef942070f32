"""Readers of a user's own: how they take a name, how `tracer1 data` finds them, what they may give."""

from __future__ import annotations

import importlib
import json
import sys

import pytest

from tracer1_agents.actions.space import Finish
from tracer1_agents.cli import main
from tracer1_agents.data.commands import tally
from tracer1_agents.data.readers.registry import READERS, reader_named, register_reader
from tracer1_agents.data.registering import import_plugin
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.types import ReferenceStep, ReferenceTrajectory

PLUGIN = """
from tracer1_agents.actions.space import Finish
from tracer1_agents.data.readers.registry import register_reader
from tracer1_agents.types import ReferenceStep, ReferenceTrajectory


class OwnReader:
    name = "own"

    def __init__(self, options):
        pass

    def read(self, path):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            steps = (ReferenceStep(action=Finish(answer=line)),)
            yield ReferenceTrajectory(id=str(number), source="own", instruction="?", steps=steps)


register_reader("own", OwnReader)
"""


@pytest.fixture(autouse=True)
def left_alone(monkeypatch, tmp_path):
    """Names taken here are free again afterwards."""
    before = dict(READERS)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "own_plugin.py").write_text(PLUGIN, encoding="utf-8")
    yield
    READERS.clear()
    READERS.update(before)
    sys.modules.pop("own_plugin", None)


def test_data_commands_read_what_a_plugin_registers(tmp_path, capsys):
    (tmp_path / "own.txt").write_text("lamp\nchair\n", encoding="utf-8")
    given, out = [str(tmp_path / "own.txt"), "--plugin", "own_plugin"], tmp_path / "own.jsonl"
    assert main(["data", "validate", "own", *given, "--json", "--strict"]) == 0
    assert json.loads(capsys.readouterr().out)["gold_score"] == 1.0
    assert main(["data", "stats", "own", *given]) == 0
    assert main(["data", "export", "own", *given, "--out", str(out)]) == 0
    assert main(["data", "validate", "store", str(out), "--strict"]) == 0


@pytest.mark.parametrize("name", ["./own_plugin.py", ".own_plugin", "own-plugin", "", "own_plugin_of_nobody"])
def test_a_plugin_that_is_no_module_is_named(name, tmp_path, capsys):
    assert main(["data", "stats", "own", str(tmp_path), "--plugin", name]) == 2
    told = capsys.readouterr().err
    assert f"plugin {name!r}" in told
    assert "PYTHONPATH" in told


def test_a_plugin_that_is_loaded_again_takes_its_own_name_again():
    import_plugin("own_plugin")
    before = READERS["own"]
    importlib.reload(sys.modules["own_plugin"])
    assert READERS["own"] is not before


def test_a_name_is_taken_once():
    class Reader:
        def __init__(self, options):
            pass

    register_reader("mine", Reader)
    register_reader("mine", Reader)
    for name, other in (("mine", type("Reader", (), {})), ("agentnet", Reader), ("mine", lambda _: None)):
        with pytest.raises(ConfigurationError, match=f"there is a reader '{name}' already"):
            register_reader(name, other)
    register_reader("short", lambda _: None)
    with pytest.raises(ConfigurationError, match="there is a reader 'short' already"):
        register_reader("short", lambda _: None)


def test_what_could_not_be_read_by_name_is_refused():
    with pytest.raises(ConfigurationError, match="taskgen stands for generated tasks"):
        register_reader("taskgen", dict)
    with pytest.raises(ConfigurationError, match="the reader 'mine' must be something to call"):
        register_reader("mine", None)
    with pytest.raises(ConfigurationError, match="a reader needs a name"):
        register_reader(" ", dict)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, "Own.read gave NoneType; it yields"),
        ([None], "Own.read yielded NoneType where a ReferenceTrajectory or a DataError belongs"),
        ([{"id": "1"}], "Own.read yielded dict"),
        ([ValueError("bad")], "Own.read yielded ValueError"),
    ],
)
def test_a_reader_that_gives_something_else_is_named(given, words, tmp_path):
    class Own:
        def __init__(self, options):
            pass

        def read(self, path):
            return given

    register_reader("else", Own)
    with pytest.raises(ConfigurationError, match=words):
        tally(reader_named("else"), tmp_path)


def test_a_reader_may_give_a_list(tmp_path):
    one = ReferenceTrajectory(id="1", source="own", instruction="?", steps=(ReferenceStep(action=Finish()),))

    class Own:
        __slots__ = ()

        def __init__(self, options):
            pass

        def read(self, path):
            return [one]

    register_reader("listed", Own)
    assert tally(reader_named("listed"), tmp_path).trajectories == 1
