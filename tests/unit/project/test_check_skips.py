"""The script that counts skipped tests, on reports that pytest wrote."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "scripts" / "check_skips.py"
REPORT = """<?xml version="1.0" encoding="utf-8"?><testsuites><testsuite name="pytest" skipped="3">
<testcase classname="a" name="one"/>
<testcase classname="a" name="two"><skipped type="pytest.skip" message="the program tesseract is not installed"/>
</testcase>
<testcase classname="a" name="three"><skipped type="pytest.skip" message="bubblewrap does not work here: x"/></testcase>
<testcase classname="a" name="four"><skipped type="pytest.xfail" message="known"/></testcase>
</testsuite></testsuites>"""


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("check_skips", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def report(tmp_path):
    path = tmp_path / "junit.xml"
    path.write_text(REPORT, encoding="utf-8")
    return str(path)


def test_skips_are_read_and_expected_failures_are_not_skips(script, report):
    assert script.skip_reasons(report) == [
        "the program tesseract is not installed",
        "bubblewrap does not work here: x",
    ]


@pytest.mark.parametrize(
    ("installed", "wrong"),
    [
        ((), []),
        (("tesseract",), ["the program tesseract is not installed"]),
        (("bwrap",), ["bubblewrap does not work here: x"]),
        (("deno",), []),
    ],
)
def test_a_skip_for_an_installed_program_is_wrong(script, report, installed, wrong):
    reasons = script.skip_reasons(report)
    assert script.wrongly_skipped(reasons, lambda name: name if name in installed else None) == wrong


def test_other_reasons_are_fine(script):
    assert script.wrongly_skipped(["TRACER1_DATA is not set", "denominator"], lambda name: name) == []


@pytest.mark.parametrize(("path", "code"), [(None, 0), ("/bin/it", 1)])
def test_the_count_is_printed_and_the_exit_code_tells(script, report, capsys, path, code):
    assert script.main([report], lambda name: path) == code
    captured = capsys.readouterr()
    assert captured.out.startswith("skipped tests: 2\n")
    assert ("although the program is installed" in captured.err) == bool(code)


def test_no_report_is_said(script, tmp_path, capsys):
    assert script.main([str(tmp_path / "none.xml")]) == 2
    assert "make one with pytest --junitxml" in capsys.readouterr().err
