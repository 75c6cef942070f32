"""GRPO over forecasts: TRL's trainer with our order of rows, our sampler, and checks that stop a run that goes wrong.

What is added to TRL: the order of rows (`sampler.py`), replies drawn by a collector before TRL sees them, a comparison
of sampler and trainer log-probabilities on the first batch, padding trimmed from every forward pass, and an end with a
clear message where a loss or a probability ratio leaves its bounds. The loss itself is TRL's.

Four methods here override names that TRL keeps to itself (a leading underscore); `tests/unit/training` runs each, so
that a TRL which changes them is noticed.
"""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")  # it warns of `rollout_func` on every start

import torch
from trl.models.utils import unwrap_model_for_generation
from trl.trainer.grpo_trainer import GRPOTrainer

from tracer1_agents.errors import ConfigurationError, TrainingError
from tracer1_agents.training.checkpoints import writing
from tracer1_agents.training.processes import combined, joined, largest, total
from tracer1_agents.training.rollouts import places_of
from tracer1_agents.training.sampler import MixtureSampler, TellEpoch
from tracer1_agents.training.sampler_check import compared_tokens, ratio_of_trained
from tracer1_agents.training.scope import first_pair_tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracer1_agents.training.mixture import Mixture
    from tracer1_agents.training.rollouts import GroupCollector, Rollout
    from tracer1_agents.training.sampler_check import GapLimits
    from tracer1_agents.training.settings import RolloutConfig, TrainerConfig

_PROMPT_KEYS = ("prompt_ids", "prompt_mask")
_COMPLETION_KEYS = (
    "completion_ids",
    "completion_mask",
    "tool_mask",
    "old_per_token_logps",
    "ref_per_token_logps",
    "sampling_per_token_logps",
    "importance_sampling_ratio",
)
_PICTURE_KEYS = ("pixel_values", "image_grid_thw", "num_images", "token_type_ids", "mm_token_type_ids", "image_sizes")
_ROW_MEANS = frozenset({"grpo", "dr_grpo"})  # losses that divide by the number of rows
_TOKEN_SUMS = frozenset({"dapo"})  # losses that divide by a number counted before
_ROWS_AT_ONCE = 8  # rows of similar length in one forward pass


