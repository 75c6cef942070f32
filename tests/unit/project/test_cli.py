"""The command line: exit codes and messages."""

from __future__ import annotations

import errno
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tracer1_agents import __version__, cli, doctor
from tracer1_agents.actions.space import Finish
from tracer1_agents.data.store import write_trajectories
from tracer1_agents.doctor import Finding, State
from tracer1_agents.evals.results import TaskResult
from tracer1_agents.types import ReferenceStep, ReferenceTrajectory

SOURCE = str(Path(__file__).parents[3] / "src")


def write_run(path, *results):
    path.write_text("".join(result.model_dump_json() + "\n" for result in results), encoding="utf-8")
    return str(path)


def test_version(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"tracer1-agents {__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["show"], ["show", "a", "b"], ["fly"]])
def test_wrong_usage_is_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2
    assert "usage: tracer1" in capsys.readouterr().err


def test_show_prints_a_run(tmp_path, capsys):
    run = write_run(tmp_path / "run.jsonl", TaskResult(task_id="t-1", status="data_error", detail="no file"))
    assert cli.main(["show", run]) == 0
    assert "t-1  data_error" in capsys.readouterr().out


def test_a_broken_line_is_reported_and_the_rest_is_shown(tmp_path, capsys):
    run = write_run(tmp_path / "run.jsonl", TaskResult(task_id="t-1", status="loop"))
    with open(run, "a", encoding="utf-8") as file:  # noqa: PTH123  (appends)
        file.write('{"task_id": \n')
    assert cli.main(["show", run]) == 0
    captured = capsys.readouterr()
    assert "run.jsonl:2: not a result" in captured.err
    assert "t-1" in captured.out


def test_own_errors_are_one_message_and_code_2(tmp_path, capsys):
    assert cli.main(["show", str(tmp_path / "none\x1b[2J.jsonl")]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("tracer1: ")
    assert r"none\x1b[2J.jsonl: no such results file" in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""


def test_a_file_that_cannot_be_written_is_one_message_and_code_2(tmp_path, capsys):
    steps = (ReferenceStep(action=Finish(answer="4"), instruction="Report it"),)
    source, taken = tmp_path / "in.jsonl", tmp_path / "taken"
    write_trajectories(source, [ReferenceTrajectory(id="1", source="shop", instruction="How many?", steps=steps)])
    taken.mkdir()
    run = write_run(tmp_path / "run.jsonl", TaskResult(task_id="t-1", status="loop"))
    below = str(source / "x")  # a file is no folder
    for arguments, told in (
        (["data", "export", "store", str(source), "--out", str(taken)], f"{taken}: Is a directory"),
        (["data", "export", "store", str(source), "--out", f"{below}/y"], below),
        (["report", run, "--markdown", f"{below}/y"], below),
    ):
        assert cli.main(arguments) == 2
        error = capsys.readouterr().err
        assert error.startswith("tracer1: ")
        assert told in error
        assert error.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "run.jsonl", "taken"]


def test_a_full_disk_is_one_message_and_code_2(monkeypatch, capsys):
    """A write that fails knows the name of no file."""

    def full():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(doctor, "examine", full)
    assert cli.main(["doctor"]) == 2
    assert "is not whole: No space left on device" in capsys.readouterr().err


def test_an_output_that_is_full_or_closed_is_no_traceback():
    code = (
        "from tracer1_agents import cli, doctor; import sys\n"
        "doctor.examine = lambda: [doctor.Finding('tool', 'a', doctor.State.OK, 'b')]\n"
        "sys.exit(cli.main(['doctor']))"
    )

    def doctored(redirected):
        return subprocess.run(  # noqa: S603  (our own code)
            ["/bin/sh", "-c", f'"$0" -c "$1" {redirected}', sys.executable, code],
            check=False,
            capture_output=True,
            env={**os.environ, "PYTHONPATH": SOURCE},
        )

    closed = doctored(">&-")
    assert (closed.returncode, closed.stderr) == (0, b"")
    if Path("/dev/full").is_char_device():
        full = doctored(">/dev/full")
        assert (full.returncode, full.stderr.count(b"\n")) == (2, 1)
        assert b"No space left on device" in full.stderr


def test_the_module_is_the_command():
    ran = subprocess.run(
        [sys.executable, "-m", "tracer1_agents.cli", "--version"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": SOURCE},
        check=True,
    )
    assert ran.stdout == f"tracer1-agents {__version__}\n"


@pytest.mark.torch
@pytest.mark.parametrize(
    "module",
    [
        "training.warmstart",
        "training.stage1",
        "training.stage2",
        "training.export",
        "experiments",
        "experiments.measure",
        "data.taskgen.bundle",
        "data.taskgen.desk.stats",
        "evals.miniwob_page",
        "evals.card",
    ],
)
def test_usage_is_what_was_typed(module, capsys):
    """argparse would name the file: `stage1.py`, `__main__.py`."""
    pytest.importorskip("torch", reason="torch is not installed")
    name = f"tracer1_agents.{module}"
    main = importlib.import_module(f"{name}.__main__" if module == "experiments" else name).main
    with pytest.raises(SystemExit):
        main(["--help"])
    assert capsys.readouterr().out.startswith(f"usage: python -m {name} ")


def test_a_missing_extra_is_said(tmp_path, capsys, monkeypatch):
    run = write_run(tmp_path / "run.jsonl", TaskResult(task_id="t-1", status="loop"))
    monkeypatch.delitem(sys.modules, "tracer1_agents.viewer.terminal", raising=False)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert cli.main(["show", run]) == 2
    assert 'pip install "tracer1-agents[agents]"' in capsys.readouterr().err


def test_an_interrupt_is_130(monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor, "examine", interrupted)
    assert cli.main(["doctor"]) == 130


def test_a_bug_is_not_hidden(monkeypatch):
    monkeypatch.setattr(doctor, "examine", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cli.main(["doctor"])


def test_doctor_prints_text_or_json(monkeypatch, capsys):
    findings = [Finding("program", "bwrap", State.MISSING, "not on the path", "the sandbox", "apt-get install x")]
    monkeypatch.setattr(doctor, "examine", lambda: findings)
    assert cli.main(["doctor"]) == 0
    assert "missing  bwrap: not on the path; for the sandbox" in capsys.readouterr().out
    assert cli.main(["doctor", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["version"] == __version__
    assert printed["findings"][0] == {
        "section": "program",
        "name": "bwrap",
        "state": "missing",
        "found": "not on the path",
        "gives": "the sandbox",
        "fix": "apt-get install x",
    }


def test_a_reader_that_has_seen_enough_is_no_traceback():
    """`tracer1 doctor | head -1`: the pipe is closed before anything is written."""
    code = (
        "from tracer1_agents import cli, doctor; import sys\n"
        "doctor.examine = lambda: [doctor.Finding('tool', 'a', doctor.State.OK, 'b' * 99_999)]\n"
        "sys.stdin.readline(); sys.exit(cli.main(['doctor']))"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen(  # noqa: S603  (our own code)
        [sys.executable, "-c", code], stdin=pipe, stdout=pipe, stderr=pipe, env={**os.environ, "PYTHONPATH": SOURCE}
    ) as process:
        process.stdout.close()
        process.stdin.write(b"go\n")
        process.stdin.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 1
