"""Desk tools: what waits, what cannot be undone, what runs out; every call of an episode counts."""

from __future__ import annotations

import asyncio
import csv
import json
import shutil
import zipfile

import pytest

from tracer1_agents.errors import ConfigurationError
from tracer1_agents.graphs.workbench import open_workbench
from tracer1_agents.tools.base import ToolRegistry
from tracer1_agents.tools.desk import DeskRegistry, desk_tools, final_state, has_desk
from tracer1_agents.tools.desk.state import DeskStore
from tracer1_agents.tools.toolbox import default_toolbox
from tracer1_agents.tools.workspace import Workspace


def desk(folder, **state):
    """A desk over a folder that may hold files already."""
    (folder / ".desk").mkdir()
    (folder / ".desk" / "state.json").write_text(json.dumps(state))
    return DeskRegistry(default_toolbox(folder), Workspace(folder))


def texts(registry, *calls):
    return [registry.run(name, arguments).text for name, arguments in calls]


READ = ("inspect_file_as_text", {"file_path": "a.txt"})
SUM = ("calculator", {"expression": "1 + 1"})


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.txt").write_text("number 4\n")
    (tmp_path / "b.md").write_text("number 5\n")
    (tmp_path / "t.json").write_text(json.dumps([{"item": "x", "qty": 3}, {"item": "y", "qty": 4, "note": "late"}]))
    return tmp_path


class TestBudget:
    def test_every_call_counts_and_the_last_one_is_said(self, folder):
        registry = desk(folder, calls=3)
        said = texts(registry, READ, ("no_such_tool", {}), SUM, SUM, READ)
        assert said[0] == "number 4"
        assert said[1].startswith('error: no tool "no_such_tool"')
        assert said[2:] == ["2", "error: all 3 calls are used up", "error: all 3 calls are used up"]

    def test_a_fault_happens_once_and_is_not_counted(self, folder):
        registry = desk(folder, calls=3, fault=2)
        said = texts(registry, READ, SUM, SUM, SUM, SUM)
        late = "error: calculator failed: TimeoutError: no answer within 30 seconds"
        assert said == ["number 4", late, "2", "2", "error: all 3 calls are used up"]

    def test_async_calls_are_the_same_calls(self, folder):
        registry = desk(folder, calls=1)

        async def twice():
            return [(await registry.arun(*READ)).text for _ in range(2)]

        assert asyncio.run(twice()) == ["number 4", "error: all 1 calls are used up"]

    def test_a_copy_of_the_folder_goes_on_where_it_stood(self, folder, tmp_path_factory):
        texts(desk(folder, calls=2), READ)
        copy = tmp_path_factory.mktemp("copy") / "desk"
        shutil.copytree(folder, copy)
        registry = DeskRegistry(default_toolbox(copy), Workspace(copy))
        assert texts(registry, READ, READ) == ["number 4", "error: all 2 calls are used up"]


class TestConversion:
    CONVERT = ("convert_file", {"file_path": "t.json", "to": "csv"})
    USE = ("table_aggregate", {"file_path": "t.csv", "column": "qty", "operation": "sum"})

    def test_it_takes_two_more_calls(self, folder):
        said = texts(desk(folder), self.CONVERT, self.USE, SUM, self.USE)
        assert said == ["t.csv will be ready after 2 more calls", 'error: "t.csv" is not ready', "2", "7"]
        assert list(csv.reader((folder / "t.csv").open())) == [
            ["item", "qty", "note"],
            ["x", "3", ""],
            ["y", "4", "late"],
        ]

    def test_the_source_may_go_meanwhile(self, folder):
        pack = ("archive_files", {"archive": "box.zip", "files": "t.json"})
        assert texts(desk(folder), self.CONVERT, pack, SUM, self.USE)[-1] == "7"

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ({"file_path": "t.json", "to": "txt"}, 'error: "t.json" cannot become txt: tables become'),
            ({"file_path": "a.txt", "to": "txt"}, 'error: "a.txt" cannot become txt'),
            (
                {"file_path": "c.json", "to": "csv"},
                'error: no file "c.json" in this folder; files: a.txt, b.md, t.json',
            ),
            ({"file_path": "../t.json", "to": "csv"}, 'error: "../t.json" is outside this task\'s folder'),
        ],
    )
    def test_refusals(self, folder, arguments, said):
        assert desk(folder).run("convert_file", arguments).text.startswith(said)

    def test_not_twice(self, folder):
        assert texts(desk(folder), self.CONVERT, self.CONVERT)[1] == 'error: "t.csv" is there or on its way'

    def test_json_that_is_no_table(self, folder):
        (folder / "o.json").write_text('{"a": 1}')
        said = desk(folder).run("convert_file", {"file_path": "o.json", "to": "csv"}).text
        assert said == 'error: "o.json" cannot be read as json: only a list of objects can become a table'

    def test_tables_and_documents(self, folder):
        (folder / "s.csv").write_text("item,qty\nx,1\n")
        registry = desk(folder)
        texts(registry, ("convert_file", {"file_path": "s.csv", "to": "json"}))
        texts(registry, ("convert_file", {"file_path": "b.md", "to": "txt"}), SUM, SUM, SUM)
        assert json.loads((folder / "s.json").read_text()) == [{"item": "x", "qty": 1}]
        assert (folder / "b.txt").read_text() == "number 5\n"


