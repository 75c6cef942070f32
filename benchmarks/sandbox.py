"""What a sandbox costs beside a bare interpreter: cold start to the first result, a warm run, episodes of five runs.

A pool is full when its sessions are timed, and starts the next workers meanwhile. Every way once a round in turning
order; wall time. `python -I` starts, prints one result and ends (cold), or answers one line of code after another over
its pipes (warm), with nothing kept in: ``python benchmarks/sandbox.py``.
"""
# ruff: noqa: INP001, T201  (a program; what it prints is its result)

from __future__ import annotations

import os
import subprocess
import time
from statistics import median
from typing import TYPE_CHECKING, Final

from paired import ROUNDS, Timing, measured, ratios, spread

from tracer1_agents.sandboxes.bubblewrap import BubblewrapSandbox
from tracer1_agents.sandboxes.pool import SandboxPool

if TYPE_CHECKING:
    from tracer1_agents.sandboxes.session import WorkerSession

PYTHON: Final = "/usr/bin/python3"  # what the sandbox runs, too
STARTS, RUNS, EPISODES, LENGTH = 5, 200, 5, 5
LOADED_SECONDS: Final = 1.0  # that the newest worker of a pool gets to load
LOOP: Final = "import sys\nspace = {}\nfor line in sys.stdin:\n    print(eval(line, space), flush=True)\n"


def main() -> None:
    """Print medians and ratios with their intervals."""
    sandbox = BubblewrapSandbox()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with sandbox.open() as session, _bare() as bare:
        cold = measured({"python -I": cold_bare, "bubblewrap": lambda: cold_sandbox(sandbox)})
        warm = measured({"python -I": lambda: warm_bare(bare), "bubblewrap": lambda: warm_sandbox(session)})
    episodes = measured({"python -I": episodes_bare, "bubblewrap": lambda: episodes_sandbox(sandbox)})
    for name, timings, count, unit in (
        ("a session from a pool", pooled(sandbox), STARTS, 1e3),
        ("cold start to the first result", cold, STARTS, 1e3),
        ("a warm run", warm, RUNS, 1e3),
    ):
        plain, inside = timings["python -I"].wall, timings["bubblewrap"].wall
        each = f"python -I {median(plain) / count * unit:.2f} ms, bubblewrap {median(inside) / count * unit:.2f} ms"
        print(f"{name}: {each}; ratio {spread(ratios(inside, plain))}, {ROUNDS} rounds of {count}")
    plain, inside = episodes["python -I"].wall, episodes["bubblewrap"].wall
    rates = f"python -I {EPISODES / median(plain):.1f}, bubblewrap {EPISODES / median(inside):.1f}"
    print(f"episodes of {LENGTH} runs a second: {rates}; ratio of times {spread(ratios(inside, plain))}")


def cold_bare() -> None:
    """A process that prints one result."""
    for _ in range(STARTS):
        subprocess.run([PYTHON, "-I", "-c", "print(6 * 7)"], check=True, capture_output=True)  # noqa: S603


def pooled(sandbox: BubblewrapSandbox) -> dict[str, Timing]:
    """Sessions from a full pool, beside bare processes of the same round."""
    timings = {"python -I": Timing(), "bubblewrap": Timing()}
    with SandboxPool(sandbox, size=STARTS) as pool:
        for _ in range(ROUNDS):
            while pool.waiting < STARTS:
                time.sleep(0.01)
            time.sleep(LOADED_SECONDS)
            for name, work in (("bubblewrap", lambda: cold_sandbox(pool)), ("python -I", cold_bare)):
                began = time.perf_counter()
                work()
                timings[name].wall.append(time.perf_counter() - began)
    return timings


def cold_sandbox(sandbox: BubblewrapSandbox | SandboxPool) -> None:
    """A session with one run."""
    for _ in range(STARTS):
        with sandbox.open() as session:
            _checked(session, 42)


def warm_bare(bare: subprocess.Popen[str]) -> None:
    """Lines of code to a process that waits for them."""
    for _ in range(RUNS):
        _ask(bare)


def warm_sandbox(session: WorkerSession) -> None:
    """Runs in an open session."""
    for _ in range(RUNS):
        _checked(session, 42)


def episodes_bare() -> None:
    """A process and some lines of code each."""
    for _ in range(EPISODES):
        with _bare() as bare:
            for _ in range(LENGTH):
                _ask(bare)


def episodes_sandbox(sandbox: BubblewrapSandbox) -> None:
    """A session and some runs each."""
    for _ in range(EPISODES):
        with sandbox.open() as session:
            for _ in range(LENGTH):
                _checked(session, 42)


def _checked(session: WorkerSession, expected: int) -> None:
    result = session.run("6 * 7")
    if result.value != str(expected):
        problem = f"the sandbox answered {result}"
        raise RuntimeError(problem)


def _bare() -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603
        [PYTHON, "-I", "-c", LOOP], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _ask(bare: subprocess.Popen[str]) -> None:
    if bare.stdin is None or bare.stdout is None:
        raise AssertionError
    bare.stdin.write("6 * 7\n")
    bare.stdin.flush()
    if bare.stdout.readline() != "42\n":
        problem = "the bare interpreter gave another answer"
        raise RuntimeError(problem)


if __name__ == "__main__":
    main()
