"""Screenshots: scaled as their reference says, processed once, and equal to what the plain processor makes of them."""

import base64
import io
import json
import random
import shutil
import sys

import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("PIL", reason="Pillow is not installed")

import torch
from PIL import Image
from transformers import Qwen2VLImageProcessorPil

from tracer1_agents.errors import ConfigurationError, DataError, MissingExtraError
from tracer1_agents.serving import screenshots
from tracer1_agents.serving.screenshots import PictureCache, load_picture, load_processor, picture_of_url, with_memory
from tracer1_agents.training.models import load_planner
from tracer1_agents.training.settings import ModelConfig
from tracer1_agents.training.vision_model import save_vision_planner
from tracer1_agents.types import ImageRef

pytestmark = pytest.mark.torch
SIZES = [(64, 48), (33, 97), (200, 40), (128, 128)]


def picture(size, seed=0):
    return Image.frombytes("RGB", size, random.Random(seed).randbytes(3 * size[0] * size[1]))


def plain():
    return Qwen2VLImageProcessorPil(patch_size=16, size={"shortest_edge": 32 * 32, "longest_edge": 96 * 96})


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return save_vision_planner(tmp_path_factory.mktemp("vision"))


@pytest.mark.parametrize("tensors", ["pt", "np", None])
def test_a_batch_with_repeats_equals_the_uncached_one(tensors):
    batch = [picture(size, seed) for seed, size in enumerate(SIZES)]
    batch = [batch[at].copy() for at in (0, 0, 1, 2, 1, 3, 0)]
    remembering = with_memory(plain())
    wanted = plain()(images=batch, return_tensors=tensors)
    for _ in range(2):
        got = remembering(images=batch, return_tensors=tensors)
        assert got.keys() == wanted.keys()
        for name in wanted:
            assert type(got[name]) is type(wanted[name])
            assert torch.equal(torch.as_tensor(got[name]), torch.as_tensor(wanted[name]))
    assert (remembering.cache.misses, remembering.cache.hits) == (4, 10)


def test_what_is_handed_out_is_not_the_cache():
    remembering = with_memory(plain())
    first = remembering(images=[picture((64, 64))], return_tensors="pt")["pixel_values"]
    kept = first.clone()
    first.zero_()
    assert torch.equal(remembering(images=[picture((64, 64))], return_tensors="pt")["pixel_values"], kept)


def test_other_options_are_other_entries():
    remembering = with_memory(plain())
    shot = picture((64, 64))
    remembering(images=[shot])
    raw = remembering(images=[shot], do_normalize=False)
    assert remembering.cache.misses == 2
    assert (raw["pixel_values"] == plain()(images=[shot], do_normalize=False)["pixel_values"]).all()


def test_pictures_in_other_modes_take_the_usual_way():
    remembering = with_memory(plain())
    grey = picture((64, 64)).convert("L")
    got = remembering(images=[grey], return_tensors="pt")["pixel_values"]
    assert torch.equal(got, plain()(images=[grey], return_tensors="pt")["pixel_values"])
    assert len(remembering.cache) == 0


def test_the_cache_forgets_what_was_not_used_longest():
    cache = PictureCache(max_bytes=24)
    entries = {key: {"pixel_values": torch.zeros(2)} for key in (b"a", b"b", b"c", b"d")}  # 8 bytes each
    for key in (b"a", b"b", b"c"):
        cache.put(key, entries[key])
    assert cache.get(b"a") is entries[b"a"]
    cache.put(b"d", entries[b"d"])
    assert cache.get(b"b") is None
    assert (len(cache), cache.bytes) == (3, 24)
    cache.put(b"large", {"pixel_values": torch.zeros(100)})
    assert (len(cache), cache.bytes) == (1, 400)


def test_processors_do_not_share_a_cache_and_do_not_save_it(tmp_path):
    one, other = with_memory(plain()), with_memory(plain())
    one(images=[picture((64, 64))])
    assert len(other.cache) == 0
    one.save_pretrained(tmp_path)
    assert one.to_dict() == plain().to_dict()


def test_image_processors_with_other_outputs_are_left_alone():
    class Tiled:
        model_input_names = ("pixel_values", "num_crops")

    tiled = Tiled()
    assert with_memory(tiled) is tiled


def test_a_checkpoint_is_loaded_with_its_processor(checkpoint):
    planner = load_planner(ModelConfig(path=str(checkpoint)))
    assert planner.reads_images
    assert planner.tokenizer.padding_side == "left"
    chat = [
        {"role": "user", "content": [{"type": "image", "image": picture((96, 64))}, {"type": "text", "text": "Go"}]}
    ]
    inputs = planner.processor.apply_chat_template(
        [chat], tokenize=True, return_dict=True, add_generation_prompt=True, return_tensors="pt"
    )
    image_tokens = (inputs["input_ids"] == planner.model.config.image_token_id).sum().item()
    assert image_tokens == 3 * 2  # 96 x 64 pixels in tokens of 32 x 32
    assert torch.isfinite(planner.model(**inputs).logits).all()
    assert planner.processor.image_processor.cache.misses == 1