class TestArchive:
    PACK = ("archive_files", {"archive": "box.zip", "files": "b.md, a.txt"})

    def test_files_go_and_are_sealed(self, folder):
        registry = desk(folder)
        said = texts(registry, self.PACK, READ, ("inspect_file_as_text", {"file_path": "box.zip"}))
        assert said[0] == "sealed in box.zip: a.txt, b.md"
        assert said[1] == 'error: no file "a.txt" in this folder; files: box.zip, t.json'
        assert said[2] == 'error: "box.zip" is sealed'
        with zipfile.ZipFile(folder / "box.zip") as opened:
            assert opened.read("a.txt") == b"number 4\n"
        assert final_state(folder) == {"archives": {"box.zip": ["a.txt", "b.md"]}, "reservations": {}}

    def test_nothing_is_packed_when_one_is_missing(self, folder):
        said = desk(folder).run("archive_files", {"archive": "box.zip", "files": "a.txt, gone.txt"}).text
        assert said.startswith('error: no file "gone.txt"')
        assert (folder / "a.txt").exists()
        assert final_state(folder)["archives"] == {}

    def test_names(self, folder):
        registry = desk(folder)
        pack = registry.run
        assert pack("archive_files", {"archive": "box.txt", "files": "a.txt"}).text.startswith(
            "error: output must be a .zip"
        )
        assert (
            pack("archive_files", {"archive": "b.zip", "files": " , "}).text
            == "error: files must name at least one file"
        )
        texts(registry, self.PACK)
        assert pack("archive_files", {"archive": "box.zip", "files": "t.json"}).text == 'error: "box.zip" is sealed'


SPELLINGS = ["box.zip", "./box.zip", ".//box.zip", "box.zip/", "box.zip/.", "link.zip"]


class TestOtherSpellings:
    @pytest.mark.parametrize("name", SPELLINGS)
    def test_what_is_sealed_stays_sealed(self, folder, name):
        registry = desk(folder)
        texts(registry, TestArchive.PACK)
        (folder / "link.zip").symlink_to("box.zip")
        assert registry.run("inspect_file_as_text", {"file_path": name}).text == 'error: "box.zip" is sealed'
        assert not (folder / "a.txt").exists()

    def test_an_archive_is_sealed_however_it_was_named(self, folder):
        registry = desk(folder)
        said = registry.run("archive_files", {"archive": "./box.zip", "files": "a.txt"}).text
        assert said == "sealed in box.zip: a.txt"
        assert registry.run("inspect_file_as_text", {"file_path": "box.zip"}).text == 'error: "box.zip" is sealed'
        assert final_state(folder)["archives"] == {"box.zip": ["a.txt"]}

    @pytest.mark.parametrize("name", SPELLINGS[:-1])
    def test_what_is_sealed_is_not_packed_away(self, folder, name):
        registry = desk(folder)
        texts(registry, TestArchive.PACK)
        said = registry.run("archive_files", {"archive": "c.zip", "files": f"{name}, t.json"}).text
        assert said == 'error: "box.zip" is sealed'
        assert (folder / "t.json").exists()
        assert list(final_state(folder)["archives"]) == ["box.zip"]

    def test_a_file_named_twice_is_packed_once(self, folder):
        registry = desk(folder)
        said = registry.run("archive_files", {"archive": "b.zip", "files": "a.txt, ./a.txt, a.txt"})
        assert (said.text, said.value) == ("sealed in b.zip: a.txt", ["a.txt"])
        assert final_state(folder)["archives"] == {"b.zip": ["a.txt"]}
        assert not (folder / "a.txt").exists()

    @pytest.mark.parametrize("name", ["t.csv", "./t.csv"])
    def test_what_is_on_its_way_is_not_written_before(self, folder, name):
        (folder / "s.csv").write_text("qty\n1\n")
        keep = {"file_path": "s.csv", "column": "qty", "operator": "=", "value": 1, "output": name}
        said = texts(desk(folder), TestConversion.CONVERT, ("table_filter", keep), SUM, TestConversion.USE)
        assert said[1] == 'error: "t.csv" is not ready'
        assert said[-1] == "7"

    @pytest.mark.parametrize("name", ["./t.json", "sub/t.json"])
    def test_a_conversion_of_a_file_by_another_path(self, folder, name):
        (folder / "sub").mkdir()
        (folder / "sub" / "t.json").write_text((folder / "t.json").read_text())
        output = name.removeprefix("./").replace("json", "csv")
        use = {**TestConversion.USE[1], "file_path": output}
        convert = ("convert_file", {"file_path": name, "to": "csv"})
        said = texts(desk(folder), convert, SUM, SUM, ("table_aggregate", use))
        assert (said[0], said[-1]) == (f"{output} will be ready after 2 more calls", "7")

    @pytest.mark.parametrize("name", [".desk/state.json", "./.desk/state.json", ".desk//state.json", "way/state.json"])
    def test_the_state_is_out_of_reach(self, folder, name):
        registry = desk(folder, calls=9)
        (folder / "way").symlink_to(".desk")
        read = registry.run("inspect_file_as_text", {"file_path": name}).text
        packed = registry.run("archive_files", {"archive": "b.zip", "files": name}).text
        hidden = f'error: "{name}" is hidden; name a file without a leading dot'
        assert (read, packed) == (hidden, hidden)
        assert json.loads((folder / ".desk" / "state.json").read_text())["made"] == 2

    def test_nothing_is_written_into_the_state(self, folder):
        registry = desk(folder, calls=9)
        (folder / "s.csv").write_text("qty\n1\n")
        keep = {"file_path": "s.csv", "column": "qty", "operator": "=", "value": 1, "output": ".desk/t.csv"}
        assert "is hidden" in registry.run("table_filter", keep).text
        assert "is hidden" in registry.run("archive_files", {"archive": ".desk/b.zip", "files": "s.csv"}).text
        assert (folder / "s.csv").exists()

    def test_a_result_called_like_the_state(self, folder):
        (folder / "state.csv").write_text("qty\n1\n")
        registry = desk(folder, calls=5)
        said = texts(registry, ("convert_file", {"file_path": "state.csv", "to": "json"}), SUM, SUM, SUM, SUM, SUM)
        assert said[-2:] == ["2", "error: all 5 calls are used up"]
        assert json.loads((folder / "state.json").read_text()) == [{"qty": 1}]

    def test_files_go_only_when_the_state_is_written(self, folder, monkeypatch):
        registry = desk(folder)

        def full(store, state):
            if state.sealed:
                raise OSError(28, "No space left on device")
            plain(store, state)

        plain = DeskStore.write
        monkeypatch.setattr(DeskStore, "write", full)
        assert not registry.run(*TestArchive.PACK).ok
        assert (folder / "a.txt").exists()

    def test_an_argument_that_is_no_path(self, folder):
        said = desk(folder).run("inspect_file_as_text", {"file_path": "\ud800"})
        assert not said.ok


