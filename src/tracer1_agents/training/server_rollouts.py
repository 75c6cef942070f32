"""Stage 2's rollouts with a vLLM server: the planner node asks it over HTTP, TRL renews its weights.

TRL 1.16 trains against vLLM's own server, through development endpoints over which it broadcasts weights. That server
also has the `/v1/chat/completions` which serves inference, and the graph asks there. `ForecastTrainer` sends the
weights before a batch is drawn and lets every process wait for them. A server whose weights stay as they are would
draw the rollouts of an old policy: it is refused here, and serves evaluation. Not run with a GPU, which the broadcast
needs.
"""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING, Any, ClassVar, Final

from tracer1_agents.errors import ConfigurationError, PlannerError, TrainingError
from tracer1_agents.planner.policy import ChatModelPolicy
from tracer1_agents.serving.sampling import Sample
from tracer1_agents.serving.screenshots import load_picture
from tracer1_agents.serving.vllm import VllmChatModel
from tracer1_agents.training.grounded_rollouts import GraphRollouts, gathered, on_one_loop
from tracer1_agents.training.rollouts import seed_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.runnables import RunnableConfig

    from tracer1_agents.planner.policy import PolicyReply
    from tracer1_agents.planner.prompt import Message
    from tracer1_agents.planner.retries import Retries
    from tracer1_agents.training.episodes import Episodes
    from tracer1_agents.training.grounded_rollouts import Scorer
    from tracer1_agents.training.rollouts import Place, Rollout
    from tracer1_agents.training.rows import TrainingRow
    from tracer1_agents.training.settings import RolloutConfig
    from tracer1_agents.types import ImageRef

_AT_ONCE: Final = 256  # requests under way; the server queues what it cannot batch
_START: Final = (
    'VLLM_SERVER_DEV_MODE=1 vllm serve MODEL --weight-transfer-config \'{"backend": "nccl"}\' '
    "--logprobs-mode processed_logprobs"
)


def connect(config: RolloutConfig) -> VllmChatModel:
    """The model behind `rollout.vllm_server_url`, after a look at whether it can be trained against.

    Raises:
        ConfigurationError: No address, no such server, or one that is for evaluation only; and what to change.
    """
    if not config.vllm_server_url:
        msg = f"rollout.vllm_mode: server needs rollout.vllm_server_url; start one with {_START}"
        raise ConfigurationError(msg)
    url = config.vllm_server_url.rstrip("/").removesuffix("/v1")
    model = VllmChatModel(
        model="", base_url=f"{url}/v1", temperature=config.temperature, max_tokens=config.max_new_tokens
    )
    served = model.served_models()
    if not served:
        msg = f"the server at {url} serves no model; start it with {_START}"
        raise ConfigurationError(msg)
    model = model.model_copy(update={"model": served[0]})  # TRL takes the first as well
    model.check_server()
    _check_for_training(model, config)
    return model


def _check_for_training(model: VllmChatModel, config: RolloutConfig) -> None:
    info = model.ask_root("server_info?config_format=json")
    settings = (info or {}).get("vllm_config") or {}
    if not settings.get("weight_transfer_config"):
        what = "its development endpoints are off" if info is None else "it has no weight transfer engine"
        msg = (
            f"the weights of the server at {model.base_url} cannot be renewed: {what}. It would draw the replies of an "
            f"old policy; use it for evaluation, and for training start it with {_START}"
        )
        raise ConfigurationError(msg)
    mode = (settings.get("model_config") or {}).get("logprobs_mode")
    if mode != "processed_logprobs" and config.temperature != 1.0:
        msg = (
            f"the server at {model.base_url} gives {mode}, which are not those of rollout.temperature "
            f"{config.temperature}; start it with --logprobs-mode processed_logprobs"
        )
        raise ConfigurationError(msg)


class RowPictures:
    """A row's screenshots as the trainer sees them, scaled, for the messages to a server.

    Args:
        images: Of the row.
    """

    def __init__(self, images: Sequence[ImageRef]) -> None:
        self._images = {image.ref: image for image in images}

    def get(self, ref: str) -> bytes:
        """The picture as a PNG."""
        content = io.BytesIO()
        load_picture(self._images[ref]).save(content, format="PNG")
        return content.getvalue()