def test_prompts_without_a_picture_may_stand_beside_those_with_one(checkpoint):
    processor = load_processor(str(checkpoint))
    with_picture = "<|vision_start|><|image_pad|><|vision_end|>"
    got = processor(images=[[picture((64, 32))], None], text=[with_picture, "x"], padding=True, return_tensors="pt")
    assert got["image_grid_thw"].tolist() == [[1, 2, 4]]


def test_a_batch_may_have_no_picture_at_all(checkpoint):
    planner = load_planner(ModelConfig(path=str(checkpoint)))
    ids = planner.tokenizer(["some words"], return_tensors="pt")
    wanted = planner.model(**ids).logits
    empty = {"pixel_values": torch.zeros(0, 1536), "image_grid_thw": torch.zeros(0, 3, dtype=torch.long)}
    got = planner.model(**ids, **empty, mm_token_type_ids=torch.zeros_like(ids["input_ids"])).logits
    assert torch.equal(got, wanted)


def test_a_saved_processor_names_classes_that_transformers_has(checkpoint, tmp_path):
    planner = load_planner(ModelConfig(path=str(checkpoint)))
    planner.save(tmp_path)
    saved = (tmp_path / "processor_config.json").read_text(encoding="utf-8")
    assert '"processor_class": "Qwen3VLProcessor"' in saved
    assert '"image_processor_type": "Qwen2VLImageProcessor"' in saved
    again = load_processor(str(tmp_path))
    assert again.chat_template == planner.processor.chat_template


@pytest.mark.parametrize("kept_in", ["processor_config.json", "video_preprocessor_config.json", None])
def test_the_video_half_is_passed_on_unread(checkpoint, tmp_path, monkeypatch, kept_in):
    monkeypatch.setattr(screenshots, "torchvision_works", lambda: False)
    source = shutil.copytree(checkpoint, tmp_path / "source")
    saved = source / "processor_config.json"
    settings = json.loads(saved.read_text(encoding="utf-8"))
    assert settings.pop("video_processor")["patch_size"] == settings["image_processor"]["patch_size"]
    video = {"video_processor_type": "Qwen3VLVideoProcessor", "merge_size": 2, "max_frames": 5}
    if kept_in == saved.name:
        settings["video_processor"] = video
    elif kept_in:
        (source / kept_in).write_text(json.dumps(video), encoding="utf-8")
    saved.write_text(json.dumps(settings), encoding="utf-8")
    load_processor(str(source)).save_pretrained(tmp_path / "again")
    again = json.loads((tmp_path / "again" / "processor_config.json").read_text(encoding="utf-8"))
    assert again["video_processor"].get("max_frames") == (5 if kept_in else None)
    assert again["video_processor"]["video_processor_type"] == "Qwen3VLVideoProcessor"
    assert "unread" not in again


def test_a_processor_that_needs_torchvision_is_refused_without_it(tmp_path, monkeypatch):
    monkeypatch.setattr(screenshots, "torchvision_works", lambda: False)
    (tmp_path / "config.json").write_text('{"model_type": "llava"}', encoding="utf-8")
    with pytest.raises(ConfigurationError, match="llava, whose processor needs torchvision"):
        load_processor(str(tmp_path))


def test_a_picture_has_the_size_of_its_reference(tmp_path):
    path = tmp_path / "shot.png"
    picture((64, 48)).convert("RGBA").save(path)
    shot = load_picture(ImageRef(ref=str(path), width=32, height=24))
    assert (shot.size, shot.mode) == ((32, 24), "RGB")
    same = load_picture(ImageRef(ref=str(path), width=64, height=48))
    assert same.tobytes() == picture((64, 48)).tobytes()


@pytest.mark.parametrize("content", [None, b"not a picture"])
def test_a_picture_that_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / "shot.png"
    if content:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"shot\.png: no readable picture"):
        load_picture(ImageRef(ref=str(path), width=8, height=8))


def test_without_pillow_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingExtraError, match="agents"):
        load_picture(ImageRef(ref="shot.png", width=8, height=8))


def _file(size, kind="PNG"):
    buffer = io.BytesIO()
    Image.new("1", size).convert("1" if kind == "PNG" else "RGB").save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("content", [_file((9_000, 9_000)), _file((9, 9), "PPM"), _file((90, 90))[:-30], b""])
def test_pictures_for_a_model_are_bounded_by_their_header(tmp_path, content):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        picture_of_url("data:image/png;base64," + base64.b64encode(content).decode())
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(DataError, match="no readable picture"):
        load_picture(ImageRef(ref=str(path), width=9, height=9))
