"""`tracer1 show`: its arguments, and which module of the viewer does the work."""

from __future__ import annotations

from os.path import realpath  # unlike Path.resolve, it takes links that lead round in a circle
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tracer1_agents.errors import ConfigurationError
from tracer1_agents.viewer.plain import harmless, tell

if TYPE_CHECKING:
    import argparse

    from tracer1_agents.viewer.episodes import Run
    from tracer1_agents.viewer.pictures import Pictures

_TOLD: Final = 5  # lines of a file that are no results; of another version's file that is every one


def add_show(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The arguments of `tracer1 show`."""
    show = commands.add_parser("show", help="forecasts against what happened, step by step")
    show.add_argument("run", type=Path, metavar="RUN.jsonl", help="results, as examples/gaia_agent.py writes them")
    show.add_argument("--task", metavar="ID", help="the task to show in full (default: the list, or the only task)")
    show.add_argument("--html", type=Path, metavar="OUT.html", help="write one page that needs nothing else")
    show.add_argument("--serve", action="store_true", help="the page in a browser of this machine, as the run grows")
    show.add_argument("--port", type=int, help="of --serve (default: any free one)")
    show.add_argument("--against", type=Path, metavar="RUN2.jsonl", help="another run beside it (--html, --serve)")
    show.add_argument("--blobs", type=Path, metavar="DIR", help="the store of the run's screenshots, where it has one")
    show.add_argument("--pictures", type=float, metavar="MB", help="of screenshots that a page takes (default: 64)")
    show.set_defaults(command=run_show)


def run_show(parsed: argparse.Namespace) -> int:
    """`tracer1 show`; returns the exit code."""
    if parsed.serve:
        return _serve(parsed)
    files = _run_files(parsed)
    runs = [_read_run(path, parsed.task) for path in files]
    for problem in (problem for run in runs for problem in run.problems):
        tell(problem)
    if parsed.html is None:
        from tracer1_agents.viewer.terminal import show  # noqa: PLC0415  (needs an extra)

        show(runs[0].episodes, parsed.task)
        return 0
    from tracer1_agents.viewer.html import write_page  # noqa: PLC0415  (only this command)

    for path, run in zip(files, runs, strict=True):
        if run.problems and not run.episodes:
            msg = f"{path}: no line of it is a result, so no page is written; is it the results file of a run?"
            raise ConfigurationError(msg)
    write_page(runs, _pictures(parsed), parsed.html)
    size = parsed.html.stat().st_size / 1e6
    print(harmless(f"{parsed.html}: {size:.1f} MB; it carries the run's texts and screenshots"))  # noqa: T201
    return 0


def _run_files(parsed: argparse.Namespace) -> list[Path]:
    page = parsed.html is not None or parsed.serve
    if not page and (parsed.against or parsed.blobs or parsed.pictures is not None):
        msg = "--against, --blobs and --pictures belong to a page; add --html OUT.html or --serve"
        raise ConfigurationError(msg)
    if parsed.port is not None and not parsed.serve:
        msg = f"--port {parsed.port} belongs to --serve; add it, or leave --port out"
        raise ConfigurationError(msg)
    files = [parsed.run] if parsed.against is None else [parsed.run, parsed.against]
    if parsed.html is not None and realpath(parsed.html) in map(realpath, files):
        msg = f"--html {parsed.html} is the run itself; name another file"
        raise ConfigurationError(msg)
    return files


def _read_run(path: Path, task: str | None) -> Run:
    from tracer1_agents.evals.results import read_results, read_setup  # noqa: PLC0415  (only this command)
    from tracer1_agents.viewer.episodes import Run, find_episode  # noqa: PLC0415

    results, problems = read_results(path)
    episodes = results if task is None else [find_episode(results, task)]
    more = [f"{path}: and {len(problems) - _TOLD:,} more lines that are no results"] if len(problems) > _TOLD else []
    return Run(path.name, episodes, [*problems[:_TOLD], *more], read_setup(path))


def _pictures(parsed: argparse.Namespace) -> Pictures:
    from tracer1_agents.blobs import BlobStore  # noqa: PLC0415  (only this command)
    from tracer1_agents.viewer.pictures import TOTAL_MB, Pictures  # noqa: PLC0415

    if parsed.blobs is not None and not parsed.blobs.is_dir():
        msg = f"--blobs {parsed.blobs}: no such folder"
        raise ConfigurationError(msg)
    limit = TOTAL_MB if parsed.pictures is None else parsed.pictures
    return Pictures(BlobStore(parsed.blobs) if parsed.blobs else None, total_mb=limit)


def _serve(parsed: argparse.Namespace) -> int:
    from tracer1_agents.viewer.server import serve_page  # noqa: PLC0415  (only this command)

    if parsed.html is not None:
        msg = "--html writes a page, --serve shows one that grows; choose one of them"
        raise ConfigurationError(msg)
    files = _run_files(parsed)

    def load() -> list[Run]:
        return [_read_run(path, parsed.task) for path in files]

    def stamp() -> list[tuple[int, int]]:
        return [(file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.exists()]

    load()  # what cannot be read is told at once, not to a browser
    port = parsed.port or 0
    serve_page(load, stamp, _pictures(parsed), port=port, announce=lambda address: print(address, flush=True))  # noqa: T201
    return 0
