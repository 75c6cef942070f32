"""On-line episodes through the graph: several steps each, every planner call a row of its own (beyond the paper; ours).

Rows stand in the order [prompt][turn][member], so that a group is one prompt's replies at the same turn: TRL's baseline
stays per prompt and turn. An episode that ends early leaves places without a reply; those repeat its last row without a
reward, which neither counts in the baseline nor moves the weights.

Credit is either the end's, the same for all turns (the final answer by GAIA's rules, at a desk also what is left
behind, or what a live page gives), or each step's own, while the episode follows the reference; after the first step
that does not, nothing is known and nothing is learnt.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tracer1_agents.rewards.answers import gaia_match
from tracer1_agents.rewards.grounded import GroundedOutcome, grounded_reward
from tracer1_agents.training.episodes import check_prompt
from tracer1_agents.training.grounded_rollouts import GraphRollouts
from tracer1_agents.training.rollouts import Rollout
from tracer1_agents.types import ReferenceStep

if TYPE_CHECKING:
    from tracer1_agents.data.taskgen.windows import Window
    from tracer1_agents.planner.prompt import Message
    from tracer1_agents.serving.sampling import Sample
    from tracer1_agents.training.episodes import Played, RecordingPolicy
    from tracer1_agents.training.rollouts import Place
    from tracer1_agents.training.rows import TrainingRow
    from tracer1_agents.training.stage2 import GraphRolloutConfig
    from tracer1_agents.types import StepRecord, Trace


class OnlineRollouts(GraphRollouts):
    """See the module; arguments as `GraphRollouts`."""

    config: GraphRolloutConfig

    def _in_order(self, episodes: list[list[Rollout]]) -> list[Rollout]:
        size, turns = self.config.group_size, self.config.max_steps
        groups = [episodes[start : start + size] for start in range(0, len(episodes), size)]
        return [episode[turn] for group in groups for turn in range(turns) for episode in group]

    async def _episode(self, policy: RecordingPolicy, place: Place) -> list[Rollout]:
        row = self.rows[place.row]
        played = await self.episodes.play(row, policy, self.config.max_steps)
        check_prompt(row, policy.first_call()[0])
        totals = self._totals(row, played, len(policy.calls))
        rollouts = [
            self._rollout(place, turn, sent, sample, None if sample.finish_reason == "thought" else total)
            for turn, ((sent, sample), total) in enumerate(zip(policy.calls, totals, strict=True))
        ][: self.config.max_steps]
        idle = replace(rollouts[-1], scored=replace(rollouts[-1].scored, total=None, metrics={}))
        return rollouts + [idle] * (self.config.max_steps - len(rollouts))

    def _rollout(
        self, place: Place, turn: int, sent: tuple[Message, ...], sample: Sample, total: float | None
    ) -> Rollout:
        """One planner call as a row; what should follow is known for the first only."""
        row = self.rows[place.row]
        example = replace(row, key=f"{row.key}+{turn}", number=row.number + turn, messages=sent)
        scored = example.score(sample.text, truncated=sample.finish_reason == "length")
        kept = dict(scored.metrics) if turn == 0 else {}
        kept.pop(f"reward/{row.source}", None)
        if total is not None:
            kept |= {f"reward/{row.source}": total, f"reward/turn_{turn}": total}
        return Rollout(place.row, example, sample, replace(scored, total=total, metrics=kept))

    def _totals(self, row: TrainingRow, played: Played, calls: int) -> list[float | None]:
        """What each planner call earns."""
        if played.trace.status.lost:
            return [None] * calls
        if row.generated is None:
            return [played.reward] * calls
        if self.config.credit == "end":
            solved = gaia_match(played.trace.answer, row.generated.task.answer) and played.left_right is not False
            return [float(solved)] * calls
        return self._step_totals(row.generated, played.trace, calls)

    def _step_totals(self, window: Window, trace: Trace, calls: int) -> list[float | None]:
        """Each step against the reference's, up to and with the first that differs."""
        totals: list[float | None] = []
        ahead, led_to = window.task.steps[window.step - 1 :], steps_by_call(trace, calls)
        for turn in range(calls):
            done = led_to[turn]
            if turn >= len(ahead) or (totals and totals[-1] != 1.0):
                totals.append(None)
            elif done is None:
                totals.append(0.0)  # a reply that could not be used
            else:
                planned = ahead[turn]
                reference = ReferenceStep(
                    action=planned.action(window.step - 1 + turn),
                    instruction=planned.instruction,
                    result=planned.result,
                )
                outcome = GroundedOutcome(done.executed, done.execution)
                totals.append(grounded_reward(outcome, reference, self.scorer.grounded).total)
        return totals


def steps_by_call(trace: Trace, calls: int) -> list[StepRecord | None]:
    """The step that each planner call led to; None where its reply was not used (unreadable, or a loop)."""
    found: list[StepRecord | None] = []
    for step in trace.steps:
        found += [None] * (step.planner_calls - 1) + [step]
    return found + [None] * (calls - len(found))
