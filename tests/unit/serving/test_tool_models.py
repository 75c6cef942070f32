"""Checkpoints as backends of the tools: tiny ones with random weights, made here, saved and loaded from a folder."""

from __future__ import annotations

import io
import wave

import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("PIL", reason="Pillow is not installed")

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    GenerationConfig,
    OwlViTConfig,
    OwlViTForObjectDetection,
    PreTrainedTokenizerFast,
    SamConfig,
    SamModel,
    TrOCRConfig,
    VisionEncoderDecoderConfig,
    VisionEncoderDecoderModel,
    ViTConfig,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperProcessor,
)
from transformers.models.owlvit.image_processing_pil_owlvit import OwlViTImageProcessorPil
from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from tracer1_agents.errors import ConfigurationError, ToolError
from tracer1_agents.serving.tool_models import (
    BoxSegments,
    DiffusionPictures,
    FormulaModel,
    SpeechModel,
    WordDetector,
    samples_of,
)
from tracer1_agents.tools.backends import Backends
from tracer1_agents.tools.base import ToolRegistry
from tracer1_agents.tools.toolbox import default_toolbox

pytestmark = pytest.mark.torch
WORDS = ["<pad>", "<s>", "</s>", "<unk>", "a", "photo", "of", "cat", "dog"]
SMALL = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
ENDS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}


def tokenizer():
    inner = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, "<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    names = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(tokenizer_object=inner, model_max_length=16, **names)


def save(folder, *parts):
    for part in parts:
        part.save_pretrained(folder)
    return str(folder)


@pytest.fixture
def photo(tmp_path):
    Image.effect_noise((60, 40), 90).convert("RGB").save(tmp_path / "a.png")
    return tmp_path


def box(folder, **given):
    return ToolRegistry(default_toolbox(folder, backends=Backends(**given)))


def owl(folder):
    torch.manual_seed(0)
    vision = {**SMALL, "image_size": 32, "patch_size": 8}
    text = {**SMALL, **ENDS, "vocab_size": len(WORDS), "max_position_embeddings": 16}
    config = OwlViTConfig(text_config=text, vision_config=vision, projection_dim=16)
    square = {"height": 32, "width": 32}
    images = OwlViTImageProcessorPil(size=square, crop_size=square)
    return save(folder, OwlViTForObjectDetection(config), tokenizer(), images)


def test_things_are_found_by_words(photo, tmp_path):
    everything = WordDetector(owl(tmp_path / "owl"), threshold=0.0)
    boxes = everything.locate("cat", (photo / "a.png").read_bytes())
    assert len(boxes) == 16  # one a patch: (32 / 8) squared
    scores = [found[4] for found in boxes]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    done = box(photo, detector=everything).run("objectlocation", {"object": "cat", "image_path": "a.png"})
    assert done.value == [[round(edge) for edge in found[:4]] for found in boxes]
    assert everything.locate("cat " * 50, (photo / "a.png").read_bytes())  # longer than it has places for words
    surest = box(photo, detector=WordDetector(str(tmp_path / "owl"), threshold=1.0))
    assert surest.run("objectlocation", {"object": "cat", "image_path": "a.png"}).text == "no cat found"


def test_what_stands_in_boxes_is_cut_out(photo, tmp_path):
    torch.manual_seed(0)
    seen = {"image_size": 64, "patch_size": 16}
    vision = {**SMALL, **seen, "output_channels": 16, "mlp_dim": 16, "window_size": 2, "num_pos_feats": 8}
    config = SamConfig(
        vision_config={**vision, "global_attn_indexes": [0]},
        prompt_encoder_config={**seen, "hidden_size": 16, "mask_input_channels": 4},
        mask_decoder_config={
            "hidden_size": 16,
            "mlp_dim": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "iou_head_hidden_dim": 16,
        },
    )
    images = SamImageProcessorPil(size={"longest_edge": 64}, pad_size={"height": 64, "width": 64})
    model = BoxSegments(save(tmp_path / "sam", SamModel(config), images))
    masks = model.segment((photo / "a.png").read_bytes(), [(1, 1, 20, 20), (5, 5, 30, 30)])
    assert len(masks) == 2
    for content in masks:
        with Image.open(io.BytesIO(content)) as mask:
            assert mask.size == (60, 40)
            assert {value for _, value in mask.getcolors()} <= {0, 255}
    call = {"image_path": "a.png", "prompt": [[1, 1, 20, 20]]}
    assert box(photo, segmenter=model).run("segmentation", call).value == "segmented.png"


def test_formulas_are_read(photo, tmp_path):
    torch.manual_seed(0)
    decoder = TrOCRConfig(
        vocab_size=len(WORDS),
        d_model=16,
        decoder_layers=1,
        decoder_attention_heads=2,
        decoder_ffn_dim=16,
        max_position_embeddings=32,
        cross_attention_hidden_size=16,
        decoder_start_token_id=1,
        **ENDS,
    )
    encoder = ViTConfig(**SMALL, image_size=32, patch_size=8)
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
    config.decoder_start_token_id, config.pad_token_id, config.eos_token_id = 1, 0, 2
    model = VisionEncoderDecoderModel(config)
    model.generation_config = GenerationConfig(decoder_start_token_id=1, **ENDS)
    images = ViTImageProcessorPil(size={"height": 32, "width": 32})
    reader = FormulaModel(save(tmp_path / "formula", model, tokenizer(), images), most=5)
    read = reader.read_formula((photo / "a.png").read_bytes())
    assert set(read.split()) <= set(WORDS)
    assert read == FormulaModel(str(tmp_path / "formula"), most=5).read_formula((photo / "a.png").read_bytes())


