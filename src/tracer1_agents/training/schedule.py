"""The learning rate of a resumed run is that of its config."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch.optim.lr_scheduler import LambdaLR
from transformers import TrainerCallback

if TYPE_CHECKING:
    from transformers import TrainerControl, TrainerState, TrainingArguments


class ConfiguredLearningRate(TrainerCallback):
    """Gives a resumed run the learning rate it is told.

    transformers restores the rate that the run was begun with, so that a lower one, which is what helps a run that
    broke, would never be taken.
    """

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """After the optimizer was restored, before the first update."""
        del control
        if not state.global_step:
            return
        schedule = getattr(kwargs.get("lr_scheduler"), "scheduler", kwargs.get("lr_scheduler"))
        optimizer = kwargs.get("optimizer")
        if optimizer is None or not isinstance(schedule, LambdaLR):  # DeepSpeed may bring its own
            print("the learning rate of a resumed run is that of its checkpoint: this schedule cannot be changed")  # noqa: T201
            return
        schedule.base_lrs = [args.learning_rate] * len(schedule.base_lrs)
        for group, scale in zip(optimizer.param_groups, schedule.lr_lambdas, strict=True):
            group["initial_lr"] = args.learning_rate
            group["lr"] = args.learning_rate * scale(schedule.last_epoch)
        schedule._last_lr = [group["lr"] for group in optimizer.param_groups]  # noqa: SLF001  (what the log shows)
