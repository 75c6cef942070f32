"""Records out of big files: lines, arrays, damage of every kind."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracer1_agents.data import records
from tracer1_agents.data.readers.streams import grouped
from tracer1_agents.data.records import Record, read_json, read_records
from tracer1_agents.errors import DataError, MissingExtraError


def _read(path):
    return [
        (item.line, item.value if isinstance(item, Record) else item.problem.split(":")[0])
        for item in read_records(path)
    ]


def test_lines_are_numbered_and_broken_ones_do_not_stop(write_lines):
    path = write_lines({"a": 1}, "", '{"a": ', "[1]", "{} {}", '{"a": 2}')
    assert _read(path) == [
        (1, {"a": 1}),
        (3, "not JSON"),
        (4, "a record must be a JSON object, got list"),
        (5, "not JSON"),
        (6, {"a": 2}),
    ]


def test_a_line_separator_inside_a_string_does_not_end_the_line(write_lines):
    assert _read(write_lines('{"a": "x\u2028y"}', "{}")) == [(1, {"a": "x\u2028y"}), (2, {})]


def test_the_last_line_needs_no_newline_and_may_be_cut_off(write_lines):
    assert _read(write_lines({"a": 1}, '{"a": 2}', end="")) == [(1, {"a": 1}), (2, {"a": 2})]
    assert _read(write_lines({"a": 1}, '{"a": "unfin', end="")) == [(1, {"a": 1}), (2, "not JSON")]


def test_bytes_that_are_no_text_are_told(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"a": "\xff"}\n{"b": 1}\n')
    assert _read(path) == [(1, "not UTF-8 at byte 7 of the record"), (2, {"b": 1})]


def test_nesting_and_numbers_without_end_are_problems(write_lines):
    found = _read(write_lines('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", '{"a": ' + "9" * 5000 + "}", "{}"))
    assert [line for line, _ in found] == [1, 2, 3]
    assert [str(what).split("(")[0] for _, what in found[:2]] == ["not readable as JSON"] * 2


def test_an_over_long_line_is_left_out(write_lines, monkeypatch):
    monkeypatch.setattr(records, "MAX_RECORD", 50)
    found = _read(write_lines({"a": "x" * 200}, {"b": 1}))
    assert found == [(1, "the line is longer than 50 bytes; left out"), (2, {"b": 1})]


def test_elements_of_an_array_know_their_lines(write_lines):
    path = write_lines("[", '{"a": "],{"},', "", ' {"b": [1, {"c": "\\"}"}]}', ",3", "]")
    assert _read(path) == [
        (2, {"a": "],{"}),
        (4, {"b": [1, {"c": '"}'}]}),
        (5, "a record must be a JSON object, got int"),
    ]


@pytest.mark.parametrize("text", ["[]", " [ ] ", "[\n]"])
def test_an_empty_array_has_no_elements(write_lines, text):
    assert _read(write_lines(text)) == []


def test_a_damaged_element_is_passed_over(write_lines):
    assert _read(write_lines('[{"a": 1},', '{"a" 2},', '{"a": 3}]')) == [(1, {"a": 1}), (2, "not JSON"), (3, {"a": 3})]


@pytest.mark.parametrize(
    ("tail", "rest"),
    [
        ('{"a": 2}', [(2, {"a": 2}), (2, "the array is not closed")]),
        ('{"a": "x', [(2, "the array is not closed")]),
        ("", [(2, "the array is not closed")]),
    ],
)
def test_an_array_that_is_cut_off_is_told(write_lines, tail, rest):
    assert _read(write_lines('[{"a": 1},', tail, end="")) == [(1, {"a": 1}), *rest]


_VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=30, deadline=None)  # each example is a file
@given(
    rows=st.lists(st.dictionaries(st.text(max_size=5), _VALUES, max_size=3), max_size=5),
    indent=st.none() | st.integers(0, 2),
    cut=st.integers(1, 9),
)
def test_an_array_reads_as_json_does_whatever_the_chunks(tmp_path_factory, rows, indent, cut):
    path = tmp_path_factory.mktemp("array") / "x.json"
    path.write_text(json.dumps(rows, indent=indent, ensure_ascii=False) * 2, encoding="utf-8")  # two files in one
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "_CHUNK", cut)
        assert [item.value for item in read_records(path)] == rows * 2


@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
@pytest.mark.parametrize(
    ("behind", "rest"),
    [
        ('[{"a": 2},\n{"a": 3}]', [(4, {"a": 2}), (5, {"a": 3})]),
        ('\n\ufeff [{"a": 2}]\n', [(5, {"a": 2})]),
        ('[]\n[{"a": 2}]', [(5, {"a": 2})]),
        ('{"a": [2, "]"]}\n{"a": 3}', [(4, {"a": [2, "]"]}), (5, {"a": 3})]),
        ('{"a": 2}[{"a": 3}]', [(4, {"a": 2}), (4, {"a": 3})]),
        ('[{"a": 2}', [(4, {"a": 2}), (4, "the array is not closed")]),
        ('{"a": 2', [(4, "the file is cut off in a record")]),
        (" \r\n\t", []),
    ],
)
def test_what_stands_behind_an_array_is_read(write_lines, monkeypatch, behind, rest, chunk):
    monkeypatch.setattr(records, "_CHUNK", chunk)
    assert _read(write_lines("[", {"a": 1}, "]", behind, end="")) == [(2, {"a": 1}), *rest]


@pytest.mark.parametrize("behind", ['x[{"a": 2}]', ', {"a": 2}]', "]", '"["'])
def test_what_is_neither_array_nor_record_behind_an_array_is_told(write_lines, behind):
    told = f"behind an array stands {behind!r}, no array and no record; the rest is left out"
    assert _read(write_lines('[{"a": 1}]', behind, end="")) == [(1, {"a": 1}), (2, told.split(":", 1)[0])]


def test_a_brace_too_many_spoils_one_element_of_an_array(write_lines):
    assert _read(write_lines("[", '{"a": 1}},', '{"a": 2}', "]")) == [(2, "not JSON"), (3, {"a": 2})]


def test_rows_are_numbered_and_may_be_read_in_part(write_rows):
    path = write_rows(*({"a": n, "b": "x"} for n in range(20)))
    assert _read(path) == [(n + 1, {"a": n, "b": "x"}) for n in range(20)]
    assert [item.value for item in read_records(path, ("a", "none"))] == [{"a": n} for n in range(20)]


def test_rows_need_pyarrow(tmp_path, monkeypatch):
    path = tmp_path / "x.parquet"
    path.write_bytes(b"")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtraError, match="reading Parquet files needs the optional extra"):
        list(read_records(path))


def test_groups_come_whole_and_as_soon_as_they_are(write_lines):
    path = write_lines({"g": "a", "n": 1}, {"g": "b"}, "{", {"n": 2}, {"g": "a", "n": 3}, {"g": "c"})
    found = list(grouped(path, lambda value: value.get("g"), 'the key "g"', ("g",)))
    lines = [item.line if isinstance(item, DataError) else [record.line for record in item] for item in found]
    assert lines == [[2], 3, 4, [1, 5], [6]]
    assert found[2].problem == 'the record lacks the key "g"'


def test_what_is_not_there_is_an_error(tmp_path):
    with pytest.raises(DataError, match="is not there"):
        list(read_records(tmp_path / "none.jsonl"))
    with pytest.raises(DataError, match="is a folder"):
        read_json(tmp_path)


def test_a_file_that_may_not_be_read_is_told(write_lines, monkeypatch):
    path = write_lines({})

    def refused(*_):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(type(path), "open", refused)
    with pytest.raises(DataError, match=r"source\.jsonl: the file cannot be read: Permission denied"):
        list(read_records(path))


def test_a_single_object_tells_the_line_of_its_damage(write_lines):
    with pytest.raises(DataError, match=r"x\.json:2: not JSON"):
        read_json(write_lines("{", '"a": }', name="x.json"))
