"""Break stage-2 runs for real, and look at what is left: `make drills` (minutes on an idle machine; no network).

    python scripts/drills.py                       all of them
    python scripts/drills.py --only tool full      some

Every run is a process of its own (`python -m tracer1_agents.training.stage2`, the shipped planner, generated tasks
whose first action is code in a real sandbox). A run that was broken is resumed, and has to end with the weights of one
that nobody disturbed, bit for bit. Ends with exit code 1 where one does not, or where a message is missing. The disk
that is full is a tmpfs, which takes root; without it that drill is left out, and said to be.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

UPDATES: Final = 6
PATIENCE: Final = 900.0  # seconds for one run
SLOW: Final = 0.5  # seconds by which every sandbox starts later, so that there is time to kill its run
SETTINGS: Final = (
    "data={profile: compact, horizon: 8, sources: [{reader: taskgen, count: 60, seed: 5, families: [code_words]}]}",
    "rollout={engine: local, group_size: 4, prompts_per_update: 2, max_new_tokens: 96, temperature: 1.5}",
    f"trainer={{max_steps: {UPDATES}, learning_rate: 1.0e-3, beta: 0.0, micro_batch: 4, save_steps: 2}}",
    "trajectory_weight=0.5",  # rewards that differ within a group, so that every update moves the weights
)
SANDBOX: Final = """#!/bin/sh
echo $$ >> {started}
sleep {slow}
exec {program} "$@"
"""


class DrillFailed(Exception):  # noqa: N818  (an outcome)
    """What came out is not what was promised."""


@dataclass
class Place:
    """Where drills run.

    Attributes:
        folder: For the runs.
        path: Of their processes; its `bwrap` notes each start and is slow.
        started: File with the process id of every sandbox.
        undisturbed: Hash of the weights that a whole run ends with.
    """

    folder: Path
    path: str
    started: Path
    undisturbed: str = field(default="", init=False)

    def run(self, name: str, *changes: str, resume: bool = False) -> subprocess.Popen[str]:
        """Start a run, or go on with it."""
        command = [sys.executable, "-m", "tracer1_agents.training.stage2", "--config", "tiny/stage2"]
        for setting in (*SETTINGS, f"trainer.output_dir={self.folder / name}", *changes):
            command += ["--set", setting]
        environment = {**os.environ, "PATH": self.path, "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(  # noqa: S603  (our own command line)
            [*command, *(["--resume"] if resume else [])],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def finish(self, name: str, *, resume: bool) -> None:
        """Run to the end, and compare the weights with those of the undisturbed run."""
        status, said = ended(self.run(name, resume=resume))
        check(status == 0, f"the run ended with status {status}: {said}")
        check(self.weights(name) == self.undisturbed, "its weights are not those of an undisturbed run")

    def weights(self, name: str) -> str:
        """Hash of what a run wrote."""
        return hashlib.sha256(self.folder.joinpath(name, "model", "model.safetensors").read_bytes()).hexdigest()

    def sandboxes(self) -> list[int]:
        """Process ids of the sandboxes that were started so far."""
        return [int(line) for line in self.started.read_text(encoding="utf-8").split()]


def drill_two_runs(place: Place) -> str:
    """A second run on the folder of one that is under way; the first one is the undisturbed run of all drills."""
    first = place.run("undisturbed")
    wait_until(first, (place.folder / "undisturbed" / "log.jsonl").exists)
    first.send_signal(signal.SIGSTOP)  # under way for as long as the second takes to come
    try:
        status, said = ended(place.run("undisturbed"))
    finally:
        first.send_signal(signal.SIGCONT)
    check(status == 1 and "another run is writing to" in said, f"the second ended with status {status}: {said}")
    status, said = ended(first)
    check(status == 0, f"the first ended with status {status}: {said}")
    place.undisturbed = place.weights("undisturbed")
    lines = log_lines(place.folder / "undisturbed")
    moved = [line["weights/change"] for line in lines if line["event"] == "train"]
    check(len(moved) == UPDATES and max(moved) > 0, f"nothing was learnt: {moved}")
    return "the second was refused with status 1, the first was not disturbed"


def drill_generation(place: Place) -> str:
    """`kill -9` while replies are drawn."""
    run = place.run("generation")
    wait_until(run, lambda: last_update(place.folder / "generation") >= 3)  # noqa: PLR2004  (beyond a checkpoint)
    before = len(place.sandboxes())
    time.sleep(0.05)
    kill(run)
    check(len(place.sandboxes()) == before, "a tool had been started already; run the drill again")
    return resumed(place, "generation")


def drill_tool(place: Place) -> str:
    """`kill -9` while a first action is carried out in its sandbox."""
    run = place.run("tool")
    wait_until(run, lambda: last_update(place.folder / "tool") >= 3)  # noqa: PLR2004  (beyond a checkpoint)
    before = len(place.sandboxes())
    wait_until(run, lambda: len(place.sandboxes()) > before)
    kill(run)
    under_way = place.sandboxes()[before:]
    wait_until(None, lambda: not any(Path(f"/proc/{one}").exists() for one in under_way))
    return f"{len(under_way)} sandboxes were starting and ended with it; " + resumed(place, "tool")


def drill_checkpoint(place: Place) -> str:
    """`kill -9` while a checkpoint is written."""
    run = place.run("checkpoint")
    half = place.folder / "checkpoint" / "checkpoint-4"
    wait_until(run, lambda: half.exists() and any(half.iterdir()), every=0.001)
    kill(run)
    check(not (half / "complete").exists(), "the checkpoint was whole already; run the drill again")
    left = ", ".join(sorted(path.name for path in half.iterdir()))
    outcome = resumed(place, "checkpoint")
    check(half.with_name("partial-checkpoint-4").is_dir(), "the half-written checkpoint was not put aside")
    return f"half-written ({left}), put aside; " + outcome


def drill_full(place: Place) -> str:
    """A disk that is full at the second checkpoint."""
    if os.geteuid() != 0:
        return "LEFT OUT: mounting a tmpfs takes root"
    folder = place.folder / "full"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=45m", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:  # noqa: S603  (our own command line)
        return "LEFT OUT: no tmpfs can be mounted here"
    try:
        status, said = ended(place.run("full"))
        check(status == 1 and "the checkpoint at update 4 could not be written" in said, f"status {status}: {said}")
        whole = [path.name for path in folder.iterdir() if (path / "complete").exists()]
        check(whole == ["checkpoint-2"], f"whole checkpoints: {whole}")
        subprocess.run(["mount", "-o", "remount,size=300m", str(folder)], check=True)  # noqa: S603, S607  (as above)
        return "status 1, the message names folder and update; room made: " + resumed(place, "full")
    finally:
        subprocess.run(["umount", str(folder)], check=True)  # noqa: S603, S607  (as above)


def drill_group(place: Place) -> str:
    """Group sizes that cannot be."""
    for change, wanted in (
        ("rollout.group_size=1", "rollout.group_size"),
        ("rollout.group_size=3", "choose trainer.micro_batch so that"),
    ):
        status, said = ended(place.run("group", change))
        check(status == 1 and wanted in said, f"{change}: status {status}: {said}")
    check(not (place.folder / "group" / "log.jsonl").exists(), "a refused run wrote a log")
    return "refused with status 1 before anything was trained, with the key to change"


DRILLS: Final[dict[str, Callable[[Place], str]]] = {
    "group": drill_group,
    "two-runs": drill_two_runs,
    "generation": drill_generation,
    "tool": drill_tool,
    "checkpoint": drill_checkpoint,
    "full": drill_full,
}
_ALONE: Final = frozenset({"group", "two-runs"})  # need no undisturbed run before them


def resumed(place: Place, name: str) -> str:
    """Go on with a broken run; what was lost and what came of it."""
    done = last_update(place.folder / name)
    place.finish(name, resume=True)
    starts = [line["step"] for line in log_lines(place.folder / name) if line["event"] == "start"]
    check(len(starts) == 2 and starts[1] >= done - 2, f"resumed at {starts}, update {done} was done")  # noqa: PLR2004
    return f"{done} updates were done, resumed from {starts[1]}, weights equal"


def kill(run: subprocess.Popen[str]) -> None:
    """As the kernel does it when memory is short."""
    run.send_signal(signal.SIGKILL)
    run.communicate()


def ended(run: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit status and the error message of a run that is let be."""
    _, said = run.communicate(timeout=PATIENCE)
    return run.returncode, next((line for line in said.splitlines() if line.startswith("error")), said[-500:])


