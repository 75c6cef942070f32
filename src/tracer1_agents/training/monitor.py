"""What a run tells: a progress bar, `log.jsonl` for programs, sample replies as forecasts with their reward parts."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from torch.distributed.tensor import DTensor
from tqdm.auto import tqdm
from transformers import TrainerCallback

from tracer1_agents.training.checkpoints import mark_complete, writing
from tracer1_agents.training.config import reading
from tracer1_agents.training.memory import GIB, peak_memory
from tracer1_agents.training.processes import from_first, wait_for_all

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from transformers import TrainerControl, TrainerState, TrainingArguments

    from tracer1_agents.training.config import Clock
    from tracer1_agents.training.rollouts import Rollout

_SHOWN: Final = ("reward", "frac_reward_zero_std", "completions/mean_length", "grad_norm", "step_time")
_SHORT: Final = {"frac_reward_zero_std": "constant", "completions/mean_length": "tokens", "step_time": "s/update"}
_SAMPLES: Final = 4
_LOOKED_AT: Final = 4096  # values of a tensor


class Monitor(TrainerCallback):
    """Writes and shows the progress of one run; only the first process does.

    Args:
        folder: Of the run.
        rollouts: Gives the newest replies; empty where TRL draws them.
        sample_steps: Updates between samples.
        max_minutes: Training time after which the run ends; None for no such end.
        num_iterations: Updates on each batch; the run ends after the last of them, since a resumed one draws anew.
        clock: What it is counted by.
    """

    def __init__(
        self,
        folder: Path,
        rollouts: Callable[[], Sequence[Rollout]],
        *,
        sample_steps: int,
        max_minutes: float | None,
        num_iterations: int = 1,
        clock: Clock = "wall",
    ) -> None:
        self.folder, self.rollouts = folder, rollouts
        self.sample_steps, self.max_seconds = sample_steps, (max_minutes or math.inf) * 60
        self.num_iterations = num_iterations
        self.seconds = 0.0
        self.clock = clock
        self._since = reading(clock)
        self._bar: Any = None
        self._before: list[torch.Tensor] = []
        self.change = 0.0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Start the clock and the bar; a resumed run goes on with the time it has used, and ends where none is left."""
        del args, kwargs
        self.seconds, self._since = self._used_before(state.global_step), reading(self.clock)
        if state.global_step and from_first(lambda: self.seconds >= self.max_seconds):
            control.should_training_stop = True
        if state.global_step >= state.max_steps:
            control.should_training_stop = True
        if state.is_world_process_zero:
            self.write(event="start", step=state.global_step, seconds=round(self.seconds, 1))
            self._bar = tqdm(total=state.max_steps, initial=state.global_step, unit="update", file=sys.stderr)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Count the time, and end the run after the batch in which it is used up; the first process's clock counts."""
        del args, kwargs
        now = reading(self.clock)
        self.seconds, self._since = self.seconds + now - self._since, now
        may_end = self.max_seconds < math.inf and state.global_step % self.num_iterations == 0
        if may_end and from_first(lambda: self.seconds >= self.max_seconds):
            control.should_training_stop = control.should_save = True
        if self._bar is not None:
            self._bar.update(state.global_step - self._bar.n)

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Remember some of the weights; before the gradients, since DeepSpeed updates as soon as it has them."""
        del args, state, control
        self._before = [part.clone() for part in _some_weights(kwargs["model"])]

    def on_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """How far they moved (root mean square): 0 means that nothing is learnt."""
        del args, state, control
        moves = [(new - old).float() for new, old in zip(_some_weights(kwargs["model"]), self._before, strict=True)]
        moved = torch.cat(moves) if moves else torch.zeros(0)
        self.change = float(moved.square().mean().sqrt()) if moved.numel() else 0.0

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """One line of metrics; now and then a few replies."""
        del args, control, kwargs
        if not state.is_world_process_zero or not logs or "reward" not in logs:
            return
        self.write(
            event="train",
            step=state.global_step,
            seconds=round(self.seconds, 1),
            **_rounded({**logs, "weights/change": self.change, "memory/peak_gib": peak_memory() / GIB}),
        )
        if self._bar is not None:
            shown = {_SHORT.get(key, key): f"{logs[key]:.3g}" for key in _SHOWN if logs.get(key) is not None}
            self._bar.set_postfix(shown)
        if state.global_step % self.sample_steps == 0:
            self._write_samples(state.global_step)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Mark the checkpoint as whole, once every process has written its part."""
        del control, kwargs
        wait_for_all()
        if state.is_world_process_zero:
            mark_complete(Path(str(args.output_dir), f"checkpoint-{state.global_step}"))
            self.write(event="checkpoint", step=state.global_step, seconds=round(self.seconds, 1))

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Close the bar."""
        del args, control, kwargs
        if state.is_world_process_zero:
            self.write(event="end", step=state.global_step, seconds=round(self.seconds, 1))
        if self._bar is not None:
            self._bar.close()

    def write(self, **fields: Any) -> None:
        """Append a line to log.jsonl."""
        self._append("log.jsonl", json.dumps(fields) + "\n")

    def _write_samples(self, step: int) -> None:
        shown = self.rollouts()[:: max(1, len(self.rollouts()) // _SAMPLES)][:_SAMPLES]
        lines = [json.dumps(_sample(one, step), ensure_ascii=False) + "\n" for one in shown]
        self._append("samples.jsonl", "".join(lines))

    def _append(self, name: str, text: str) -> None:
        go_on = "go on with --resume, from the last checkpoint that is whole"
        with writing(name, self.folder, go_on), (self.folder / name).open("a", encoding="utf-8") as file:
            file.write(text)

    def _used_before(self, step: int) -> float:
        """Training seconds of the earlier processes of this run, up to the checkpoint that it goes on from."""
        path = self.folder / "log.jsonl"
        if not step or not path.exists():
            return 0.0
        lines = [_read(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return max((line["seconds"] for line in lines if "seconds" in line and line["step"] <= step), default=0.0)


def _read(line: str) -> dict[str, Any]:
    """A line of the log; nothing of one that a kill cut off."""
    try:
        fields: dict[str, Any] = json.loads(line)
    except json.JSONDecodeError:
        return {}
    return fields


def _some_weights(model: torch.nn.Module) -> list[torch.Tensor]:
    """The first values of every tensor that is trained: enough to see whether and how far they move."""
    return [_held_here(weight).detach().flatten()[:_LOOKED_AT] for weight in model.parameters() if weight.requires_grad]


def _held_here(weight: torch.Tensor) -> torch.Tensor:
    """This process's part of a tensor that is spread over several (FSDP2's DTensor, ZeRO-3's partition)."""
    if isinstance(weight, DTensor):
        return weight.to_local()
    part: torch.Tensor = getattr(weight, "ds_tensor", weight)
    return part


def _rounded(logs: dict[str, Any]) -> dict[str, Any]:
    return {key: float(f"{value:.6g}") if isinstance(value, float) else value for key, value in logs.items()}


def _sample(one: Rollout, step: int) -> dict[str, Any]:
    return {
        "step": step,
        "row": one.example.key,
        "prompt": one.example.messages[-1].text,
        "reply": one.sample.text,
        "reference": one.example.reply,
        "outcome": one.scored.forecast.outcome.value,
        "reward": one.scored.total if one.scored.total is None else round(one.scored.total, 4),
        "parts": {name: round(value, 4) for name, value in asdict(one.scored.trajectory.parts).items()},
        "align": [round(value, 3) for value in one.scored.trajectory.align],
        "rep": list(one.scored.trajectory.rep),
    }
