"""What works on this machine, what does not, and what to do about it.

`examine` asks the surroundings (installed distributions, programs, sandboxes, devices) and returns findings; `render`
and `as_json` write them down. The extras and what they need are read from the package's own metadata, so they cannot
differ from what pip would install. Nothing is installed or changed; the report is plain text: rich may be missing.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

from packaging.requirements import Requirement

from tracer1_agents import __version__
from tracer1_agents.errors import ConfigurationError, MissingExtraError
from tracer1_agents.sandboxes.choose import DEFAULT_ORDER
from tracer1_agents.sandboxes.docker import DockerSandbox
from tracer1_agents.serving.devices import torch_devices
from tracer1_agents.serving.local import verify_checksums
from tracer1_agents.serving.tiny import SHIPPED, tiny_folder
from tracer1_agents.tools.needs import GTA_NEEDS, HAND_IN, NEEDS, Need, extra_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from tracer1_agents.sandboxes.base import Sandbox

DISTRIBUTION: Final = "tracer1-agents"
_WIDTH: Final = 100
_E2B_VARIABLES: Final = ("E2B_API_KEY", "E2B_API_URL", "E2B_SANDBOX_URL", "E2B_DEBUG")
_HEADINGS: Final = {
    "package": "package",
    "extra": "extras",
    "program": "programs",
    "sandbox": "sandboxes",
    "engine": "engines",
    "tool": "tools of the default toolbox",
    "gta": "tools of GTA (gta_toolbox)",
}

EXTRAS: Final[dict[str, str]] = {
    "agents": "models by name, hosted models, OpenAI-compatible servers, this program's `show`",
    "local": "the planner that ships, and any transformers checkpoint, in this process",
    "tools": "pdf, Office and html files, plots, the equation solver, images, smolagents tools",
    "vision": "faces and cut-outs by OpenCV, diffusion models as tools",
    "train": "warm start and both training stages",
    "e2b": "code in a hosted virtual machine",
    "browser": "web pages as an environment, MiniWoB++",
    "eval": "the agent as an Inspect solver",
    "mcp": "tools of MCP servers",
    "otel": "spans for any OpenTelemetry collector, by environment variables",
    "vllm": "sampling by vLLM in training, on a GPU; it holds torch and transformers to its own versions",
}
_SHORTHANDS: Final = frozenset({"all", "dev"})  # extras that give nothing of their own


@dataclass(frozen=True)
class Program:
    """A program of the system.

    Attributes:
        names: What it may be called.
        gives: What needs it.
        apt: How Debian and Ubuntu get it.
        brew: How macOS gets it; empty where it cannot.
    """

    names: tuple[str, ...]
    gives: str
    apt: str
    brew: str


PROGRAMS: Final = (
    Program(("bwrap",), "the default sandbox for code (Linux)", "apt-get install bubblewrap", ""),
    Program(("tesseract",), "the tool ocr", "apt-get install tesseract-ocr", "brew install tesseract"),
    Program(
        ("chromium", "chromium-browser", "google-chrome"),
        "the browser environment",
        "apt-get install chromium",
        "brew install --cask chromium",
    ),
    Program(("deno",), "the sandbox without kernel features", "pip install deno", "brew install deno"),
)


class State(StrEnum):
    """Of one finding."""

    OK = "ok"
    PARTLY = "partly"
    MISSING = "missing"
    BROKEN = "broken"
    OFF = "off"


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        section: What kind of thing it is.
        name: Of the thing.
        state: OFF means: works, once the caller hands in what `found` names.
        found: Version, path, or what is wrong.
        gives: What it is good for.
        fix: Command or change that brings it; empty where nothing is to be done.
    """

    section: str
    name: str
    state: State
    found: str
    gives: str = ""
    fix: str = ""


