"""Stage 2: grounded fine-tuning (paper, section 3): a frozen agent executes the first action, its outcome is rewarded.

    python -m tracer1_agents.training.stage2 --config tiny/stage2 [--set trainer.max_steps=20] [--resume] [--dry-run]

The same multi-step forecasts as in stage 1, from the graph that serves inference; only the first pair is carried out.
`rollout.way: graph` lets the planner node sample, `replay` runs the graph over replies that TRL has sampled.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, SecretStr

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.errors import ConfigurationError, MissingExtraError
from tracer1_agents.graphs.workbench import find_sandbox
from tracer1_agents.planner.policy import ReplayPolicy
from tracer1_agents.planner.retries import Retries
from tracer1_agents.rewards.grounded import GroundedConfig, grounded_reward
from tracer1_agents.rewards.zero_rates import ZeroRates
from tracer1_agents.tools.cached import CachedExecutor, ExecutionCache
from tracer1_agents.tools.grounding import GroundingModel
from tracer1_agents.tools.limited import LimitedExecutor, Slots
from tracer1_agents.tools.offline_grounding import ElementGrounder
from tracer1_agents.training.config import BaseConfig
from tracer1_agents.training.episodes import Episodes
from tracer1_agents.training.grounded_rollouts import GraphRollouts, Scorer, replay_rewards
from tracer1_agents.training.grpo import Assembly, GrpoRun, command, end_ids, run
from tracer1_agents.training.live_pages import LiveWorld
from tracer1_agents.training.online_rollouts import OnlineRollouts
from tracer1_agents.training.processes import process_count
from tracer1_agents.training.settings import RolloutConfig, TrainerConfig
from tracer1_agents.training.worlds import RecordWorld, SourceWorlds, TaskWorld

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer1_agents.training.mixture import Mixture, MixtureConfig
    from tracer1_agents.training.models import Planner
    from tracer1_agents.training.rows import TrainingRow
    from tracer1_agents.training.worlds import World


class GraphRolloutConfig(RolloutConfig):
    """How completions are sampled, and run through the graph."""

    way: Literal["graph", "replay"] = Field(
        "graph", description="graph: the planner node samples; replay: TRL samples, the graph replays"
    )
    max_steps: int = Field(
        1,
        ge=1,
        description="steps of an episode; the paper executes the first action only, more is on-line (ours)",
    )
    credit: Literal["end", "step"] = Field(
        "end",
        description="with more steps: every planner call earns the end (the final answer, and what is left behind), or "
        "its own step while the episode follows the reference",
    )


class GroundingAgentConfig(BaseConfig):
    """A frozen GUI agent behind an OpenAI-compatible endpoint (paper: one for each platform)."""

    base_url: str = Field(description="of the endpoint, such as http://localhost:8000/v1")
    model: str = Field(description="as the endpoint calls it, such as UI-TARS-1.5-7B")
    profile: str = Field("", description="prompt and coordinate frame; empty: by the model's name")
    api_key_env: str = Field("", description="environment variable with the key; empty: none is needed")
    trust_points: bool = Field(default=False, description="keep points that the planner gave itself")


class ExecutorConfig(BaseConfig):
    """The frozen agents that carry out first actions: real tools for generated tasks, records, grounding agents."""

    grounding: dict[str, GroundingAgentConfig] = Field(
        default_factory=dict, description="by source: who says where; sources without one replay their records"
    )
    elements: dict[str, tuple[int, int] | None] = Field(
        default_factory=dict,
        description="sources where step instructions are looked up in the elements that the record lists, no model "
        "needed; with the screen's size in pixels where records have no screenshot, else null",
    )
    live: tuple[str, ...] = Field(
        (),
        description="sources of MiniWoB++ demonstrations that are acted in again, in real pages; with "
        "rollout.max_steps above 1 their episodes earn what the task gives",
    )
    pages: int = Field(16, ge=1, description="of each process at one time, for executors.live")
    concurrency: int = Field(
        16, ge=1, description="actions at one time, over all processes; each has its share, and at least one"
    )
    timeout: float = Field(30.0, gt=0, description="seconds for one action")
    attempts: int = Field(
        2, ge=1, description="how often a lost executor is asked; a wrong action is never tried again"
    )


class Stage2TrainerConfig(TrainerConfig):
    """How the weights are updated; in a folder that is not stage 1's."""

    output_dir: Path = Field(Path("runs/stage2"), description="checkpoints, log.jsonl, samples.jsonl, model/")


class Stage2Config(GrpoRun):
    """The whole run."""

    rollout: GraphRolloutConfig = GraphRolloutConfig()
    trainer: Stage2TrainerConfig = Stage2TrainerConfig()
    grounded: GroundedConfig = GroundedConfig()
    trajectory_weight: float = Field(
        0.0, ge=0, le=1, description="share of stage 1's reward in the total; 0 is the paper's stage 2"
    )
    scope: Literal["first", "all"] = Field(
        "first", description="tokens that are trained: the thought and the executed pair, or the whole reply"
    )
    executors: ExecutorConfig = ExecutorConfig()