class ForecastTrainer(GRPOTrainer):
    """See the module.

    Args:
        mixture: Where rows come from; the data set's `row` column numbers them.
        collector: Draws and scores the replies; None leaves drawing to TRL (its own `generate`, or vLLM).
        first_pair_only: Whether only the thought and the first pair are trained.
        gaps: How far sampler and trainer may be apart.
        max_ratio: Largest probability ratio.
        options: What `GRPOTrainer` takes.
    """

    def __init__(
        self,
        *,
        mixture: Mixture,
        collector: GroupCollector | None,
        first_pair_only: bool = False,
        gaps: GapLimits,
        max_ratio: float,
        **options: Any,
    ) -> None:
        self.mixture, self.collector, self.first_pair_only = mixture, collector, first_pair_only
        self.gaps, self.max_ratio = gaps, max_ratio
        self.logprob_gap: float | None = None
        self.rollouts: list[Rollout] = []
        self._newest_logps: torch.Tensor | None = None
        self._group_size: int = options["args"].num_generations
        if collector is not None:
            options |= {"rollout_func": self._hand_over, "reward_funcs": [self._collected_rewards]}
        super().__init__(**options)

    def _get_train_sampler(self, dataset: Any = None) -> MixtureSampler:
        del dataset  # rows are numbered, whatever wraps them
        options: Any = self.args
        sampler = MixtureSampler(
            self.mixture.sizes,
            self.mixture.weights,
            group_size=self._group_size,
            groups_per_batch=options.generation_batch_size // self._group_size,
            repeats=self.num_iterations * options.steps_per_generation,
            seed=options.seed,
        )
        self.add_callback(TellEpoch(sampler))
        return sampler

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        if self.collector is not None:
            began = time.perf_counter()
            self.rollouts = self._collect([example["row"] for example in inputs])
            self._metrics["train"]["time/rollout"].append(time.perf_counter() - began)
            dataset: Any = self.train_dataset
            inputs = [{**dataset[one.row], "prompt": one.example.chat()} for one in self.rollouts]
        output: dict[str, Any] = super()._generate_and_score_completions(inputs)
        if self.logprob_gap is None:
            self.logprob_gap = self._compare_with_sampler(output)
        if self.use_vllm:
            self._check_server_weights(output)
        cut = [one.sample.finish_reason == "thought" for one in self.rollouts]
        if self.first_pair_only or total(sum(cut), self.accelerator.device):  # all processes or none: it gathers
            self._mask(output, inputs, cut or [False] * len(inputs))
        if self.collector is not None:
            for name, value in combined(self.collector.metrics()).items():
                self._metrics["train"][name].append(value)
        return output

    def _mask(self, output: dict[str, Any], inputs: list[dict[str, Any]], cut: list[bool]) -> None:
        """Leave thoughts beyond their budget out of the loss, and what follows the first pair where that is wanted."""
        mask = torch.zeros_like(output["completion_mask"])
        for at, (example, kept) in enumerate(zip(inputs, output["completion_mask"], strict=True)):
            ids = output["completion_ids"][at][kept.bool()].tolist()
            grammar = self.mixture.rows[example["row"]].grammar
            trained = first_pair_tokens(ids, self._tokenizer, grammar) if self.first_pair_only else len(ids)
            mask[at, : 0 if cut[at] else trained] = 1
        output["tool_mask"] = mask * output.get("tool_mask", 1)
        trained = (output["completion_mask"] * output["tool_mask"]).sum()
        output["num_items_in_batch"] = self.accelerator.gather(trained).sum()
        if "importance_sampling_ratio" in output and self.vllm_importance_sampling_mode == "sequence_mask":
            bounds = (self.vllm_importance_sampling_clip_min, self.vllm_importance_sampling_clip_max)
            output["importance_sampling_ratio"] = ratio_of_trained(output, *bounds)

    def _collect(self, rows: list[int]) -> list[Rollout]:
        """Draw replies with the newest weights."""
        assert self.collector is not None  # noqa: S101  (callers asked)
        first = self.accelerator.process_index * len(rows)  # a group may begin on another process
        groups = joined(rows)[:: self._group_size]
        places = places_of(groups, self._group_size, Counter())[first : first + len(rows)]
        if self.collector.asks_server:
            self._renew_server()
            here: Any = self.model
            return self.collector.collect(here, self.processing_class, places, self.state.global_step)
        with unwrap_model_for_generation(self.model_wrapped, self.accelerator) as model:
            was_training = model.training
            model.eval()
            try:
                return self.collector.collect(model, self.processing_class, places, self.state.global_step)
            finally:
                model.train(was_training)

    def _renew_server(self) -> None:
        """Send the newest weights to the vLLM server, once an update, and wait until it has them.

        TRL does so in `_generate`, after a collector has drawn; and its own requests go through the main process, so
        that there the others need not wait.
        """
        if self.state.global_step == self._last_loaded_step:
            return
        self.vllm_generation.sync_weights()  # type: ignore[no-untyped-call]
        self._last_loaded_step = self.state.global_step
        self.accelerator.wait_for_everyone()

    def _hand_over(self, prompts: list[Any], trainer: GRPOTrainer) -> dict[str, Any]:
        """What TRL asks its `rollout_func` for: the replies that were drawn before."""
        del prompts, trainer
        samples = [one.sample for one in self.rollouts]
        return {
            "prompt_ids": [list(sample.prompt_ids) for sample in samples],
            "completion_ids": [list(sample.completion_ids) for sample in samples],
            "logprobs": [list(sample.logprobs) for sample in samples],
        }

    def _collected_rewards(self, *, log_metric: Callable[[str, float], None], **_: Any) -> list[float | None]:
        """What TRL asks as its reward function: the collector has scored every reply already."""
        for one in self.rollouts:
            for name, value in one.scored.metrics.items():
                log_metric(name, value)
        return [one.scored.total for one in self.rollouts]

    def _compare_with_sampler(self, output: dict[str, Any]) -> float | None:
        """Largest difference between what was sampled and what is trained, over the first batch.

        Returns:
            None where there is nothing to compare: then the next batch is looked at. So it is where every reply of a
            batch is left out of the loss (`mask_truncated`).

        Raises:
            TrainingError: It, or the mean, is above its limit.
        """
        if output.get("sampling_per_token_logps") is None:
            return None
        kept = compared_tokens(output)
        tokens = total(int(kept.sum()), self.accelerator.device)
        if not tokens:
            return None
        inputs = _trimmed(output)
        pictures = {key: inputs[key] for key in _PICTURE_KEYS if key in inputs}
        with torch.no_grad():
            logps, _, _ = self._get_per_token_logps_and_entropies(
                self.model,
                torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1),
                torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], dim=1),
                inputs["completion_ids"].size(1),
                batch_size=self.args.per_device_train_batch_size,
                **pictures,
            )
        gaps = (logps - inputs["sampling_per_token_logps"])[compared_tokens(inputs)].abs()
        gap = largest(float(gaps.max()) if gaps.numel() else 0.0, gaps.device)
        self._metrics["train"]["sampling/first_batch_gap_max"].append(gap)
        mean = total(float(gaps.sum()), gaps.device) / tokens
        self._metrics["train"]["sampling/first_batch_gap_mean"].append(mean)
        if gaps.numel():  # else the kept replies are on other processes
            self._metrics["train"]["sampling/first_batch_gap_p99"].append(float(gaps.float().quantile(0.99)))
        self.gaps.check(gap, mean)
        return gap

    def _check_server_weights(self, output: dict[str, Any]) -> None:
        """Be sure, at every batch, that vLLM drew it with the trainer's weights; TRL has both log-probabilities.

        A server that was started again in mid-run has the weights that it was started with.

        Raises:
            TrainingError: The mean difference is above its limit.
        """
        if "old_per_token_logps" not in output or "sampling_per_token_logps" not in output:
            return
        gaps = (output["old_per_token_logps"] - output["sampling_per_token_logps"])[compared_tokens(output)].abs()
        device = self.accelerator.device
        mean = total(float(gaps.sum()), device) / max(1.0, total(gaps.numel(), device))
        if not mean <= self.gaps.mean:
            msg = (
                f"the replies for update {self.state.global_step + 1} were drawn with other weights than the trainer's:"
                f" log-probabilities differ by {mean:.2g} on average, allowed is {self.gaps.mean:.2g}; was the "
                "vLLM server started again? The last checkpoint is kept: go on with --resume, which renews its weights"
            )
            raise TrainingError(msg)

    def _get_per_token_logps_and_entropies(self, *args: Any, **options: Any) -> Any:
        result = super()._get_per_token_logps_and_entropies(*args, **options)
        self._newest_logps = result[0].detach()
        return result

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,  # noqa: FBT001, FBT002  (TRL's signature)
        num_items_in_batch: Any = None,
    ) -> torch.Tensor:
        """TRL's loss, over rows of similar length at a time and without their common padding.

        Raises:
            TrainingError: The loss is not finite, or a probability ratio is out of bounds. Nothing was updated.
        """
        loss: Any = 0.0
        for part, share in self._parts(inputs):
            loss = loss + share * super().compute_loss(model, part, return_outputs, num_items_in_batch)
            self._check_ratio(part)
        worst = largest(abs(float(loss.detach())), self.accelerator.device)
        if not math.isfinite(worst):
            msg = f"the loss is {worst} at update {self.state.global_step + 1}; {self._kept()}"
            raise TrainingError(msg)
        whole: torch.Tensor = loss
        return whole

    def _parts(self, inputs: dict[str, Any]) -> list[tuple[dict[str, Any], float]]:
        """A micro-batch as parts whose weighted losses sum to its own.

        Rows that cannot move the weights (no advantage, and no KL to pay) are left out; the others are sorted by
        length, so that a part has little padding. Images, which are aligned with the rows, and losses that divide by
        the tokens of the micro-batch stay whole. Processes meet in every forward pass and compare their rows there: all
        have parts of the same sizes, filled up with rows that would have been left out and change nothing.
        """
        rows = inputs["advantages"].shape[0]
        lengths = inputs["prompt_mask"].sum(1) + inputs["completion_mask"].sum(1)
        idle = (inputs["advantages"] == 0) & (self.beta == 0.0)
        count = self._rows_taken(inputs, rows - int(idle.sum()))
        if not count:
            return [(_trimmed(inputs), 1.0)]
        kept = torch.argsort(idle.long(), stable=True)[:count]
        parts = []
        for chosen in kept[torch.argsort(lengths[kept])].split(_ROWS_AT_ONCE):
            part = {key: value[chosen] if _is_by_row(value, rows) else value for key, value in inputs.items()}
            parts.append((_trimmed(part), len(chosen) / rows if self.loss_type in _ROW_MEANS else 1.0))
        return parts

    def _rows_taken(self, inputs: dict[str, Any], taught: int) -> int:
        """Rows of the micro-batch that every process takes; 0 where one of them cannot take its own apart."""
        whole = "pixel_values" in inputs or self.loss_type not in _ROW_MEANS | _TOKEN_SUMS
        most = largest(math.inf if whole else taught, self.accelerator.device)
        return 0 if math.isinf(most) else max(1, int(most))

    def _check_ratio(self, inputs: dict[str, Any]) -> None:
        if "old_per_token_logps" not in inputs or self._newest_logps is None:
            return
        moved = (self._newest_logps - inputs["old_per_token_logps"])[inputs["completion_mask"].bool()]
        ratio = largest(float(moved.abs().max().exp()) if moved.numel() else 1.0, moved.device)
        self._metrics["train"]["ratio/max"].append(ratio)
        if ratio > self.max_ratio:
            msg = (
                f"a probability ratio reached {ratio:.3g} at update {self.state.global_step + 1}, allowed is "
                f"{self.max_ratio:.3g}; lower trainer.learning_rate or trainer.num_iterations. {self._kept()}"
            )
            raise TrainingError(msg)

    def _run_epoch(self, **options: Any) -> None:  # type: ignore[override]
        """TRL's, but for a run that was over when it was resumed: transformers would do one update more."""
        if not self.control.should_training_stop:
            super()._run_epoch(**options)  # type: ignore[no-untyped-call]

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """TRL's, with a message for a disk that is full.

        Raises:
            TrainingError: The checkpoint could not be written.
        """
        what = f"the checkpoint at update {self.state.global_step}"
        go_on = "go on with --resume, from the last one that is whole"
        with writing(what, Path(str(self.args.output_dir)), go_on):
            super()._save_checkpoint(model, trial)  # type: ignore[no-untyped-call]

    def _kept(self) -> str:
        return f"the last checkpoint in {self.args.output_dir} is kept: lower the learning rate and resume from it"


