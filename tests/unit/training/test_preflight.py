"""Before a run: counts agree with what the processor makes of the rows, memory with bytes computed by hand."""

import random
from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("PIL", reason="Pillow is not installed")

import torch
from PIL import Image
from transformers import Qwen3Config, Qwen3ForCausalLM

from tracer1_agents.actions.space import Click, Finish, Point
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.serving.screenshots import load_picture
from tracer1_agents.training.compute import Compute, estimate_compute
from tracer1_agents.training.lengths import RowTokens, count_tokens
from tracer1_agents.training.memory import (
    GIB,
    MemoryEstimate,
    Workload,
    adapter_parameters,
    device_memory,
    estimate_memory,
)
from tracer1_agents.training.mixture import Mixture, MixtureConfig, evenly_spread, load_mixture
from tracer1_agents.training.models import load_planner, lora_config, outline_planner
from tracer1_agents.training.preflight import _ROUNDED_AWAY, Spread, preflight
from tracer1_agents.training.rows import PromptOptions, rows_of
from tracer1_agents.training.settings import EstimateConfig, LoraConfig, ModelConfig, RolloutConfig, TrainerConfig
from tracer1_agents.training.vision_model import VisionModelConfig, build_vision_planner, save_vision_planner
from tracer1_agents.types import ImageRef, Observation, ReferenceStep, ReferenceTrajectory

pytestmark = pytest.mark.torch
OPTIONS = PromptOptions(profile="qwen-tool-call", platform="computer", max_pixels=40_000)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return save_vision_planner(tmp_path_factory.mktemp("vision"), VisionModelConfig(max_positions=32_768))


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shots")
    steps = []
    for number, size in enumerate([(320, 200), (200, 320), (64, 64)]):
        path = folder / f"{number}.png"
        Image.frombytes("RGB", size, random.Random(number).randbytes(3 * size[0] * size[1])).save(path)
        image = ImageRef(ref=str(path), width=size[0], height=size[1])
        steps.append(ReferenceStep(observation=Observation(image=image), action=click(number), instruction="Go on"))
    steps.append(ReferenceStep(action=Finish(), instruction="Done"))
    trajectory = ReferenceTrajectory(id="t", source="shots", instruction="Reach the end", steps=tuple(steps))
    return list(rows_of(trajectory, OPTIONS))


def click(number):
    return Click(point=Point(x=0.1 * number, y=0.5))


def look(rows, planner, rollout=None, trainer=None, **options):
    mixture = Mixture(rows=rows, sizes=[len(rows)], weights=[1.0], names=["shots"])
    return preflight(
        mixture,
        planner,
        model=options.pop("model", ModelConfig()),
        rollout=rollout or RolloutConfig(prompts_per_update=2),
        trainer=trainer or TrainerConfig(),
        **options,
    )


def test_tokens_are_those_that_the_processor_makes(rows, checkpoint):
    planner = load_planner(ModelConfig(path=str(checkpoint)))
    for row, counted in zip(rows, count_tokens(rows, planner), strict=True):
        chat = row.chat()
        shots = iter([load_picture(image) for image in row.images])
        for message in chat:
            if not isinstance(message["content"], str):
                message["content"] = [
                    {"type": "image", "image": next(shots)} if part["type"] == "image" else part
                    for part in message["content"]
                ]
        made = planner.processor.apply_chat_template(
            [chat], tokenize=True, return_dict=True, add_generation_prompt=True, return_tensors="pt"
        )
        assert counted.prompt == made["input_ids"].shape[1]
        assert counted.patches == (made["pixel_values"].shape[0] if row.images else 0)
        assert counted.key == row.key
        assert counted.reply == len(planner.tokenizer(row.reply)["input_ids"]) + 1


