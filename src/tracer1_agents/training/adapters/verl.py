"""Stage 2 as an agent loop of verl: the inference graph runs inside verl's rollout workers, verl's servers sample.

    actor_rollout_ref.rollout.agent.agent_loop_config_path: a YAML file with
        - name: tracer1
          _target_: tracer1_agents.training.adapters.verl.Tracer1AgentLoop
          stage2: my_stage2.yaml     # data, grounded, reward, scope, executors are read; trainer and rollout are verl's

The data set has the columns of `verl_row`. Planners that read text only: verl loads pictures its own way, which would
send other tokens than the graph. Importing this module needs verl; nothing else of this package does.
"""

from __future__ import annotations

import asyncio
import importlib
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from tracer1_agents.errors import ConfigurationError, PlannerError
from tracer1_agents.planner.policy import PolicyReply
from tracer1_agents.rewards.zero_rates import ZeroRates
from tracer1_agents.training.adapters.ground_truth import ground_truth
from tracer1_agents.training.config import load_config
from tracer1_agents.training.episodes import Episodes, check_prompt
from tracer1_agents.training.grounded_rollouts import Scorer
from tracer1_agents.training.mixture import load_mixture
from tracer1_agents.training.rows import chat_of
from tracer1_agents.training.scope import first_pair_tokens
from tracer1_agents.training.stage2 import Stage2Config, build_world, check_beginnings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_core.runnables import RunnableConfig

    from tracer1_agents.planner.prompt import Message
    from tracer1_agents.training.rows import TrainingRow

AGENT_NAME: Final = "tracer1"

try:
    _verl = importlib.import_module("verl.experimental.agent_loop.agent_loop")
except ImportError as problem:
    _msg = "tracer1_agents.training.adapters.verl runs inside verl, which is not installed; see verl's own guide"
    raise ConfigurationError(_msg) from problem


def verl_row(row: TrainingRow) -> dict[str, Any]:
    """A row of verl's data set: its prompt, which agent loop runs it, and what identifies it there."""
    return {
        "data_source": row.source,
        "prompt": row.chat(),
        "agent_name": AGENT_NAME,
        "reward_model": {"style": "rule", "ground_truth": ground_truth(row)},
        "extra_info": {"key": row.key},
    }


@dataclass(frozen=True)
class Bench:
    """What all agent loops of a process share.

    Attributes:
        rows: Of the mixture, by key.
        episodes: Runs rows through the graph.
        scorer: Gives the rewards.
        first_pair_only: Whether only the thought and the first pair are trained.
    """

    rows: Mapping[str, TrainingRow]
    episodes: Episodes
    scorer: Scorer
    first_pair_only: bool

    @classmethod
    @lru_cache(maxsize=4)
    def of(cls, run: str) -> Bench:
        """The bench of a stage-2 config, by packaged name or path; made once."""
        config = load_config(Stage2Config, run)
        check_beginnings(config.data)
        mixture = load_mixture(config.data)
        return cls(
            rows={row.key: row for row in mixture.rows},
            episodes=Episodes(config.data, build_world(config, mixture)),
            scorer=Scorer(config.grounded, config.reward, config.trajectory_weight, ZeroRates()),
            first_pair_only=config.scope == "first",
        )

    def row(self, key: str) -> TrainingRow:
        """A row by its key.

        Raises:
            ConfigurationError: There is none; the data set was written from another mixture.
        """
        if key not in self.rows:
            msg = f"the mixture has no row {key!r}; write verl's data set anew from the same config"
            raise ConfigurationError(msg)
        return self.rows[key]


