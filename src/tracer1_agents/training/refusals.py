"""What a GRPO run is refused for before anything is loaded: by its config, and by what is installed here."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from trl.import_utils import is_vllm_available

from tracer1_agents.errors import ConfigurationError, MissingExtraError
from tracer1_agents.training.processes import weights_are_spread

if TYPE_CHECKING:
    from tracer1_agents.training.grpo import GrpoRun


def check_engine(config: GrpoRun) -> None:
    """Refuse combinations of options that would be silently ignored, or cannot be resumed.

    Raises:
        ConfigurationError: Which, and what to change.
    """
    for name in config.trainer.report_to:
        if importlib.util.find_spec(name) is None:
            msg = f"trainer.report_to names {name}, which is not installed: pip install {name}, or leave it out"
            raise ConfigurationError(msg)
    trainer = config.trainer
    if trainer.save_steps % trainer.num_iterations:
        msg = (
            f"trainer.save_steps: {trainer.save_steps} is no multiple of trainer.num_iterations: "
            f"{trainer.num_iterations}; a run cannot go on in the middle of a batch's updates, so make it one"
        )
        raise ConfigurationError(msg)
    needs_local = {
        "rollout.resample_rounds": config.rollout.resample_rounds > 0,
        "rollout.max_thought_tokens": config.rollout.max_thought_tokens is not None,
        "data.history: own": config.data.history == "own",
    }
    for option, wanted in needs_local.items():
        if wanted and config.rollout.engine != "local":
            msg = f"{option} works with rollout.engine: local only, got {config.rollout.engine}"
            raise ConfigurationError(msg)
    if config.rollout.engine == "local" and weights_are_spread():
        msg = (
            "rollout.engine: local needs whole weights in each process; with FSDP or DeepSpeed use rollout.engine: vllm"
        )
        raise ConfigurationError(msg)


def check_installed(config: GrpoRun) -> None:
    """Ask for vLLM before weights are loaded: TRL imports it in the trainer, whether it samples there or on a server.

    Raises:
        MissingExtraError: It is not here.
    """
    if config.rollout.engine == "vllm" and not is_vllm_available():
        feature = f"rollout.engine: vllm (vllm_mode: {config.rollout.vllm_mode})"
        raise MissingExtraError(feature, "vllm")