class ServerPolicy:
    """Samples from a vLLM server and keeps what was sent and drawn.

    Args:
        model: Behind the server.
        row: Whose prompt is answered; its screenshots are sent.
        seed: Decides the replies of this episode.
        retries: For a busy server.

    Attributes:
        calls: Messages and sample of each call, in order.
    """

    def __init__(self, model: VllmChatModel, row: TrainingRow, *, seed: int, retries: Retries | None = None) -> None:
        self.model, self.row, self.seed, self.retries = model, row, seed, retries
        self.calls: list[tuple[tuple[Message, ...], Sample]] = []
        self._refusal = "the planner node never asked"

    def sample(
        self, messages: Sequence[Message], *, horizon: int, again: int = 0, config: RunnableConfig | None = None
    ) -> PolicyReply:
        """See `Policy`."""
        try:
            return self._kept(messages, self._asker().sample(messages, horizon=horizon, again=again, config=config))
        except PlannerError as error:
            self._refusal = str(error)
            raise

    async def asample(
        self, messages: Sequence[Message], *, horizon: int, again: int = 0, config: RunnableConfig | None = None
    ) -> PolicyReply:
        """See `Policy`."""
        try:
            reply = await self._asker().asample(messages, horizon=horizon, again=again, config=config)
            return self._kept(messages, reply)
        except PlannerError as error:
            self._refusal = str(error)
            raise

    def first_call(self) -> tuple[tuple[Message, ...], Sample]:
        """Messages and sample of the first call.

        Raises:
            TrainingError: The server gave none; without tokens there is nothing to train on.
        """
        if not self.calls:
            msg = f"no reply for row {self.row.key}: {self._refusal}. The last checkpoint is kept: go on with --resume"
            raise TrainingError(msg)
        return self.calls[0]

    def _asker(self) -> ChatModelPolicy:
        seed = seed_of(self.seed, len(self.calls)) if self.calls else self.seed
        model = self.model.model_copy(update={"seed": seed})
        return ChatModelPolicy(model, blobs=RowPictures(self.row.images), retries=self.retries)

    def _kept(self, messages: Sequence[Message], reply: PolicyReply) -> PolicyReply:
        sample = Sample(
            prompt_ids=reply.prompt_ids or (),
            completion_ids=reply.completion_ids or (),
            logprobs=reply.logprobs or (),
            text=reply.text,
            finish_reason="length" if reply.truncated else "stop",
        )
        self.calls.append((tuple(messages), sample))
        return reply


class ServerRollouts(GraphRollouts):
    """The planner node samples from a vLLM server.

    Args:
        rows: Of the mixture.
        config: How to sample.
        episodes: Runs rows through the graph.
        scorer: Gives the rewards.
        seed: Of the run.
        model: Behind the server; see `connect`.
        retries: For a busy server.
    """

    asks_server: ClassVar[bool] = True

    def __init__(
        self,
        rows: Sequence[TrainingRow],
        config: RolloutConfig,
        episodes: Episodes,
        scorer: Scorer,
        *,
        seed: int,
        model: VllmChatModel,
        retries: Retries | None = None,
    ) -> None:
        super().__init__(rows, config, episodes, scorer, seed=seed)
        self.model, self.retries = model, retries

    def collect(self, model: Any, processor: Any, places: Sequence[Place], update: int) -> list[Rollout]:
        """One rollout for each place, in order.

        Args:
            model: Not used: the server has its weights.
            processor: The trainer's; the server has to make the same token ids of a prompt.
            places: What to draw.
            update: Number of the optimiser step that they are for.

        Raises:
            TrainingError: The server gave no reply, or reads prompts in another way than the trainer.
        """
        del model
        rollouts = self._in_order(on_one_loop(self._all(places, update)))
        plain = next((one for one in rollouts if not one.example.images), None)
        _check_prompt_ids(plain, getattr(processor, "tokenizer", processor))
        return rollouts

    async def _all(self, places: Sequence[Place], update: int) -> list[list[Rollout]]:
        turns = asyncio.Semaphore(_AT_ONCE)

        async def one(place: Place) -> list[Rollout]:
            async with turns:
                row, seed = self.rows[place.row], self._seed(place, update)
                return await self._episode(ServerPolicy(self.model, row, seed=seed, retries=self.retries), place)

        return await gathered([one(place) for place in places])


def _check_prompt_ids(rollout: Rollout | None, tokenizer: Any) -> None:
    """Compare the token ids of a prompt without screenshots, whose placeholders a server fills in, with our own."""
    if rollout is None:
        return
    encoded = tokenizer.apply_chat_template(rollout.example.chat(), add_generation_prompt=True, return_dict=True)
    own, served = list(encoded["input_ids"]), list(rollout.sample.prompt_ids)
    if own != served:
        at = next((at for at, pair in enumerate(zip(own, served, strict=False)) if pair[0] != pair[1]), -1)
        msg = (
            f"the server makes other token ids of row {rollout.row} than the trainer ({len(served)} and {len(own)}, "
            f"first difference at {at}); serve the checkpoint that is trained, with its own chat template"
        )
        raise TrainingError(msg)