def test_the_report_counts_rows_tokens_and_updates(rows, checkpoint):
    planner = outline_planner(ModelConfig(path=str(checkpoint)))
    assert all(parameter.is_meta for parameter in planner.model.parameters())
    report = look(rows, planner, RolloutConfig(prompts_per_update=2, max_new_tokens=300))
    counted = count_tokens(rows, planner)
    assert report.prompt == Spread.of([row.prompt for row in counted])
    assert report.picture.least == 4  # 64 x 64 pixels in tokens of 32 x 32
    assert report.long_replies == sum(row.reply > 300 for row in counted) > 0
    assert report.updates_per_epoch == 2  # 4 rows, 2 prompts each
    report.check()
    text = report.text()
    assert "shots: 4 rows, 100.0% of the draws" in text
    assert "all rows" in text
    assert f"{report.long_replies} do not fit rollout.max_new_tokens" in text
    assert report.compute.text(report.estimate) in text


def test_only_a_sample_of_many_rows_is_looked_at(rows, checkpoint, monkeypatch):
    monkeypatch.setattr("tracer1_agents.training.preflight.SAMPLE", 3)
    report = look(rows, outline_planner(ModelConfig(path=str(checkpoint))))
    assert report.looked_at == 3
    assert "3 of 4 rows, evenly spread" in report.text()
    assert list(evenly_spread(range(10), 3)) == [0, 3, 6]
    assert list(evenly_spread(range(3), 3)) == [0, 1, 2]


def test_prompts_without_room_for_a_reply_are_refused(rows, checkpoint):
    planner = outline_planner(ModelConfig(path=str(checkpoint)))
    counted = count_tokens(rows, planner)
    longest = max(counted, key=lambda row: row.prompt)
    room = 32_768 - longest.prompt
    assert not look(
        rows, planner, RolloutConfig(prompts_per_update=2, max_new_tokens=room), device_bytes=1 << 50
    ).problems
    report = look(rows, planner, RolloutConfig(prompts_per_update=2, max_new_tokens=room + 1), device_bytes=1 << 50)
    over = sum(row.prompt == longest.prompt for row in counted)
    with pytest.raises(ConfigurationError, match=rf"{over} of 4 prompts .*{longest.key}.* at most {room:,}"):
        report.check()


def test_a_vllm_that_would_not_start_or_take_a_prompt_is_refused(rows, checkpoint):
    """Its cache has to hold one sequence of the full length: 2 x layers x heads x size x 4 bytes a token."""
    planner = outline_planner(ModelConfig(path=str(checkpoint)))
    weights = 4 * sum(parameter.numel() for parameter in planner.model.parameters())
    text = planner.model.config.get_text_config()
    token = 4 * 2 * text.num_hidden_layers * text.num_key_value_heads * text.head_dim
    card = 1 << 40
    longest = max(row.prompt for row in count_tokens(rows, planner))

    def problems(cached, **changes):
        rollout = {"engine": "vllm", "prompts_per_update": 2, "max_new_tokens": 8, **changes}
        share = (weights + cached * token + token / 2) / card
        return look(rows, planner, RolloutConfig(vllm_memory=share, **rollout), device_bytes=card).problems

    assert not problems(32_768)
    (problem,) = problems(longest + 8)
    assert "sequences of 32,768 tokens, and rollout.vllm_memory" in problem
    assert f"holds at most {longest + 8:,} beside the weights: set rollout.vllm_length" in problem
    assert not problems(longest + 8, vllm_length=longest + 8)
    assert not problems(0, vllm_mode="server")
    (problem,) = problems(32_768, vllm_length=longest + 7)
    assert f"no room for a reply in vLLM's {longest + 7:,} positions" in problem
    assert "or raise rollout.vllm_length" in problem


def test_whole_bfloat16_weights_are_refused_where_updates_would_be_rounded_away(rows, checkpoint, monkeypatch):
    planner = outline_planner(ModelConfig(path=str(checkpoint)))

    def problems(rate=1e-6, **model):
        return look(rows, planner, model=ModelConfig(**model), trainer=TrainerConfig(learning_rate=rate)).problems

    (problem,) = problems(dtype="bfloat16")
    assert "lose most updates of trainer.learning_rate 1e-06 to rounding" in problem
    assert not problems()
    assert not problems(rate=1e-3, dtype="bfloat16")
    assert not problems(dtype="bfloat16", lora=LoraConfig(rank=2))
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    assert not any("rounding" in problem for problem in problems(dtype="bfloat16"))


