"""Whether replies were drawn as the trainer would: its log-probabilities against the sampler's, token by token.

Another dtype, chat template, temperature or weights on one side show as a gap. What is allowed is the config's, since
kernels in bfloat16 differ where float32 does not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tracer1_agents.errors import TrainingError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class GapLimits:
    """How far sampler and trainer may be apart (natural log).

    Attributes:
        token: At a token of the first batch; None: any.
        mean: On average, on the first batch and with vLLM on every one.
    """

    token: float | None
    mean: float

    def check(self, largest: float, mean: float) -> None:
        """Look at the first batch.

        Raises:
            TrainingError: A gap is above its limit, or no number.
        """
        for how, key, gap, allowed in (
            ("by up to", "max_logprob_gap", largest, self.token),
            ("on average by", "max_mean_logprob_gap", mean, self.mean),
        ):
            if allowed is not None and not gap <= allowed:
                msg = (
                    f"sampler and trainer disagree: log-probabilities of the first batch differ {how} {gap:.2g}, "
                    f"allowed is {allowed:.2g}; another dtype, chat template or temperature on one side? With bfloat16 "
                    f"raise trainer.{key} to what you accept"
                )
                raise TrainingError(msg)


def compared_tokens(inputs: dict[str, Any]) -> torch.Tensor:
    """Tokens in the loss that the sampler gave a log-probability for, (B, L); vLLM has none for some: TRL lets it."""
    kept: torch.Tensor = inputs["completion_mask"].bool() & ~inputs["sampling_per_token_logps"].isnan()
    return kept


def ratio_of_trained(output: dict[str, Any], least: float | None, most: float | None) -> torch.Tensor:
    """TRL's correction of a reply for what vLLM drew otherwise, over the tokens that are trained, (B, 1).

    TRL takes it before those are known. Over the whole reply, tokens that teach nothing would weigh a first pair, or
    leave it out.

    Args:
        output: Of TRL's `_generate_and_score_completions`, with the mask of what is trained.
        least: Replies with a smaller ratio are left out; None: none.
        most: Those with a larger one; None: none.
    """
    trained = output["completion_mask"] * output["tool_mask"]
    gaps = (output["old_per_token_logps"] - output["sampling_per_token_logps"]) * trained
    ratio: torch.Tensor = gaps.nan_to_num(nan=0.0).sum(-1, keepdim=True).exp()
    out = (ratio < (-math.inf if least is None else least)) | (ratio > (math.inf if most is None else most))
    return ratio.masked_fill(out, 0.0)
