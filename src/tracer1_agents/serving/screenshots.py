"""Screenshots on their way into a vision-language planner: loaded, scaled, and processed once.

An agent that looks twice at the same screen, and GRPO with its G copies of a prompt, would process a screenshot again
and again. The image processor made here remembers what it made of each picture, by the hash of its pixels, so that a
distinct screenshot is processed once; the tensors are those of the processor it was made from. Video is not read:
Qwen3-VL's processor is built without its video half where torchvision, which that half needs, does not load. Its
settings are saved all the same: where torchvision loads (beside vLLM, for example), a folder without them does not.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import OrderedDict
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from transformers import AutoConfig, AutoImageProcessor, AutoProcessor, AutoTokenizer, BatchFeature, Qwen3VLProcessor
from transformers.image_processing_utils import BaseImageProcessor
from transformers.utils.hub import cached_file

from tracer1_agents.errors import ConfigurationError, DataError, MissingExtraError
from tracer1_agents.pictures import opened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import ModuleType

    from PIL.Image import Image

    from tracer1_agents.types import ImageRef

_QWEN3_VL: Final = {"qwen3_vl", "qwen3_vl_moe", "qwen3_5", "qwen3_5_moe"}  # model types with Qwen3-VL's processor
CACHE_BYTES: Final = 1 << 30  # about 35 screenshots of 1.26 Mpx; ours
_FEATURE: Final = "a planner that reads screenshots"
FLAT_OUTPUTS: Final = ["pixel_values", "image_grid_thw"]  # of processors whose batches are their pictures, end to end


def load_picture(ref: ImageRef) -> Image:
    """A screenshot as RGB, scaled to the size that its reference gives.

    Raises:
        DataError: There is no picture at its path.
        MissingExtraError: Pillow is not installed.
    """
    pillow = _pillow()
    try:
        with opened(ref.ref, feature=_FEATURE, extra="agents") as file:
            picture: Image = file.convert("RGB")
    except (OSError, ValueError) as error:
        msg = f"no readable picture here ({error}); look at the source's `images` folder"
        raise DataError(msg, path=ref.ref) from error
    size = (ref.width, ref.height)
    return picture if picture.size == size else picture.resize(size, pillow.Resampling.BICUBIC)


def picture_of_url(url: str) -> Image:
    """The picture in a data URL, as RGB.

    Raises:
        ConfigurationError: It is another kind of URL (nothing is fetched), or holds no picture.
        MissingExtraError: Pillow is not installed.
    """
    head, _, content = url.partition(",")
    if not head.startswith("data:") or not head.endswith(";base64"):
        msg = f"a local model fetches nothing: an image must come as a data URL in base64, got {url[:60]!r}"
        raise ConfigurationError(msg)
    try:
        with opened(BytesIO(base64.b64decode(content, validate=True)), feature=_FEATURE, extra="agents") as file:
            picture: Image = file.convert("RGB")
    except (OSError, ValueError) as error:
        msg = f"an image of {len(content):,} base64 characters cannot be read ({error}); send PNG or JPEG"
        raise ConfigurationError(msg) from error
    return picture


def picture_key(picture: Image, options: str = "") -> bytes:
    """Equal for equal pixels, looked at with the same options."""
    digest = hashlib.blake2b(picture.tobytes(), digest_size=16)
    digest.update(f"{picture.mode} {picture.size} {options}".encode())
    return digest.digest()


def _pillow() -> ModuleType:
    try:
        from PIL import Image  # noqa: PLC0415  (an extra)
    except ImportError:
        raise MissingExtraError(_FEATURE, "agents") from None
    return Image


def load_processor(path: str, *, cache_bytes: int = CACHE_BYTES) -> Any:
    """The processor of a vision-language checkpoint, its image processor with a memory.

    Args:
        path: Folder or hub name.
        cache_bytes: What the memory may hold; see `PictureCache`.

    Returns:
        What `AutoProcessor` returns; without a working torchvision, a `Qwen3VLProcessor` that takes no video.

    Raises:
        ConfigurationError: The checkpoint's processor needs torchvision, or has no chat template.
        MissingExtraError: Pillow is not installed.
    """
    _pillow()
    if torchvision_works():
        processor: Any = AutoProcessor.from_pretrained(path, padding_side="left")
    else:
        processor = _image_only(path)
    if not processor.chat_template:
        msg = f"checkpoint {path!r} has no chat template; add its chat_template.jinja"
        raise ConfigurationError(msg)
    processor.image_processor = with_memory(processor.image_processor, cache_bytes)
    return processor


def torchvision_works() -> bool:
    """Whether torchvision is here and fits this torch (a build for CUDA does not load beside a CPU torch)."""
    try:
        import_module("torchvision")
    except (ImportError, OSError, RuntimeError):  # missing, a shared library missing, an operator missing
        return False
    return True


class ImageQwen3VLProcessor(Qwen3VLProcessor):
    """Qwen3-VL's processor without its video half.

    Args:
        image_processor: For pictures.
        tokenizer: For text.
        chat_template: How messages become text.
        unread: Settings of the video half, which are saved with the rest; None takes defaults that fit the pictures'.
    """

    def __init__(
        self,
        image_processor: Any,
        tokenizer: Any,
        chat_template: str | None = None,
        unread: Mapping[str, Any] | None = None,
    ) -> None:
        init: Any = super().__init__  # untyped upstream
        init(image_processor, tokenizer, chat_template=chat_template)
        shared = {name: getattr(image_processor, name) for name in ("patch_size", "merge_size", "temporal_patch_size")}
        self.unread = dict(unread or {"video_processor_type": "Qwen3VLVideoProcessor", **shared})

    def to_dict(self) -> dict[str, Any]:
        """As it is saved: with both halves."""
        saved: dict[str, Any] = super().to_dict()
        saved["video_processor"] = saved.pop("unread")
        return saved


# Saved checkpoints name the class that every transformers has.
ImageQwen3VLProcessor.__name__ = Qwen3VLProcessor.__name__


def _image_only(path: str) -> ImageQwen3VLProcessor:
    model_type = AutoConfig.from_pretrained(path).model_type
    if model_type not in _QWEN3_VL:
        msg = (
            f"checkpoint {path!r} is a {model_type}, whose processor needs torchvision, and none that fits torch "
            f"{torch.__version__} is installed; install one, or take a Qwen3-VL checkpoint"
        )
        raise ConfigurationError(msg)
    tokenizer: Any = AutoTokenizer.from_pretrained(path, padding_side="left")
    image_processor = AutoImageProcessor.from_pretrained(path, backend="pil")
    return ImageQwen3VLProcessor(
        image_processor, tokenizer, chat_template=tokenizer.chat_template, unread=_video_settings(path)
    )


def _video_settings(path: str) -> dict[str, Any] | None:
    """Of the video half of a checkpoint: in the processor's file, before transformers 5 in one of its own."""
    for name in ("processor_config.json", "video_preprocessor_config.json"):
        file = cached_file(path, name, _raise_exceptions_for_missing_entries=False)
        settings = json.loads(Path(file).read_text(encoding="utf-8")) if file else {}
        found: dict[str, Any] = settings.get("video_processor", {}) if name == "processor_config.json" else settings
        if found:
            return found
    return None


