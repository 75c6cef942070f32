"""Stage 2's rollouts, two ways to the same rewards.

`graph`: the planner node itself samples, with the policy being trained; the recorded token ids are what is trained on.
`replay`: TRL has sampled; the graph replays each reply as its planner's and executes the first action. Either way one
reply means one planner call and one execution, all rollouts run at once, and a lost executor gives no reward.
"""

from __future__ import annotations

import asyncio
import contextvars
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeVar

from tracer1_agents.planner.policy import PolicyReply, ReplayPolicy
from tracer1_agents.rewards.grounded import grounded_reward
from tracer1_agents.serving.batcher import Batcher
from tracer1_agents.training.encoding import PromptEncoder
from tracer1_agents.training.episodes import EnginePolicy, check_prompt
from tracer1_agents.training.rollouts import GroupCollector, Rollout, without_cut_thoughts

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from tracer1_agents.rewards.grounded import GroundedConfig, GroundedOutcome
    from tracer1_agents.rewards.trajectory import RewardConfig
    from tracer1_agents.rewards.zero_rates import ZeroRates
    from tracer1_agents.serving.engine import SamplingEngine
    from tracer1_agents.training.episodes import Episodes, RecordingPolicy
    from tracer1_agents.training.rollouts import Place
    from tracer1_agents.training.rows import ScoredReply, TrainingRow
    from tracer1_agents.training.settings import RolloutConfig

T = TypeVar("T")
_AT_ONCE: Final = 256  # rows under way: bounds the key/value cache


class Scorer:
    """What became of a first action, with the forecast around it, to a reward.

    Args:
        grounded: How outcomes are compared.
        trajectory: Stage 1's reward.
        trajectory_weight: Its share in the total; 0 is the paper's stage 2.
        rates: Counts how often each matcher gives zero.
    """

    def __init__(
        self, grounded: GroundedConfig, trajectory: RewardConfig, trajectory_weight: float, rates: ZeroRates
    ) -> None:
        self.grounded, self.trajectory, self.weight, self.rates = grounded, trajectory, trajectory_weight, rates

    def score(self, row: TrainingRow, reply: PolicyReply, outcome: GroundedOutcome | None) -> ScoredReply:
        """The total with its parts; `outcome` is None where planner or executor was lost."""
        scored = row.score(reply.text, self.trajectory, truncated=reply.truncated)
        metrics = {**scored.metrics, "forecast/trajectory": scored.trajectory.total}
        del metrics[f"reward/{row.source}"]
        grounded = None
        if outcome is not None:
            reward = grounded_reward(outcome, row.window.steps[0], self.grounded)
            self.rates.add([reward])
            grounded = reward.total
        metrics["graph/no_reward"] = float(grounded is None)
        if grounded is None:
            return replace(scored, total=None, metrics=metrics)
        total = (1 - self.weight) * grounded + self.weight * scored.trajectory.total
        metrics |= {"reward/grounded": grounded, f"reward/{row.source}": total}
        return replace(scored, total=total, metrics=metrics)


class GraphRollouts(GroupCollector):
    """The planner node samples.

    Args:
        rows: Of the mixture.
        config: How to sample.
        episodes: Runs rows through the graph.
        scorer: Gives the rewards.
        seed: Of the run.
    """

    def __init__(
        self, rows: Sequence[TrainingRow], config: RolloutConfig, episodes: Episodes, scorer: Scorer, *, seed: int
    ) -> None:
        super().__init__(rows, config, seed=seed)
        self.episodes, self.scorer = episodes, scorer

    def metrics(self) -> dict[str, float]:
        """Counts of the graph and its executors since the start, and how often each matcher gave zero."""
        return {**super().metrics(), **self.episodes.metrics(), **self.scorer.rates.metrics()}

    def _draw(self, engine: SamplingEngine, places: Sequence[Place], update: int) -> list[Rollout]:
        batcher, encoder = Batcher(engine, max_batch=_AT_ONCE), PromptEncoder(engine)
        for number in {place.row for place in places}:  # beforehand: the replies of a group are then asked for at once
            encoder.encode(self.rows[number].messages)
        try:
            runs = [self._episode(self._policy(batcher, encoder, place, update), place) for place in places]
            episodes = on_one_loop(gathered(runs))
        finally:
            batcher.close()
        return self._in_order(episodes)

    def _in_order(self, episodes: list[list[Rollout]]) -> list[Rollout]:
        """The rollouts as TRL is to see them, groups of equal prompts one after another."""
        return [rollout for episode in episodes for rollout in episode]

    def _policy(self, batcher: Batcher, encoder: PromptEncoder, place: Place, update: int) -> EnginePolicy:
        """Who plans the episode at a place."""
        return EnginePolicy(
            batcher,
            encoder,
            max_new_tokens=self.config.max_new_tokens,
            max_thought_tokens=self.config.max_thought_tokens,
            temperature=self.config.temperature,
            seed=self._seed(place, update),
        )

    async def _episode(self, policy: RecordingPolicy, place: Place) -> list[Rollout]:
        """The rollouts of one episode: here one planner call."""
        row = self.rows[place.row]
        outcome = await self.episodes.run(row, policy)
        sent, sample = policy.first_call()
        check_prompt(row, sent)
        reply = PolicyReply(sample.text, truncated=sample.finish_reason == "length")
        scored = without_cut_thoughts(self.scorer.score(row, reply, outcome), sample)
        return [Rollout(place.row, row, sample, scored)]


def replay_rewards(
    rows: Sequence[TrainingRow],
    episodes: Episodes,
    scorer: Scorer,
    ends: frozenset[int],
    read: Callable[[Sequence[int]], str],
) -> Callable[..., Coroutine[Any, Any, list[float | None]]]:
    """The reward as TRL calls it, for replies that TRL has sampled.

    Args:
        rows: Of the mixture, numbered by the data set's `row` column.
        episodes: Runs rows through the graph.
        scorer: Gives the rewards.
        ends: Token ids that end a reply; one without was cut off.
        read: A reply's text from its token ids; see `Planner.reply`.
    """

    async def grounded(
        completion_ids: Sequence[Sequence[int]],
        row: Sequence[int],
        log_metric: Callable[[str, float], None],
        **_: Any,
    ) -> list[float | None]:
        async def one(ids: Sequence[int], number: int) -> ScoredReply:
            reply = PolicyReply(read(ids), truncated=not ids or ids[-1] not in ends)
            outcome = await episodes.run(rows[number], ReplayPolicy([reply]))
            return scorer.score(rows[number], reply, outcome)

        scored = await gathered([one(*each) for each in zip(completion_ids, row, strict=True)])
        for result in scored:
            for name, value in result.metrics.items():
                log_metric(name, value)
        for name, value in {**episodes.metrics(), **scorer.rates.metrics()}.items():
            log_metric(name, value)
        return [result.total for result in scored]

    return grounded


async def gathered(calls: Sequence[Coroutine[Any, Any, Any]]) -> list[Any]:
    """All results, in order; they are awaited together. Where one fails, the others are cancelled."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


def on_one_loop(work: Coroutine[Any, Any, T]) -> T:
    """What comes of work, on the event loop that all batches of a run share.

    A grounding agent's client keeps its connections open, and they end with the loop that opened them: on a loop of its
    own, every batch after the first would find them dead.
    """
    return _runner().run(work, context=contextvars.copy_context())


@cache
def _runner() -> asyncio.Runner:
    return asyncio.Runner()
