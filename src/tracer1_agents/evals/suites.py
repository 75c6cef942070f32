"""The benchmarks by name: where their references come from, by which rules they are scored, and how they are asked."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tracer1_agents.actions.space import Finish
from tracer1_agents.data.readers.base import ReaderOptions
from tracer1_agents.data.readers.registry import reader_named
from tracer1_agents.errors import ConfigurationError, DataError
from tracer1_agents.evals import markers
from tracer1_agents.evals.gaia import BUNDLED, read_tasks
from tracer1_agents.metrics.published_rules import RULES
from tracer1_agents.types import ReferenceStep, ReferenceTrajectory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tracer1_agents.actions.space import Platform
    from tracer1_agents.evals.markers import Marker

_DATA: Final = "TRACER1_DATA"


@dataclass(frozen=True)
class Suite:
    """One benchmark.

    Attributes:
        name: As `tracer1 eval` takes it.
        title: For people.
        source: Its reader; "gaia" for task sets.
        sample: Where its references lie below a folder of published samples; "" where none are published.
        platform: Whose actions a prompt lists.
        rules: Rule -> how an episode is marked; the first is the default.
        told: Whether the planner is told the step instruction (the "low" setting).
        clicks: Whether it has places, so that click baselines say something.
        own_course: Rules under which an episode is the policy's own, with as many steps as it takes.
    """

    name: str
    title: str
    source: str
    sample: str
    platform: Platform
    rules: Mapping[str, Marker]
    told: bool = False
    clicks: bool = True
    own_course: frozenset[str] = frozenset()

    @property
    def default_rule(self) -> str:
        """The first."""
        return next(iter(self.rules))

    def marker(self, rule: str | None) -> tuple[str, Marker]:
        """A rule by name, or the default.

        Raises:
            ConfigurationError: The suite is not scored by a rule of that name.
        """
        name = rule or self.default_rule
        if name not in self.rules:
            msg = f"{self.name} is not scored by a rule {name!r}; its rules are {', '.join(self.rules)}"
            raise ConfigurationError(msg)
        return name, self.rules[name]


_ANDROID: Final = {name: markers.android(name) for name in RULES}

SUITES: Final[dict[str, Suite]] = {
    suite.name: suite
    for suite in (
        Suite(
            "androidcontrol-high",
            "AndroidControl, the goal alone",
            "androidcontrol",
            "androidcontrol/test_trajectories.jsonl",
            "mobile",
            _ANDROID,
        ),
        Suite(
            "androidcontrol-low",
            "AndroidControl, goal and step instruction",
            "androidcontrol",
            "androidcontrol/test_trajectories.jsonl",
            "mobile",
            _ANDROID,
            told=True,
        ),
        Suite(
            "gui-odyssey",
            "GUI-Odyssey",
            "gui_odyssey",
            "",
            "mobile",
            {"official": markers.odyssey_episode, "strict": markers.android("strict")},
        ),
        Suite(
            "mind2web",
            "Multimodal-Mind2Web",
            "mind2web",
            "mind2web/cross_task_blocks.jsonl",
            "computer",
            {"official": markers.mind2web_episode, "strict": markers.android("strict")},
        ),
        Suite(
            "agentnetbench",
            "AgentNetBench",
            "agentnet",
            "agentnet",
            "computer",
            {"official": markers.agentnet_episode, "strict": markers.android("strict")},
        ),
        Suite(
            "gta",
            "GTA",
            "gta",
            "",
            "tools",
            {
                "official": markers.gta_episode("official"),
                "official-step": markers.gta_steps,
                "strict": markers.gta_episode("strict"),
                "t3": markers.gta_episode("t3"),
            },
            clicks=False,
            own_course=frozenset({"official", "strict", "t3"}),
        ),
        Suite(
            "gaia",
            "GAIA",
            "gaia",
            "",
            "tools",
            {"official": markers.gaia_episode("official"), "strict": markers.gaia_episode("strict")},
            clicks=False,
            own_course=frozenset({"official", "strict"}),
        ),
    )
}


def suite_named(name: str) -> Suite:
    """A suite.

    Raises:
        ConfigurationError: There is none of that name.
    """
    if name not in SUITES:
        msg = f"there is no suite {name!r}; choose one of {', '.join(SUITES)}, or miniwob with `tracer1 eval`"
        raise ConfigurationError(msg)
    return SUITES[name]


def data_path(suite: Suite, given: Path | None) -> Path:
    """Where a suite's references lie: what was given, else the sample below the folder that TRACER1_DATA names.

    Raises:
        ConfigurationError: Neither says where.
    """
    if given is not None:
        return given
    folder = os.environ.get(_DATA)
    if suite.sample and folder and Path(folder, suite.sample).exists():
        return Path(folder, suite.sample)
    how = f"or set {_DATA} to a folder of published samples (tracer1 data fetch)" if suite.sample else ""
    msg = f"where are the references of {suite.name}? Say --data PATH {how}".rstrip()
    raise ConfigurationError(msg)


def references(
    suite: Suite, path: Path, *, split: str | None = None, images: Path | None = None
) -> Iterator[ReferenceTrajectory | DataError]:
    """The references of a suite, streamed, and what of them could not be read.

    Args:
        suite: The benchmark.
        path: Its file or folder; for GAIA a task set, bundled ones by name.
        split: Part of the data, as its own split files name it.
        images: Folder of screenshots.

    Raises:
        DataError: There is nothing at `path`.
        ConfigurationError: The suite has no split files.
    """
    if suite.source == "gaia" and split is not None:
        msg = f"{suite.name} has no files that define splits; name the folder of the part you want instead of {split!r}"
        raise ConfigurationError(msg)
    if suite.source != "gaia":
        return reader_named(suite.source, ReaderOptions(split=split, images=images, trees=True)).read(path)
    return _tasks(path)


def _tasks(path: Path) -> Iterator[ReferenceTrajectory | DataError]:
    found = read_tasks(str(path) if str(path) in BUNDLED else path)
    yield from found.problems
    for task in found.tasks:
        yield ReferenceTrajectory(
            id=task.task_id,
            source="gaia",
            instruction=task.question,
            steps=(ReferenceStep(action=Finish(answer=task.truth)),),
            metadata={"level": task.level, "truth": task.truth},
        )