class PictureCache:
    """What an image processor made of the pictures it saw last.

    Args:
        max_bytes: Pixel values to keep; the longest unused go first. At least the newest entry stays.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes, self.bytes = max_bytes, 0
        self.hits = self.misses = 0
        self._entries: OrderedDict[bytes, Mapping[str, Any]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes) -> Mapping[str, Any] | None:
        """The entry, now the newest; None where there is none."""
        entry = self._entries.get(key)
        if entry is None:
            self.misses += 1
            return None
        self.hits += 1
        self._entries.move_to_end(key)
        return entry

    def put(self, key: bytes, entry: Mapping[str, Any]) -> None:
        """Add a new entry and forget what no longer fits."""
        self._entries[key] = entry
        self.bytes += _size(entry)
        while self.bytes > self.max_bytes and len(self._entries) > 1:
            _, old = self._entries.popitem(last=False)
            self.bytes -= _size(old)


def _size(entry: Mapping[str, Any]) -> int:
    return sum(value.nbytes for value in entry.values())


class RememberingImageProcessor(BaseImageProcessor):
    """Mixed into an image processor: RGB pictures come from a cache, anything else takes the usual way."""

    cache: PictureCache  # of the class, so that the processor's own (copied, saved) attributes are what they were

    def preprocess(self, images: Any, *args: Any, **kwargs: Any) -> BatchFeature:
        """As the processor it is mixed into, equal to the last bit."""
        pictures = list(_flat(images))
        if args or not pictures or any(getattr(picture, "mode", "") != "RGB" for picture in pictures):
            usual: BatchFeature = super().preprocess(images, *args, **kwargs)
            return usual
        tensor_type = kwargs.pop("return_tensors", None)
        entries = [self._remembered(picture, kwargs) for picture in pictures]
        joined = {name: _joined([entry[name] for entry in entries]) for name in entries[0]}
        return BatchFeature(joined, tensor_type=tensor_type)

    def fetch_images(self, image_url_or_urls: Any) -> Any:
        """Pictures as they are; a prompt without any (TRL gives None in a mixed batch) has none."""
        return [] if image_url_or_urls is None else super().fetch_images(image_url_or_urls)

    def _remembered(self, picture: Image, options: dict[str, Any]) -> Mapping[str, Any]:
        key = picture_key(picture, repr(sorted(options.items(), key=str)))
        entry = self.cache.get(key)
        if entry is None:
            entry = dict(super().preprocess([picture], **options))
            self.cache.put(key, entry)
        return entry


def _flat(images: Any) -> Iterator[Any]:
    if isinstance(images, (list, tuple)):
        for item in images:
            yield from _flat(item)
    elif images is not None:
        yield images


def _joined(values: list[Any]) -> Any:
    """End to end, always in new memory: a cached entry is never handed out."""
    return torch.cat(values) if isinstance(values[0], torch.Tensor) else np.concatenate(values)


def with_memory(image_processor: Any, max_bytes: int = CACHE_BYTES) -> Any:
    """The same image processor with a cache of its own.

    A processor whose output is not one row of patches after another is returned as it is.
    """
    if image_processor.model_input_names != FLAT_OUTPUTS:
        return image_processor
    kind = type(image_processor)
    remembering: Any = type(kind.__name__, (RememberingImageProcessor, kind), {"cache": PictureCache(max_bytes)})
    return remembering.from_dict(image_processor.to_dict())
