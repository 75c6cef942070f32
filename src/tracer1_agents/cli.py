"""`tracer1`: argument parsing only; each command hands over to the module that does the work.

What went wrong on purpose (`Tracer1Error`), with a file, or with writing (`OSError`), ends with its message on standard
error and exit code 2; Ctrl-C with 130, SIGTERM with 143.
"""

from __future__ import annotations

import argparse
import errno
import io
import json
import os
import signal
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tracer1_agents import __version__
from tracer1_agents.errors import ConfigurationError, Tracer1Error
from tracer1_agents.evals.command import add_eval, add_report
from tracer1_agents.evals.show import add_show
from tracer1_agents.viewer.plain import harmless, tell

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tracer1_agents.actions.coordinates import Size
    from tracer1_agents.data.readers.base import Reader
    from tracer1_agents.errors import DataError

_INTERRUPTED = 128 + signal.SIGINT  # as shells count
_TERMINATED = 128 + signal.SIGTERM
_UNWRITABLE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: Without the program's name; None: those of the process.

    Returns:
        Exit code.
    """
    _never_fail_to_print()
    parsed = _parser().parse_args(arguments)
    terminated = threading.Event()
    try:
        with _as_ctrl_c(terminated):
            code: int = parsed.command(parsed)
            _flush()
    except Tracer1Error as error:
        tell(str(error))
        return 2
    except KeyboardInterrupt:
        return _TERMINATED if terminated.is_set() else _INTERRUPTED
    except BrokenPipeError:  # whoever read the output, such as `head`, has seen enough
        _print_no_more()
        return 1
    except OSError as error:
        told = _about_file(error)
        if not told:  # not about what the command was given
            raise
        _print_no_more()
        tell(told)
        return 2
    return code


def _about_file(error: OSError) -> str:
    """What went wrong with which file, of one that takes another's place with that, or with writing; else empty."""
    what = error.strerror or type(error).__name__
    if error.filename is not None:
        return f"{error.filename2 or error.filename}: {what}"
    if error.errno in _UNWRITABLE:  # a write knows no name
        return f"what was being written, a file or this output, is not whole: {what}; make room and call again"
    return ""


def _flush() -> None:
    if sys.stdout is not None:  # a caller may have closed it
        sys.stdout.flush()