def test_the_smallest_learning_rate_for_bfloat16_moves_a_usual_weight():
    weight = torch.tensor(0.02, dtype=torch.bfloat16)
    assert weight - _ROUNDED_AWAY / 2 == weight
    assert weight - _ROUNDED_AWAY * 1.1 != weight


@pytest.mark.parametrize(
    ("rollout", "trainer", "advice"),
    [
        ({"engine": "vllm", "vllm_mode": "server"}, {"micro_batch": 1}, r"pixel values .*_per_update \(512\)"),
        (
            {"group_size": 2, "max_new_tokens": 5},
            {"micro_batch": 1},
            r"prefill .*: lower rollout\.prompts_per_update \(512\) or data",
        ),
        ({"group_size": 32}, {"micro_batch": 1}, r"sampling .*: lower rollout\.prompts_per_update \(512\)"),
        ({"prompts_per_update": 2}, {"micro_batch": 64}, r"trainer\.micro_batch \(64\), or .*checkpointing: true"),
    ],
)
def test_what_does_not_fit_says_what_to_change(rows, checkpoint, rollout, trainer, advice):
    planner = outline_planner(ModelConfig(path=str(checkpoint)))
    report = look(
        rows,
        planner,
        RolloutConfig(**{"prompts_per_update": 512, **rollout}),
        TrainerConfig(**trainer),
        device_bytes=GIB // 50,
    )
    with pytest.raises(ConfigurationError, match=advice):
        report.check()
    assert "PROBLEM" in report.text()


def test_pictures_for_a_text_planner_are_refused(rows):
    with pytest.raises(ConfigurationError, match=r"row shots/t/1 shows a picture; set data\.images: false"):
        look(rows, load_planner(ModelConfig()))


def test_the_shipped_planner_on_generated_rows_fits():
    mixture = load_mixture(MixtureConfig(sources=[{"reader": "taskgen", "count": 40}], horizon=8))
    planner = load_planner(ModelConfig())
    report = preflight(mixture, planner, model=ModelConfig(), rollout=RolloutConfig(), trainer=TrainerConfig())
    report.check()
    assert report.picture is None
    assert report.prompt.most < planner.model.config.max_position_embeddings
    assert "picture" not in report.text()


@pytest.fixture(scope="module")
def small():
    architecture = Qwen3Config(
        vocab_size=100,
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=4,
        max_position_embeddings=64,
        tie_word_embeddings=True,
    )
    with torch.device("meta"):
        return Qwen3ForCausalLM(architecture)


# Parameters: embedding 100 x 8; a layer has q 8x8, k and v 8x4, o 8x8, q and k norm 4 each, MLP 3 x 8x16, two norms of
# 8; a last norm of 8: 800 + 2 (64 + 64 + 64 + 8 + 384 + 16) + 8 = 2008.
PARAMETERS = 2008
WORK = Workload(completions=6, prompts=3, prompt_tokens=10)
ROLLOUT = RolloutConfig(max_new_tokens=5)


def test_memory_of_full_training_by_hand(small):
    got = estimate_memory(small, ModelConfig(), ROLLOUT, TrainerConfig(micro_batch=3), WORK, 1000)
    layer = 5 * 8 + 5 * (8 + 4) + 4 * 16  # values of one token in one layer: 164
    assert got.parts == {
        "weights": 4 * PARAMETERS,
        "reference": 4 * PARAMETERS,
        "gradients": 4 * PARAMETERS,
        "optimiser": 8 * PARAMETERS,
        "pixel values": 0,
        "activations": 4 * 3 * 15 * 2 * layer,
        "logits": 4 * (3 * 5 * 8 + 100 * 8) + 4 * 3 * 5 * 100,
        "sampling": 6 * 15 * 2 * 2 * 4 * 4,
        "prefill": 3 * (4 * 10 * (2 * 8 + 3 * 16) + 10**2),  # three prompts, each read once; a mask
    }