def train(config: Stage2Config, *, resume: bool = False) -> Path:
    """Run, or go on with, stage 2; see `grpo.run`."""
    return run(config, assemble, resume=resume)


def check_beginnings(data: MixtureConfig) -> None:
    """Refuse prompts with which no episode of the graph begins.

    Raises:
        ConfigurationError: They show a forecast of the step before.
    """
    if data.show_last_forecast:
        msg = (
            "data.show_last_forecast does not go with rollout.way: graph, whose episodes begin without an earlier "
            "forecast to show; rollout.way: replay works, or leave data.show_last_forecast out"
        )
        raise ConfigurationError(msg)


def check_options(config: Stage2Config, mixture: Mixture) -> None:
    """Refuse options that do not go together; nothing is loaded or executed for it.

    Raises:
        ConfigurationError: Which, and what to change.
    """
    check_executors(config.executors, mixture)
    if config.data.history == "own":
        msg = "data.history: own is stage 1's; stage 2 runs the graph from the reference's state"
        raise ConfigurationError(msg)
    rollout = config.rollout
    if rollout.way == "replay":
        if rollout.max_steps > 1:
            msg = "rollout.max_steps above 1 works with rollout.way: graph; a replay has one reply"
            raise ConfigurationError(msg)
        if rollout.resample_rounds:
            msg = "rollout.resample_rounds works with rollout.way: graph; TRL has drawn the replies that are replayed"
            raise ConfigurationError(msg)
        return
    check_beginnings(config.data)
    if rollout.max_steps > 1:
        check_online(config, mixture)
    elif rollout.engine != "local" and (rollout.engine != "vllm" or rollout.vllm_mode != "server"):
        got = f"{rollout.engine} ({rollout.vllm_mode})" if rollout.engine == "vllm" else rollout.engine
        msg = (
            "rollout.way: graph samples with rollout.engine: local, or with engine: vllm and vllm_mode: server, got "
            f"{got}; or use way: replay"
        )
        raise ConfigurationError(msg)


def assemble(config: Stage2Config, planner: Planner, mixture: Mixture) -> Assembly:
    """Replies go through the graph; their first actions are executed and compared.

    Raises:
        ConfigurationError: Options that do not go together, and what to change.
    """
    check_options(config, mixture)
    episodes = Episodes(config.data, build_world(config, mixture))
    scorer = Scorer(config.grounded, config.reward, config.trajectory_weight, ZeroRates())
    reward = replay_rewards(mixture.rows, episodes, scorer, end_ids(planner), planner.reply)
    replayed = config.rollout.way == "replay"
    collector = None if replayed else graph_rollouts(config, mixture, episodes, scorer)
    check_gold(config, mixture, episodes)
    return Assembly(collector, reward, first_pair_only=config.scope == "first")


def check_gold(config: Stage2Config, mixture: Mixture, episodes: Episodes) -> None:
    """Execute the reference once for every tool and kind of action: what is right has to be worth 1 here.

    A missing sandbox or program would otherwise teach, without a word, that right actions are wrong. Sources with a
    grounding agent are left out: an agent may miss.

    Raises:
        ConfigurationError: A reference earns less, and what its executor said.
    """
    for (source, name), number in mixture.store.examples.items():
        if source in config.executors.grounding:
            continue
        row = mixture.rows[number]
        outcome = asyncio.run(episodes.run(row, ReplayPolicy([row.reply])))
        earned = grounded_reward(outcome, row.window.steps[0], config.grounded).total if outcome else None
        execution = outcome.execution if outcome else None
        if earned not in {1.0, None} or outcome is None:
            said = execution.text[:300] if execution else "nothing was executed"
            msg = (
                f"the reference's own {name} earns {earned} in source {source!r} (row {row.key}): {said}. Install what "
                "is missing, or leave those tasks out (families, filter.kinds)"
            )
            raise ConfigurationError(msg)
    episodes.forget()


def graph_rollouts(config: Stage2Config, mixture: Mixture, episodes: Episodes, scorer: Scorer) -> GraphRollouts:
    """Who samples for the planner node: this process, or a vLLM server.

    Raises:
        ConfigurationError: The server is not fit for training.
    """
    rollout = config.rollout
    if rollout.max_steps > 1:
        return OnlineRollouts(mixture.rows, rollout, episodes, scorer, seed=config.trainer.seed)
    if rollout.engine == "local":
        return GraphRollouts(mixture.rows, rollout, episodes, scorer, seed=config.trainer.seed)
    from tracer1_agents.training.server_rollouts import ServerRollouts, connect  # noqa: PLC0415  (seldom needed)

    model = connect(rollout)
    return ServerRollouts(mixture.rows, rollout, episodes, scorer, seed=config.trainer.seed, model=model)