class ServerPolicy:
    """Samples from verl's servers for one episode.

    Args:
        manager: verl's; its `generate` takes token ids and gives token ids.
        tokenizer: Of the policy.
        sampling: verl's sampling parameters, as it hands them to the loop.
        limit: Longest reply in tokens.

    Attributes:
        calls: Messages and reply of each call, in order.
        seconds: Spent sampling.
    """

    def __init__(self, manager: Any, tokenizer: Any, sampling: Mapping[str, Any], limit: int) -> None:
        self.manager, self.tokenizer, self.sampling, self.limit = manager, tokenizer, dict(sampling), limit
        self.calls: list[tuple[tuple[Message, ...], PolicyReply]] = []
        self.seconds = 0.0

    def sample(
        self, messages: Sequence[Message], *, horizon: int, again: int = 0, config: RunnableConfig | None = None
    ) -> PolicyReply:
        """See `Policy`; for the graph's synchronous path, which verl does not take."""
        return asyncio.run(self.asample(messages, horizon=horizon, again=again, config=config))

    async def asample(
        self, messages: Sequence[Message], *, horizon: int, again: int = 0, config: RunnableConfig | None = None
    ) -> PolicyReply:
        """See `Policy`."""
        del horizon, again, config
        encoded = self.tokenizer.apply_chat_template(chat_of(messages), add_generation_prompt=True, return_dict=True)
        prompt = list(encoded["input_ids"])
        began = time.monotonic()
        output = await self.manager.generate(request_id=uuid4().hex, prompt_ids=prompt, sampling_params=self.sampling)
        self.seconds += time.monotonic() - began
        ids = tuple(output.token_ids)[: self.limit]
        reply = PolicyReply(
            text=self.tokenizer.decode(ids, skip_special_tokens=True),
            truncated=ids[-1:] != (self.tokenizer.eos_token_id,),
            prompt_ids=tuple(prompt),
            completion_ids=ids,
            logprobs=tuple(output.log_probs)[: self.limit] if output.log_probs else None,
        )
        self.calls.append((tuple(messages), reply))
        return reply


class Tracer1AgentLoop(_verl.AgentLoopBase):  # type: ignore[misc, name-defined]  # verl is no dependency
    """One rollout: the row's state, one planner call, one execution, a grounded reward.

    Args:
        stage2: A stage-2 config, by packaged name or path.
        options: What verl gives to every agent loop.
    """

    def __init__(self, *args: Any, stage2: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self.bench = Bench.of(stage2)
        self.limit = int(self.config.actor_rollout_ref.rollout.response_length)

    async def run(self, sampling_params: dict[str, Any], **fields: Any) -> Any:
        """See verl's `AgentLoopBase.run`; `fields` are the columns of `verl_row`.

        Raises:
            ConfigurationError: The row is not of this run's mixture.
            PlannerError: verl's server gave no reply.
            TrainingError: The graph sent another prompt than the row's.
        """
        row = self.bench.row(fields["extra_info"]["key"])
        policy = ServerPolicy(self.server_manager, self.tokenizer, sampling_params, self.limit)
        began = time.monotonic()
        outcome = await self.bench.episodes.run(row, policy)
        if not policy.calls:
            msg = f"verl's server gave no reply for row {row.key}; look at its own log"
            raise PlannerError(msg)
        sent, reply = policy.calls[0]
        check_prompt(row, sent)
        scored = self.bench.scorer.score(row, reply, outcome)
        metrics = {"generate_sequences": policy.seconds, "tool_calls": time.monotonic() - began - policy.seconds}
        return self._output(row, reply, scored.total, metrics)

    def _output(self, row: TrainingRow, reply: PolicyReply, reward: float | None, metrics: dict[str, float]) -> Any:
        """What verl trains on.

        A rollout without a reward, whose executor was lost, keeps no token in the loss; verl knows no missing reward,
        so that it counts as 0 in the mean of its group.
        """
        ids = list(reply.completion_ids or ())
        trained = first_pair_tokens(ids, self.tokenizer, row.grammar) if self.bench.first_pair_only else len(ids)
        if reward is None:
            reward, trained = 0.0, 0
        return _verl.AgentLoopOutput(
            prompt_ids=list(reply.prompt_ids or ()),
            response_ids=ids,
            response_mask=[1] * trained + [0] * (len(ids) - trained),
            response_logprobs=list(reply.logprobs) if reply.logprobs else None,
            reward_score=reward,
            num_turns=2,  # a user turn and an assistant turn
            metrics=metrics,
            extra_fields={"turn_scores": [], "tool_rewards": []},  # verl wants one set of columns of all its loops
        )