class TestRegister:
    def test_units(self, folder):
        registry = desk(folder, units=3, register={"k1": 4, "k3": 5, "m2": 6})
        said = texts(
            registry,
            ("register_page", {"letter": "k"}),
            ("register_page", {"letter": "m"}),
            ("register_lookup", {"key": "m2"}),
            ("register_lookup", {"key": "k1"}),
        )
        assert said == [
            "k1 4, k3 5",
            "error: the register has 1 units left and this takes 2",
            "m2 6",
            "error: the register has 0 units left and this takes 1",
        ]

    def test_a_look_at_nothing_costs_as_well(self, folder):
        registry = desk(folder, units=3, register={"k1": 4})
        said = texts(registry, ("register_lookup", {"key": "z9"}), ("register_page", {"letter": "z"}))
        assert said == ['error: the register has no entry "z9"', 'error: the register has no page "z"']
        assert registry.run("register_lookup", {"key": "k1"}).text.startswith("error: the register has 0 units")


class TestReservations:
    OFFERS = {"oak": {"slots": [9, 11]}, "screen": {"slots": [9], "rooms": ["oak", "elm"]}}  # noqa: RUF012

    def test_they_stand(self, folder):
        registry = desk(folder, offers=self.OFFERS)
        said = texts(
            registry,
            ("list_offers", {"item": "screen"}),
            ("reserve", {"item": "screen", "slot": 9}),
            ("reserve", {"item": "oak", "slot": "10"}),
            ("reserve", {"item": "oak", "slot": "9"}),
            ("reserve", {"item": "oak", "slot": 11}),
            ("reserve", {"item": "screen", "slot": 9}),
            ("reserve", {"item": "elm", "slot": 9}),
        )
        assert said == [
            "screen 9 in oak, elm",
            "error: no room for screen is reserved at 9",
            "error: oak is not free at 10",
            "reserved oak at 9",
            "error: oak is reserved at 9 already",
            "reserved screen at 9",
            'error: nothing called "elm" can be reserved',
        ]
        assert final_state(folder)["reservations"] == {"oak": 9, "screen": 9}


class TestWhereTheyAre:
    def test_only_a_folder_with_a_desk_has_them(self, folder):
        names = {tool.name for tool in desk_tools(Workspace(folder))}
        with open_workbench(folder) as executor:
            assert type(executor.registry) is ToolRegistry
            assert not names & set(executor.registry)
        desk(folder)
        assert has_desk(folder)
        with open_workbench(folder) as executor:
            assert names <= set(executor.registry)

    def test_a_broken_state_is_said(self, folder):
        registry = desk(folder)
        (folder / ".desk" / "state.json").write_text('{"call": 3}')
        with pytest.raises(ConfigurationError, match=r"\.desk/state\.json is not the state of a desk"):
            registry.run(*READ)