def wait_until(run: subprocess.Popen[str] | None, happened: Callable[[], bool], *, every: float = 0.01) -> None:
    """Wait for something while a run goes on."""
    deadline = time.monotonic() + PATIENCE
    while not happened():
        check(run is None or run.poll() is None, "the run ended before it could be broken")
        check(time.monotonic() < deadline, f"nothing happened within {PATIENCE:g} s")
        time.sleep(every)


def log_lines(folder: Path) -> list[dict[str, Any]]:
    """Whole lines of a run's log."""
    path = folder / "log.jsonl"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line) for line in text.splitlines() if line.endswith("}")]


def last_update(folder: Path) -> int:
    """Updates that a run has logged."""
    return max((line["step"] for line in log_lines(folder) if line["event"] == "train"), default=0)


def check(holds: bool, problem: str) -> None:  # noqa: FBT001  (as assert)
    """Fail the drill unless a promise holds."""
    if not holds:
        raise DrillFailed(problem)


@contextmanager
def workplace() -> Iterator[Place]:
    """A folder for the runs, with a slow `bwrap` in front of the real one."""
    program = shutil.which("bwrap")
    if program is None:
        msg = "the drills need bubblewrap (make system installs it)"
        raise DrillFailed(msg)
    with tempfile.TemporaryDirectory(prefix="tracer1-drills-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)  # sandboxes are started as nobody
        started, slow = folder / "started", folder / "bin" / "bwrap"
        started.touch()
        started.chmod(0o666)
        slow.parent.mkdir()
        slow.write_text(SANDBOX.format(started=started, slow=SLOW, program=program), encoding="utf-8")
        slow.chmod(0o755)
        yield Place(folder, f"{slow.parent}:{os.environ['PATH']}", started)


def main(argv: list[str] | None = None) -> int:
    """Run the drills, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=DRILLS, default=list(DRILLS), help="which (default: all)")
    chosen = set(parser.parse_args(argv).only)
    if chosen - _ALONE:
        chosen.add("two-runs")
    failed = 0
    with workplace() as place:
        for name in (name for name in DRILLS if name in chosen):
            began = time.monotonic()
            try:
                outcome = DRILLS[name](place)
            except (DrillFailed, subprocess.TimeoutExpired) as problem:
                outcome, failed = f"FAILED: {problem}", failed + 1
            print(f"{name} ({time.monotonic() - began:.0f} s): {outcome}", flush=True)
            if name == "two-runs" and not place.undisturbed:
                print("the other drills need the weights of an undisturbed run")
                break
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
