"""How much arithmetic a run will take, and GPU-hours from it: an estimate, ours; nothing here was measured.

Floating-point operations (P weights of a tower, the table of input embeddings left out; L tokens of a sequence):

    forward    F(L) = 2 P L + 2 L^2 heads head_size layers (causal attention); the vision tower, over the patches of a
               prompt, likewise with 4 instead of the second 2
    sampling   a prompt is read once for its group (by `generate` for every copy), each reply costs F(L) - F(prompt)
    training   3 F for every completion, 2 F where adapters are trained; F more with gradient checkpointing; that for
               each of num_iterations. F more for the reference (beta > 0), and for the old log-probabilities where a
               batch is used twice or vLLM has sampled

Every reply is taken to be as long as `rollout.max_new_tokens` allows. What tools, grounding agents and checkpoints take
is left out, and so is a card that waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.training.memory import heads_of, layers_of
from tracer1_agents.training.settings import GPU_PEAKS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedModel

    from tracer1_agents.training.lengths import RowTokens
    from tracer1_agents.training.settings import EstimateConfig, ModelConfig, RolloutConfig, TrainerConfig

_WHOLE_HOURS: Final = 10  # from here on, hours are written without a fraction


@dataclass(frozen=True)
class Compute:
    """What a whole run takes, all processes together.

    Attributes:
        updates: Optimiser updates.
        tokens: Of all prompts and replies, a prompt counted with each of its replies.
        sampling: Floating-point operations of sampling.
        training: Floating-point operations of the passes that learn and score.
    """

    updates: int
    tokens: float
    sampling: float
    training: float

    def hours(self, estimate: EstimateConfig) -> float:
        """Hours of one GPU."""
        busy = self.sampling / estimate.sampling_utilisation + self.training / estimate.training_utilisation
        return busy / GPU_PEAKS[estimate.gpu] / 3600

    def text(self, estimate: EstimateConfig) -> str:
        """For a person."""
        hours = self.hours(estimate)
        written = f"{hours:,.0f}" if hours >= _WHOLE_HOURS else f"{hours:.2g}"
        return (
            f"{self.updates:,} updates, {self.tokens / 1e6:,.1f} M tokens, about {written} {estimate.gpu}-hours at "
            f"{estimate.sampling_utilisation:.0%} (sampling) and {estimate.training_utilisation:.0%} (training) "
            "utilisation: an estimate, not measured"
        )


def estimate_compute(
    model: PreTrainedModel,
    rows: Sequence[RowTokens],
    config: ModelConfig,
    rollout: RolloutConfig,
    trainer: TrainerConfig,
) -> Compute:
    """Arithmetic of a run.

    Args:
        model: With or without weights (meta device).
        rows: Lengths of some of its prompts.
        config: Of the model.
        rollout: How completions are sampled.
        trainer: How weights are updated.
    """
    towers = _Towers(model)
    seen = fmean(towers.vision(row.patches) for row in rows)
    prompt = fmean(towers.text(row.prompt) for row in rows)
    whole = fmean(towers.text(row.prompt + rollout.max_new_tokens) for row in rows)
    reads = rollout.group_size if rollout.engine == "transformers" else 1
    group = reads * (seen + prompt) + rollout.group_size * (whole - prompt)
    batches = trainer.max_steps / trainer.num_iterations
    completions = batches * rollout.prompts_per_update * rollout.group_size
    return Compute(
        updates=trainer.max_steps,
        tokens=completions * (fmean(row.prompt for row in rows) + rollout.max_new_tokens),
        sampling=batches * rollout.prompts_per_update * group,
        training=completions * (seen + whole) * _passes(config, rollout, trainer),
    )


def _passes(config: ModelConfig, rollout: RolloutConfig, trainer: TrainerConfig) -> int:
    """Forward passes that training a completion amounts to."""
    learning = (2 if config.lora else 3) + trainer.gradient_checkpointing
    old = trainer.num_iterations > 1 or rollout.engine == "vllm"
    return trainer.num_iterations * learning + (trainer.beta > 0) + old


class _Towers:
    """Operations of a forward pass through the language model and the vision tower."""

    def __init__(self, model: PreTrainedModel) -> None:
        architecture: Any = model.config
        self._text, self._vision = architecture.get_text_config(), getattr(architecture, "vision_config", None)
        sizes = {name: weight.numel() for name, weight in model.named_parameters()}
        self._seeing = sum(size for name, size in sizes.items() if ".visual." in name)
        table: Any = model.get_input_embeddings()
        tied = model.get_output_embeddings().weight is table.weight
        self._reading = sum(sizes.values()) - self._seeing - (0 if tied else table.weight.numel())

    def text(self, tokens: int) -> float:
        """Of a sequence with so many tokens."""
        return 2.0 * self._reading * tokens + 2.0 * tokens**2 * _attended(self._text)

    def vision(self, patches: int) -> float:
        """Of the pictures of a prompt."""
        if self._vision is None or not patches:
            return 0.0
        return 2.0 * self._seeing * patches + 4.0 * patches**2 * _attended(self._vision)


def _attended(tower: Any) -> int:
    head_size, _ = heads_of(tower)
    return int(tower.num_attention_heads * head_size * layers_of(tower))