def _is_by_row(value: Any, rows: int) -> bool:
    return isinstance(value, torch.Tensor) and value.ndim > 0 and value.shape[0] == rows


def _trimmed(inputs: dict[str, Any]) -> dict[str, Any]:
    """Inputs without the columns that are padding in every row; beside images, which are aligned, nothing is cut."""
    if "pixel_values" in inputs:
        return inputs
    shown = dict(inputs)
    left = int(inputs["prompt_mask"].any(0).long().argmax())
    used = inputs["completion_mask"].any(0).nonzero()
    right = int(used.max()) + 1 if used.numel() else 1
    for key in _PROMPT_KEYS:
        shown[key] = inputs[key][:, left:]
    for key in _COMPLETION_KEYS:
        if inputs.get(key) is not None:
            shown[key] = inputs[key][:, :right]
    return shown


def check_batch(rollout: RolloutConfig, trainer: TrainerConfig, processes: int) -> int:
    """Micro-batches of one update on each process.

    Raises:
        ConfigurationError: The completions of an update cannot be dealt out evenly.
    """
    completions = rollout.group_size * rollout.prompts_per_update
    together = trainer.micro_batch * processes
    if completions % together:
        msg = (
            f"an update has {rollout.prompts_per_update} prompts x {rollout.group_size} completions = {completions}, "
            f"which {processes} processes cannot take in micro-batches of {trainer.micro_batch}; choose "
            "trainer.micro_batch so that processes x micro_batch divides it"
        )
        raise ConfigurationError(msg)
    if rollout.resample_rounds and (completions // processes) % rollout.group_size:
        msg = (
            f"rollout.resample_rounds needs whole groups on each process; {completions // processes} completions are no"
            f" multiple of the group size {rollout.group_size}: change rollout.prompts_per_update"
        )
        raise ConfigurationError(msg)
    return completions // together