def test_memory_of_reading_pictures_by_hand():
    vision = VisionModelConfig(hidden_size=8, layers=1, heads=1, key_value_heads=1, head_size=16, mlp_size=16)
    model = build_vision_planner(vision).model  # vision tower: width 32, two heads, an MLP of 64, one deepstack level
    work = replace(WORK, patches=40, mean_patches=40.0)

    def prefill(attention="", **rollout):
        rollout = ROLLOUT.model_copy(update=rollout)
        parts = estimate_memory(model, ModelConfig(attention=attention), rollout, TrainerConfig(), work, 1000).parts
        return parts["prefill"]

    seeing = 2 * 32 + max(3 * (2 + 2) * 16, 2 * 64)  # 256 values a patch; 10 tokens of text take far less
    seen = 10 * 2 * 8  # four patches a token, twice as wide as the language model
    around = 10**2 + 4 * 40 * 3 * 2 * 16 * 16  # a mask; values of the patches
    assert prefill() == 3 * (4 * (40 * seeing + seen) + around)
    assert prefill("eager") == 3 * (4 * (40 * (seeing + 2 * 40) + seen) + around)
    assert prefill(engine="transformers") == 2 * prefill()  # every completion's copy of the prompt
    assert prefill(engine="vllm") == 0


# F(L) = 2 x 2008 L + 2 L^2 x 2 heads x 4 x 2 layers = 4016 L + 32 L^2: F(10) = 43,360, F(15) = 67,440
ROWS = [RowTokens("a", prompt=10, pictures=(), patches=0, reply=3)]


def test_arithmetic_of_a_run_by_hand(small):
    rollout = ROLLOUT.model_copy(update={"group_size": 2, "prompts_per_update": 3})
    trainer = TrainerConfig(max_steps=4, num_iterations=2, beta=0.01)  # two batches of six completions
    got = estimate_compute(small, ROWS, ModelConfig(), rollout, trainer)
    assert (got.updates, got.tokens) == (4, 2 * 6 * 15)
    assert got.sampling == 2 * 3 * (43_360 + 2 * (67_440 - 43_360))
    assert got.training == 2 * 6 * 67_440 * (2 * 3 + 1 + 1)  # learnt from twice; reference; old log-probabilities

    def training(config=None, engine="local", **changes):
        sampled = rollout.model_copy(update={"engine": engine})
        spent = estimate_compute(
            small, ROWS, config or ModelConfig(), sampled, TrainerConfig(max_steps=1, **changes)
        ).training
        return spent / (6 * 67_440)

    assert training(beta=0) == 3
    assert training() == 4
    assert training(engine="vllm") == 5
    assert training(ModelConfig(lora=LoraConfig()), gradient_checkpointing=True) == 4


def test_pictures_and_copies_cost_reading(checkpoint):
    planner = outline_planner(ModelConfig(path=str(checkpoint)))
    shown = [replace(ROWS[0], pictures=(10,), patches=40)]
    rollout, once = RolloutConfig(group_size=2, prompts_per_update=1), TrainerConfig(max_steps=1, beta=0)
    plain, pictured = (estimate_compute(planner.model, rows, ModelConfig(), rollout, once) for rows in (ROWS, shown))
    tower = sum(weight.numel() for weight in planner.model.model.visual.parameters())
    seeing = 2 * tower * 40 + 4 * 40**2 * 2 * 16 * 2  # two heads of 16, two blocks
    assert pictured.sampling - plain.sampling == pytest.approx(seeing)
    assert pictured.training - plain.training == pytest.approx(2 * 3 * seeing)
    copies = rollout.model_copy(update={"engine": "transformers"})
    more = estimate_compute(planner.model, shown, ModelConfig(), copies, once).sampling - pictured.sampling
    text = 2 * (sum(weight.numel() for weight in planner.model.parameters()) - tower)  # the table is the head, too
    assert more == pytest.approx(seeing + text * 10 + 2 * 10**2 * 4 * 16 * 2)