def _installed(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _own_requirements() -> list[str]:
    try:
        return metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return []


@dataclass(frozen=True)
class Surroundings:
    """Where the answers come from; tests hand in others.

    Attributes:
        version: Installed version of a distribution, None where it is missing.
        requirements: Of this package, as its metadata states them.
        which: Path of a program, None where it is missing.
        sandboxes: To try.
        docker: To try where its program is there.
        environment: Variables of this process; their names alone are looked at.
        devices: Of torch.
        planners: Folder of the planners that ship.
        system: As `sys.platform`.
    """

    version: Callable[[str], str | None] = _installed
    requirements: Sequence[str] = field(default_factory=_own_requirements)
    which: Callable[[str], str | None] = shutil.which
    sandboxes: Sequence[Callable[[], Sandbox]] = DEFAULT_ORDER
    docker: Callable[[], Sandbox] = DockerSandbox
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    devices: Callable[[], list[str]] = torch_devices
    planners: Path = field(default_factory=lambda: tiny_folder().parent)
    system: str = sys.platform


def examine(surroundings: Surroundings | None = None) -> list[Finding]:
    """Look at everything; takes a few seconds (torch is loaded, each sandbox runs a line of code)."""
    here = surroundings or Surroundings()
    with ThreadPoolExecutor() as pool:
        devices = pool.submit(_devices, here)
        docker = pool.submit(_docker, here)
        trials = [pool.submit(_try_sandbox, make) for make in here.sandboxes]
        sandboxes = [trial.result() for trial in trials]
        return [
            *_package(here),
            *_programs(here),
            *sandboxes,
            docker.result(),
            _e2b(here),
            *(_planner(name, here.planners / name) for name in SHIPPED),
            devices.result(),
            *_tools(here, sandboxes),
        ]


def _package(here: Surroundings) -> Iterator[Finding]:
    requirements = [Requirement(text) for text in here.requirements]
    base = [item for item in requirements if item.marker is None or item.marker.evaluate({"extra": ""})]
    yield Finding("package", "python", State.OK, platform.python_version())
    if not requirements:
        problem = f"{__version__} runs from a folder and is not installed, so its extras are not known"
        yield Finding("package", DISTRIBUTION, State.PARTLY, problem, fix=f"pip install {DISTRIBUTION}")
        return
    yield _group(here, "package", f"{DISTRIBUTION} {__version__}", base, fix=f"pip install --upgrade {DISTRIBUTION}")
    for extra, gives in EXTRAS.items():
        wanted = [item for item in requirements if item not in base and _belongs(item, extra)]
        yield _group(here, "extra", extra, wanted, gives=gives, fix=f'pip install "{DISTRIBUTION}[{extra}]"')


def _belongs(requirement: Requirement, extra: str) -> bool:
    """Whether that extra brings the requirement on this machine."""
    return requirement.marker is not None and requirement.marker.evaluate({"extra": extra})


def _group(
    here: Surroundings, section: str, name: str, wanted: Sequence[Requirement], *, gives: str = "", fix: str
) -> Finding:
    """Several distributions that only help together."""
    present, absent = [], []
    for requirement in wanted:
        if requirement.name == DISTRIBUTION:
            continue  # another extra of ours, which has a line of its own
        version = here.version(requirement.name)
        if version is None:
            absent.append(requirement.name)
        elif not requirement.specifier.contains(version, prereleases=True):
            absent.append(f"{requirement.name} {requirement.specifier} (found {version})")
        else:
            present.append(f"{requirement.name} {version}")
    if not absent:
        return Finding(section, name, State.OK, ", ".join(present), gives)
    state = State.PARTLY if present else State.MISSING
    return Finding(section, name, state, f"needs {', '.join(absent)}", gives, fix)


def _programs(here: Surroundings) -> Iterator[Finding]:
    for program in PROGRAMS:
        path = next(filter(None, map(here.which, program.names)), None)
        if path is not None:
            yield Finding("program", program.names[0], State.OK, path, program.gives)
            continue
        fix = program.brew if here.system == "darwin" else program.apt
        yield Finding("program", program.names[0], State.MISSING, "not on the path", program.gives, fix)


def _try_sandbox(make: Callable[[], Sandbox]) -> Finding:
    sandbox = make()
    found = sandbox.probe()
    packages = f"code with {sandbox.capabilities.packages}"
    if found.ok:
        return Finding("sandbox", sandbox.name, State.OK, "a trial run worked", packages)
    reason = found.reason.removesuffix(found.install).rstrip("; ")
    return Finding("sandbox", sandbox.name, State.MISSING, reason, packages, found.install)


def _docker(here: Surroundings) -> Finding:
    """Off where nobody has set it up: code runs there only where somebody asks for it."""
    gives = "code with what an image has installed"
    if here.which("docker") is None:
        return Finding("sandbox", "docker", State.OFF, "until the program docker is there", gives)
    return _try_sandbox(here.docker)


def _e2b(here: Surroundings) -> Finding:
    """What the SDK would find; a trial would start a machine that somebody pays for."""
    gives = "code in a virtual machine elsewhere"
    if here.version("e2b-code-interpreter") is None:
        return Finding(
            "sandbox", "e2b", State.OFF, "until its SDK is there", gives, f'pip install "{DISTRIBUTION}[e2b]"'
        )
    found = [name for name in _E2B_VARIABLES if here.environment.get(name)]
    if not found:
        return Finding("sandbox", "e2b", State.OFF, f"until one of {', '.join(_E2B_VARIABLES)} is set", gives)
    told = f"{', '.join(found)} set; not tried here (tracer1 sandbox check --backend e2b does)"
    return Finding("sandbox", "e2b", State.PARTLY, told, gives)


def _planner(name: str, folder: Path) -> Finding:
    gives = SHIPPED[name].gives
    fix = f"pip install --force-reinstall --no-deps {DISTRIBUTION}"
    if not (folder / "config.json").is_file():
        return Finding("engine", name, State.MISSING, "its files are not in this installation", gives, fix)
    if not (folder / "SHA256SUMS").is_file():
        return Finding("engine", name, State.BROKEN, "its checksums are missing", gives, fix)
    try:
        verify_checksums(folder)
    except ConfigurationError as error:
        return Finding("engine", name, State.BROKEN, str(error), gives, fix)
    return Finding("engine", name, State.OK, "every file matches its checksum", gives)


def _devices(here: Surroundings) -> Finding:
    gives = "models in this process"
    try:
        return Finding("engine", "torch", State.OK, ", ".join(here.devices()), gives)
    except MissingExtraError as error:
        fix = f'pip install "{DISTRIBUTION}[{error.extra}]"'
        return Finding("engine", "torch", State.MISSING, "not installed", gives, fix)
    except (OSError, RuntimeError) as error:  # a build for other drivers or another processor
        fix = "pip install --force-reinstall torch, in the build for this machine"
        return Finding("engine", "torch", State.BROKEN, f"does not load: {error}", gives, fix)


def _tools(here: Surroundings, sandboxes: Sequence[Finding]) -> Iterator[Finding]:
    working = [sandbox.name for sandbox in sandboxes if sandbox.state is State.OK]
    for section, needs in (("tool", NEEDS), ("gta", GTA_NEEDS)):
        for need in needs:
            if "sandbox" in need.any_of:
                yield _code_tool(section, need, working)
            else:
                yield _tool(here, section, need)


def _code_tool(section: str, need: Need, working: Sequence[str]) -> Finding:
    name = ", ".join(need.names)
    if working:
        return Finding(section, name, State.OK, f"in {working[0]}, once it is handed in")
    fix = "one of the sandboxes above"
    return Finding(section, name, State.MISSING, "no sandbox works, and code is never run without one", fix=fix)


def _tool(here: Surroundings, section: str, need: Need) -> Finding:
    name = ", ".join(need.names)
    absent = [item for item in need.distributions if here.version(item) is None]
    if absent:
        fix = f'pip install "{DISTRIBUTION}[{extra_of(absent[0])}]"'
        return Finding(section, name, State.MISSING, f"needs {', '.join(absent)}", fix=fix)
    if need.program and here.which(need.program) is None:
        return Finding(section, name, State.MISSING, f"needs the program {need.program}", fix="see above")
    if need.missing((), here.version, here.which):
        wanted = " or ".join(dict.fromkeys(HAND_IN[kind] for kind in need.any_of))
        fix = f'pip install "{DISTRIBUTION}[{extra_of(need.instead)}]"' if need.instead else ""
        other = f", or install {need.instead}" if need.instead else ""
        return Finding(section, name, State.OFF, f"until you hand in {wanted}{other}", fix=fix)
    refused = [kind for item, kind in need.partly.items() if item not in HAND_IN and here.version(item) is None]
    if refused:
        fix = f'pip install "{DISTRIBUTION}[tools]"'
        return Finding(section, name, State.PARTLY, f"without {', '.join(refused)} files", fix=fix)
    more = [f"{kind} with {HAND_IN[item]}" for item, kind in need.partly.items() if item in HAND_IN]
    by = f"live, by {need.instead}" if need.instead else "live"
    return Finding(section, name, State.OK, f"{by}; {', '.join(more)}" if more else by)


def as_json(findings: Sequence[Finding]) -> dict[str, Any]:
    """The findings for programs."""
    return {"version": __version__, "findings": [asdict(finding) for finding in findings]}


def render(findings: Sequence[Finding]) -> str:
    """The findings for a person, a heading for each section."""
    lines: list[str] = []
    section = ""
    for finding in findings:
        if finding.section != section:
            section = finding.section
            lines += ["", _HEADINGS[section]]
        gives = f"; for {finding.gives}" if finding.gives else ""
        head = f"  {finding.state.value:<8} {finding.name}: "
        lines += textwrap.wrap(head + finding.found + gives, _WIDTH, subsequent_indent=" " * 13)
        if finding.fix:
            lines += textwrap.wrap(
                f"to get it: {finding.fix}", _WIDTH, initial_indent=" " * 11, subsequent_indent=" " * 13
            )
    return "\n".join(lines[1:])