def _print_no_more() -> None:
    """What is still to be printed goes nowhere, if it cannot be printed."""
    try:
        _flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _as_ctrl_c(terminated: threading.Event) -> Iterator[None]:
    """A command that is told to end (SIGTERM) unwinds, so that browsers, sandboxes and temporary folders go with it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(*_: object) -> None:
        terminated.set()
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job
            signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.raise_signal(signal.SIGINT)  # which event loops know how to end with

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _never_fail_to_print() -> None:
    """A terminal that cannot show a character gets its escape, not a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tracer1", description="Look at runs, and at what works on this machine.")
    parser.add_argument("--version", action="version", version=f"tracer1-agents {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    add_show(commands)
    doctor = commands.add_parser("doctor", help="what is installed, what is missing, and how to get it")
    doctor.add_argument("--json", action="store_true", help="for programs")
    doctor.set_defaults(command=_doctor)
    clean = commands.add_parser("clean", help="delete runs with their traces, and stores of screenshots")
    clean.add_argument("path", type=Path, nargs="+", metavar="PATH", help="RUN.jsonl, or the folder of a store")
    clean.set_defaults(command=_clean)
    _add_data(commands)
    add_eval(commands)
    add_report(commands)
    _add_ground(commands)
    _add_sandbox(commands)
    return parser


def _add_sandbox(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sandbox = commands.add_parser("sandbox", help="where code runs: attack it, set it up")
    tasks = sandbox.add_subparsers(required=True, metavar="TASK")
    check = tasks.add_parser("check", help="run the attack suite here; exit code 1 where one gets through")
    check.add_argument(
        "--backend", metavar="B", help="bubblewrap, pyodide, docker or e2b (default: the one that code would run in)"
    )
    check.add_argument("--image", metavar="I", help="with --backend docker: the image to attack, which must be there")
    check.set_defaults(command=_sandbox_check)
    setup = tasks.add_parser("setup", help="fetch Pyodide once, for machines without bubblewrap (needs Deno)")
    setup.set_defaults(command=_sandbox_setup)


def _add_data(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    data = commands.add_parser("data", help="published trajectories: check, convert, describe")
    tasks = data.add_subparsers(required=True, metavar="TASK")
    for name, command, told in (
        ("validate", _data_validate, "count, list problems by line, and score the references against themselves"),
        ("export", _data_export, "write the canonical form, one trajectory a line"),
        ("stats", _data_stats, "lengths, kinds, boxes and flags"),
    ):
        task = tasks.add_parser(name, help=told)
        task.add_argument("source", metavar="SOURCE", help="the format: agentnet, androidcontrol, mind2web, ...")
        task.add_argument("path", type=Path, metavar="PATH", help="the file, or a folder with files of the format")
        task.add_argument("--images", type=Path, metavar="DIR", help="its screenshots; then each missing one is told")
        task.add_argument(
            "--screen", type=_screen, metavar="WxH", help="pixels of the screen, where nothing tells them"
        )
        task.add_argument("--keep-open", action="store_true", help="append no end to records that lack theirs")
        task.add_argument("--drop", action="append", default=[], metavar="FLAG", help="leave out steps with this flag")
        task.add_argument("--split", metavar="NAME", help="part of the set, as its own split files name it")
        task.add_argument("--blobs", type=Path, metavar="DIR", help="store pictures there that stand inside the source")
        task.add_argument("--checksums", action="store_true", help="verify checksums that take long, too")
        task.add_argument("--trees", action="store_true", help="read accessibility trees, where the source has them")
        task.add_argument("--strict", action="store_true", help="exit code 1 on a problem or a bad gold_score")
        task.add_argument(
            "--plugin", action="append", default=[], metavar="MODULE", help="import it first: it registers SOURCE"
        )
        task.set_defaults(command=command)
        if name == "validate":
            task.add_argument("--json", action="store_true", help="for programs")
            task.add_argument("--horizon", type=int, default=10, metavar="T", help="steps in a window (default: 10)")
        if name == "export":
            task.add_argument("--out", type=Path, required=True, metavar="F.jsonl", help="the file to write")
    fetch = tasks.add_parser("fetch", help="published samples at pinned commits; without a name, what there is")
    fetch.add_argument("name", nargs="?", metavar="NAME", help="the sample: androidcontrol, mind2web, ...")
    fetch.add_argument("--out", type=Path, metavar="DIR", help="the files go to DIR/NAME")
    fetch.set_defaults(command=_data_fetch)
    _add_miniwob(tasks)


def _add_miniwob(tasks: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    task = tasks.add_parser("miniwob", help="demonstrations of MiniWoB++ tasks, by scripted oracles in a real browser")
    task.add_argument("--list", action="store_true", help="name the tasks, their groups and reasons, and stop")
    task.add_argument("--out", type=Path, metavar="DIR", help="DIR/miniwob.jsonl and DIR/blobs are written")
    task.add_argument("--tasks", nargs="+", default=[], metavar="NAME", help="default: every named task")
    task.add_argument("--seeds", type=int, default=10, metavar="N", help="episodes per task (default: 10)")
    task.add_argument(
        "--first-seed", type=int, metavar="S", help="default: the first training seed; test seeds are refused"
    )
    task.add_argument("--no-screenshots", action="store_true", help="text observations only")
    task.add_argument("--concurrency", type=int, default=1, metavar="N", help="pages at one time (default: 1)")
    task.add_argument(
        "--variants", type=int, metavar="N", help="play nothing; N copies of what DIR has, with other words"
    )
    task.set_defaults(command=_data_miniwob)


def _add_ground(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    ground = commands.add_parser("ground", help="one grounding, with the point drawn on a copy of the screenshot")
    ground.add_argument("image", type=Path, metavar="IMAGE", help="the screenshot")
    ground.add_argument("instruction", metavar="INSTRUCTION", help='such as "click the search field"')
    ground.add_argument("--base-url", default="", help="an OpenAI-compatible endpoint that serves --model")
    ground.add_argument("--model", default="", help="as the endpoint calls it")
    ground.add_argument(
        "--profile", default="", help="ui-tars, ui-tars-1.5, qwen3-vl, gui-owl, ... (default: by model)"
    )
    ground.add_argument("--frame", default="", help="what its numbers mean: ratio, thousand, pixels, ui-tars-1.5, ...")
    ground.add_argument("--grounder", default="model", choices=("model", "ocr", "elements"), help="default: model")
    ground.add_argument("--elements", type=Path, metavar="FILE", help="the list that --grounder elements matches")
    ground.add_argument("--drag", action="store_true", help="find both ends of a drag")
    ground.add_argument("--whole-action", action="store_true", help="let the model say what to do as well")
    ground.add_argument("--platform", default="computer", choices=("computer", "mobile"), help="default: computer")
    ground.add_argument("--out", type=Path, metavar="FILE.png", help="a copy of the screenshot with the point")
    ground.set_defaults(command=_ground)


def _screen(text: str) -> Size:
    from tracer1_agents.actions.coordinates import Size  # noqa: PLC0415  (only these commands)

    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        msg = f"a screen is written like 1080x2400, got {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return Size(int(width), int(height))


def _ground(parsed: argparse.Namespace) -> int:
    from tracer1_agents.viewer import grounding  # noqa: PLC0415  (needs extras)

    given = {name: value for name, value in vars(parsed).items() if name not in {"command", "out"}}
    question = grounding.Question(**given)
    answer, size = grounding.ground(question)
    print(grounding.report(answer, size))  # noqa: T201  (a command line)
    points = grounding.placed(answer)
    if parsed.out is not None and points:
        grounding.draw(parsed.image, points, parsed.out)
        print(harmless(f"drawn       {parsed.out}"))  # noqa: T201
    return 0 if answer.execution.ok else 1


def _doctor(parsed: argparse.Namespace) -> int:
    from tracer1_agents import doctor  # noqa: PLC0415  (only this command)

    findings = doctor.examine()
    text = json.dumps(doctor.as_json(findings), indent=2) if parsed.json else doctor.render(findings)
    print(text)  # noqa: T201  (a command line)
    return 0


def _reader(parsed: argparse.Namespace) -> Reader:
    from tracer1_agents.data.readers.base import ReaderOptions  # noqa: PLC0415  (only these commands)
    from tracer1_agents.data.readers.registry import reader_named  # noqa: PLC0415
    from tracer1_agents.data.registering import import_plugin  # noqa: PLC0415

    for module in parsed.plugin:
        import_plugin(module)
    options = ReaderOptions(
        images=parsed.images,
        screen=parsed.screen,
        add_finish=not parsed.keep_open,
        drop_flags=frozenset(parsed.drop),
        blobs=parsed.blobs,
        split=parsed.split,
        checksums=parsed.checksums,
        trees=parsed.trees,
    )
    return reader_named(parsed.source, options)


def _verdict(parsed: argparse.Namespace, trajectories: int, problems: Sequence[DataError]) -> int:
    """Exit code of a command that read a source: some problems are told, nothing but problems is a failure."""
    if problems and not trajectories:
        tell(f"{parsed.path}: nothing in it could be read as {parsed.source}; the first problem: {problems[0]}")
        return 1
    return 1 if parsed.strict and problems else 0


def _data_validate(parsed: argparse.Namespace) -> int:
    from tracer1_agents.evals import validation  # noqa: PLC0415  (only this command)

    found = validation.validate(_reader(parsed), parsed.path, parsed.horizon)
    as_json = json.dumps(validation.as_json(found), indent=2)
    print(as_json if parsed.json else harmless(validation.as_text(found)))  # noqa: T201  (a command line)
    failures = validation.failures(found) if parsed.strict else []
    for failure in failures:
        tell(f"{parsed.path}: {failure}")
    return 1 if failures else _verdict(parsed, found.counts.trajectories, found.counts.problems)


def _data_stats(parsed: argparse.Namespace) -> int:
    from tracer1_agents.data import commands  # noqa: PLC0415  (only this command)

    counts = commands.tally(_reader(parsed), parsed.path)
    print(harmless(commands.stats_text(counts)))  # noqa: T201  (a command line)
    return _verdict(parsed, counts.trajectories, counts.problems)


def _data_export(parsed: argparse.Namespace) -> int:
    from tracer1_agents.data import commands  # noqa: PLC0415  (only this command)

    count, problems = commands.export(_reader(parsed), parsed.path, parsed.out)
    for problem in problems:
        tell(str(problem))
    print(f"{count} trajectories in {harmless(str(parsed.out))}")  # noqa: T201
    return _verdict(parsed, count, problems)


def _data_miniwob(parsed: argparse.Namespace) -> int:
    from tracer1_agents.data.miniwob import collect, demonstrate  # noqa: PLC0415  (only this command)

    if parsed.list:
        print(demonstrate.listing())  # noqa: T201  (a command line)
        return 0
    if parsed.out is None:
        msg = "say where the demonstrations should go: tracer1 data miniwob --out DIR"
        raise ConfigurationError(msg)
    if parsed.variants is not None:
        print(f"{collect.write_variants(parsed.out, parsed.variants)} variants in {harmless(str(parsed.out))}")  # noqa: T201
        return 0
    count, lost = collect.demonstrate(
        parsed.out,
        parsed.tasks,
        parsed.seeds,
        first_seed=parsed.first_seed,
        screenshots=not parsed.no_screenshots,
        concurrency=parsed.concurrency,
    )
    for episode in lost:
        tell(f"not kept: {episode.task} seed {episode.seed}: {episode.problem or 'not rewarded in full'}")
    print(f"{count} trajectories in {harmless(str(parsed.out))}")  # noqa: T201
    return 1 if lost else 0


def _data_fetch(parsed: argparse.Namespace) -> int:
    from tracer1_agents.data import fetch  # noqa: PLC0415  (only this command)

    if parsed.name is None:
        print(fetch.listing())  # noqa: T201  (a command line)
        return 0
    sample = fetch.sample_named(parsed.name)
    if parsed.out is None:
        msg = f"say where the sample should go: tracer1 data fetch {sample.name} --out DIR"
        raise ConfigurationError(msg)
    for path, fresh in fetch.fetch(sample, parsed.out):
        print(harmless(f"{'fetched' if fresh else 'is there'}  {path}"))  # noqa: T201
    folder = parsed.out / sample.name
    print(harmless(f"{sample.name}: {sample.licence}, {fetch.megabytes(sample.size)} in {folder}"))  # noqa: T201
    if sample.reader:
        print(harmless(f"check it with: tracer1 data validate {sample.reader} {folder}"))  # noqa: T201
    return 0


def _sandbox_check(parsed: argparse.Namespace) -> int:
    from tracer1_agents.sandboxes.attacks import check  # noqa: PLC0415  (only this command)
    from tracer1_agents.sandboxes.choose import working_sandbox  # noqa: PLC0415

    sandbox = working_sandbox(parsed.backend, image=parsed.image)
    findings = []
    for finding in check.check(sandbox):
        print(harmless(check.row(finding)), flush=True)  # noqa: T201  (a command line)
        findings.append(finding)
    print(check.summary(findings))  # noqa: T201
    for open_point in sandbox.capabilities.not_covered:
        print(f"not covered by {sandbox.name}: {open_point}")  # noqa: T201
    return 1 if any(finding.verdict is check.Verdict.FAILED for finding in findings) else 0


def _sandbox_setup(parsed: argparse.Namespace) -> int:
    del parsed
    from tracer1_agents.sandboxes.pyodide import PyodideSandbox  # noqa: PLC0415  (only this command)

    print(PyodideSandbox().set_up())  # noqa: T201  (a command line)
    return 0


def _clean(parsed: argparse.Namespace) -> int:
    from tracer1_agents.blobs import remove_blobs  # noqa: PLC0415  (only this command)
    from tracer1_agents.evals.results import remove_run  # noqa: PLC0415

    for path in parsed.path:
        told = f"{remove_blobs(path)} pictures of {path}" if path.is_dir() else ", ".join(map(str, remove_run(path)))
        print(harmless(f"deleted {told}"))  # noqa: T201  (a command line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