def check_online(config: Stage2Config, mixture: Mixture) -> None:
    """Refuse episodes of several steps where they cannot be.

    Raises:
        ConfigurationError: Records cannot go on after a miss; groups of several turns are not replaced.
    """
    if config.rollout.engine != "local":
        msg = f"rollout.max_steps above 1 works with rollout.engine: local, got {config.rollout.engine}"
        raise ConfigurationError(msg)
    recorded = {name for name, row in mixture.first_rows.items() if row.generated is None}
    if recorded - set(config.executors.live):
        msg = (
            "rollout.max_steps above 1 needs sources that can be acted in (taskgen, or executors.live); records know "
            "one way only"
        )
        raise ConfigurationError(msg)
    if recorded and config.rollout.credit == "step":
        msg = "rollout.credit: step compares with generated references; sources of executors.live earn at the end"
        raise ConfigurationError(msg)
    if config.rollout.resample_rounds:
        msg = "rollout.resample_rounds replaces groups of single steps; set it to 0 with rollout.max_steps above 1"
        raise ConfigurationError(msg)
    if config.rollout.prompts_per_update % process_count():
        msg = "rollout.max_steps above 1 needs whole groups on each process; make rollout.prompts_per_update a multiple"
        raise ConfigurationError(msg)


def check_executors(config: ExecutorConfig, mixture: Mixture) -> None:
    """Refuse executors for sources that are not there, that need none, or that have another already.

    Raises:
        ConfigurationError: Which, and in which section.
    """
    chosen: dict[str, str] = {}
    for section in ("grounding", "elements", "live"):
        for name in getattr(config, section):
            if name not in mixture.first_rows:
                problem = f"there are {', '.join(mixture.first_rows)}"
            elif mixture.first_rows[name].generated:
                problem = "generated tasks run with the real toolbox"
            elif name in chosen:
                problem = f"executors.{chosen[name]} has it already"
            else:
                chosen[name] = section
                continue
            msg = f"executors.{section} names the source {name!r}; {problem}"
            raise ConfigurationError(msg)


def build_world(config: Stage2Config, mixture: Mixture) -> World:
    """Where each source's first actions are carried out: generated tasks with real tools, records by replay."""
    check_executors(config.executors, mixture)
    slots = Slots(max(1, config.executors.concurrency // process_count()))
    retries = Retries(attempts=config.executors.attempts, timeout=config.executors.timeout)
    sandbox, _ = find_sandbox()
    cache = ExecutionCache(config.trainer.output_dir / "executions.jsonl")
    worlds: dict[str, World] = {}
    for name, row in mixture.first_rows.items():
        if row.generated:
            worlds[name] = TaskWorld(sandbox, slots, retries)
        elif agent := config.executors.grounding.get(name):
            worlds[name] = RecordWorld(grounding_agent(agent, row, cache, slots, retries), cache)
        elif name in config.executors.elements:
            worlds[name] = RecordWorld(element_grounder(config.executors.elements[name]))
        elif name in config.executors.live:
            worlds[name] = LiveWorld(config.executors.pages)
        else:
            worlds[name] = RecordWorld()
    return SourceWorlds(worlds)


def element_grounder(screen: tuple[int, int] | None) -> ElementGrounder:
    """Looks targets up in the recorded list; a point that the planner gave itself stands."""
    return ElementGrounder(screen=Size(*screen) if screen else None, trust_points=True)


def grounding_agent(
    config: GroundingAgentConfig, row: TrainingRow, cache: ExecutionCache, slots: Slots, retries: Retries
) -> CachedExecutor:
    """The agent of one source: greedy, limited, its answers kept.

    Raises:
        MissingExtraError: langchain-openai is not installed.
        ConfigurationError: The key is not in the environment, or no profile fits the model.
    """
    try:
        from langchain_openai import ChatOpenAI  # noqa: PLC0415  (an extra)
    except ImportError:
        feature = "a grounding agent behind an endpoint"
        raise MissingExtraError(feature, "agents") from None
    if config.api_key_env and config.api_key_env not in os.environ:
        msg = f"executors.grounding: the environment variable {config.api_key_env} with the key is not set"
        raise ConfigurationError(msg)
    key = os.environ[config.api_key_env] if config.api_key_env else "none"
    model = ChatOpenAI(
        model=config.model, base_url=config.base_url, api_key=SecretStr(key), temperature=0.0, max_retries=0
    )
    platform = row.recorded.options.platform if row.recorded else "computer"
    agent = GroundingModel(model, profile=config.profile or None, platform=platform, trust_points=config.trust_points)
    limited = LimitedExecutor(agent, slots=slots, retries=retries)
    return CachedExecutor(limited, cache, version=agent.version)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `python -m tracer1_agents.training.stage2`."""
    program = "Stage 2: GRPO with the grounded reward of the executed first action."
    return command(Stage2Config, "training.stage2", program, train, argv, check=check_options)


if __name__ == "__main__":
    sys.exit(main())