def test_gpu_hours_are_told_with_what_they_assume():
    compute = Compute(updates=500, tokens=96e6, sampling=989e12 * 360, training=989e12 * 3600)
    assert compute.hours(EstimateConfig(sampling_utilisation=0.1, training_utilisation=0.5)) == pytest.approx(3)
    assert compute.text(EstimateConfig()) == (
        "500 updates, 96.0 M tokens, about 4.9 H200-hours at 5% (sampling) and 35% (training) utilisation: "
        "an estimate, not measured"
    )
    assert "about 15 A100-hours" in compute.text(EstimateConfig(gpu="A100"))


def test_memory_of_adapters_by_hand(small):
    config = ModelConfig(dtype="bfloat16", lora=LoraConfig(rank=2))
    # rank (in + out): q 16, k 12, v 12, o 16, MLP 3 x 24, in two layers
    adapters = 2 * 2 * (16 + 12 + 12 + 16 + 72)
    trainer = TrainerConfig(micro_batch=3, gradient_checkpointing=True)
    got = estimate_memory(small, config, ROLLOUT, trainer, WORK, 1000).parts
    assert adapter_parameters(small, config.lora) == adapters
    assert got["weights"] == 2 * PARAMETERS + 4 * adapters
    assert got["reference"] == 0
    assert (got["gradients"], got["optimiser"]) == (4 * adapters, 8 * adapters)
    assert got["activations"] == 2 * 3 * 15 * (2 * 8 + 164)


def test_activations_are_about_what_autograd_keeps():
    planner = build_vision_planner(VisionModelConfig(hidden_size=128, layers=4, head_size=32, mlp_size=384))
    ids = torch.arange(300).reshape(2, 150) % 256 + 7
    own = {parameter.untyped_storage().data_ptr() for parameter in planner.model.parameters()}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes() * (storage.data_ptr() not in own)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        _alive = planner.model.model(input_ids=ids)
    work = Workload(completions=2, prompts=1, prompt_tokens=149)
    rollout, trainer = RolloutConfig(max_new_tokens=1), TrainerConfig(micro_batch=2)
    estimate = estimate_memory(planner.model, ModelConfig(), rollout, trainer, work, 0).parts["activations"]
    assert estimate == pytest.approx(sum(kept.values()), rel=0.1)


def test_adapters_are_counted_as_peft_makes_them(checkpoint):
    peft = pytest.importorskip("peft", reason="peft is not installed")
    for targets in ("all-linear", "q_proj,v_proj"):
        lora = LoraConfig(rank=4, targets=targets)
        model = outline_planner(ModelConfig(path=str(checkpoint))).model
        counted = adapter_parameters(model, lora)
        adapted = peft.get_peft_model(model, lora_config(lora))
        assert counted == sum(part.numel() for part in adapted.parameters() if part.requires_grad)


def test_where_memory_goes_changes_with_the_options(small):
    def parts(rollout=ROLLOUT, **trainer):
        return estimate_memory(small, ModelConfig(), rollout, TrainerConfig(**trainer), WORK, 1000).parts

    assert parts(beta=0)["reference"] == 0
    assert parts(optimizer="sgd")["optimiser"] == 0
    assert parts(bf16=True)["activations"] * 2 == parts()["activations"]
    assert parts(ROLLOUT.model_copy(update={"engine": "vllm"}))["sampling"] == 300  # 0.3 of the card
    assert parts(ROLLOUT.model_copy(update={"engine": "vllm", "vllm_mode": "server"}))["sampling"] == 0


def test_sampling_and_training_take_turns_unless_vllm_keeps_its_share():
    memory = MemoryEstimate(kept={"weights": 10}, training={"activations": 5}, sampling={"sampling": 7})
    assert memory.peak == 17
    assert replace(memory, together=True).peak == 22


def test_this_machine_has_memory():
    name, size = device_memory()
    assert name
    assert size > GIB // 4


def test_an_outline_needs_a_checkpoint(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be loaded"):
        outline_planner(ModelConfig(path=str(tmp_path)))