def sound(seconds=1.5, rate=8_000, channels=2, width=2):
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(width)
        out.setframerate(rate)
        wanted = int(seconds * rate) * channels * width
        out.writeframes(np.random.default_rng(0).integers(0, 255, wanted, dtype=np.uint8).tobytes())
    return buffer.getvalue()


def test_speech_is_written_down(photo, tmp_path):
    torch.manual_seed(0)
    half = {"encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 16}
    other = {"decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 16, "decoder_start_token_id": 1}
    lengths = {"num_mel_bins": 8, "d_model": 16, "max_source_positions": 50, "max_target_positions": 16}
    nothing = {"suppress_tokens": None, "begin_suppress_tokens": None}
    model = WhisperForConditionalGeneration(
        WhisperConfig(vocab_size=len(WORDS), **half, **other, **lengths, **nothing, **ENDS)
    )
    model.generation_config = GenerationConfig(decoder_start_token_id=1, max_new_tokens=5, **ENDS)
    processor = WhisperProcessor(WhisperFeatureExtractor(feature_size=8, chunk_length=1), tokenizer())
    heard = SpeechModel(save(tmp_path / "speech", model, processor))
    (photo / "a.wav").write_bytes(sound())
    done = box(photo, speech=heard).run("inspect_file_as_text", {"file_path": "a.wav"})
    assert done.ok, done.text
    assert set(done.text.split()) <= {*WORDS, "no", "words", "heard"}
    (photo / "b.mp3").write_bytes(b"ID3")
    wrong = box(photo, speech=heard).run("inspect_file_as_text", {"file_path": "b.mp3"})
    assert wrong.text.startswith('error: "b.mp3" cannot be read as wav')


@pytest.mark.parametrize(("rate", "channels", "width"), [(8_000, 2, 2), (16_000, 1, 1), (44_100, 1, 4), (48_000, 3, 2)])
def test_sound_becomes_one_channel_at_one_rate(rate, channels, width):
    heard = samples_of(sound(0.5, rate, channels, width), "a.wav")
    assert heard.dtype == np.float32
    assert abs(len(heard) - 8_000) <= 2
    assert np.abs(heard).max() <= 1.0


def test_a_tone_keeps_its_pitch():
    wave_form = (12_000 * np.sin(2 * np.pi * 440 * np.arange(22_050) / 22_050)).astype(np.int16)
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(22_050)
        out.writeframes(wave_form.tobytes())
    heard = samples_of(buffer.getvalue(), "a.wav")
    assert int(np.abs(np.fft.rfft(heard)).argmax()) == pytest.approx(440, abs=2)


def test_sound_that_is_none():
    with pytest.raises(ToolError, match="cannot be read as wav"):
        samples_of(b"RIFF", "a.wav")
    with pytest.raises(ToolError, match="longer than 30 minutes"):
        samples_of(sound(1_801, 10, 1, 1), "a.wav")
    with pytest.raises(ToolError, match="24 bits"):
        samples_of(sound(0.1, 8_000, 1, 3), "a.wav")


def test_a_checkpoint_that_needs_torchvision_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("tracer1_agents.serving.tool_models.torchvision_works", lambda: False)
    ViTConfig(**SMALL).save_pretrained(tmp_path)
    with pytest.raises(ConfigurationError, match="is a vit, whose processor needs torchvision"):
        _ = WordDetector(str(tmp_path))._processor


def test_pictures_by_diffusion(photo, tmp_path):
    diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed")
    from transformers import CLIPTextConfig, CLIPTextModel  # noqa: PLC0415

    torch.manual_seed(0)
    text = CLIPTextModel(CLIPTextConfig(**SMALL, **ENDS, vocab_size=len(WORDS), max_position_embeddings=16))
    noise = diffusers.UNet2DConditionModel(
        block_out_channels=(8, 16),
        layers_per_block=1,
        sample_size=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16,
        norm_num_groups=4,
        attention_head_dim=4,
    )
    pixels = diffusers.AutoencoderKL(
        block_out_channels=[8, 8],
        down_block_types=["DownEncoderBlock2D"] * 2,
        up_block_types=["UpDecoderBlock2D"] * 2,
        norm_num_groups=4,
        sample_size=16,
    )
    parts = {"unet": noise, "vae": pixels, "text_encoder": text, "tokenizer": tokenizer()}
    without = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    schedule = diffusers.DDIMScheduler(steps_offset=1, clip_sample=False)
    diffusers.StableDiffusionPipeline(**parts, scheduler=schedule, **without).save_pretrained(tmp_path / "pictures")
    diffusers.StableDiffusionImg2ImgPipeline(**parts, scheduler=schedule, **without).save_pretrained(
        tmp_path / "editor"
    )
    made = DiffusionPictures(str(tmp_path / "pictures"), num_inference_steps=2, height=16, width=16)
    changed = DiffusionPictures(str(tmp_path / "editor"), num_inference_steps=4)
    tools = box(photo, generator=made, editor=changed)
    assert tools.run("image_generator", {"prompt": "a cat"}).text == "saved generated.png, 16 x 16 pixels"
    done = tools.run("image_edit", {"prompt": "a dog", "image_path": "a.png"})
    assert done.value == "edited.png", done.text
