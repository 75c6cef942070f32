"""Checkpoints as backends of the tools: detection by words, segmentation by boxes, speech, formulas, diffusion.

Each class takes a folder or a hub name and loads nothing until it is first asked. Weights are safetensors, no code of a
checkpoint is run. Image processors are the plain ones wherever torchvision does not load.
"""

from __future__ import annotations

import io
import threading
import wave
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
import transformers
from PIL import Image

from tracer1_agents.errors import ConfigurationError, MissingExtraError, ToolError
from tracer1_agents.serving.screenshots import torchvision_works

if TYPE_CHECKING:
    from collections.abc import Sequence

_PROCESSORS: Final = {
    "owlvit": "OwlViTProcessor",
    "owlv2": "Owlv2Processor",
    "grounding-dino": "GroundingDinoProcessor",
    "sam": "SamProcessor",
}
_WITHOUT_TEXT: Final = frozenset({"sam"})
_RATE: Final = 16_000  # samples a second that speech models hear
_SOUND_SECONDS: Final = 1_800
_WIDTHS: Final[dict[int, Any]] = {1: np.uint8, 2: np.int16, 4: np.int32}


class _Checkpoint:
    """A model that is loaded when it is first asked, and asked by one thread at a time.

    Args:
        path: Folder or hub name.
        device: As torch names it.
    """

    loader = ""  # the class of transformers that reads it

    def __init__(self, path: str, *, device: str = "cpu") -> None:
        self.path, self.device = str(path), device
        self._turn = threading.Lock()

    @cached_property
    def _model(self) -> Any:
        loader: Any = getattr(transformers, self.loader)
        model: Any = loader.from_pretrained(self.path, use_safetensors=True)
        return model.to(self.device).eval()

    @cached_property
    def _processor(self) -> Any:
        return _processor(self.path)


def _processor(path: str) -> Any:
    """The processor of a checkpoint, without torchvision where that does not load."""
    if torchvision_works():
        loaded: Any = transformers.AutoProcessor.from_pretrained(path)
        return loaded
    kind = transformers.AutoConfig.from_pretrained(path).model_type
    if kind not in _PROCESSORS:
        known = ", ".join(_PROCESSORS)
        msg = f"checkpoint {path!r} is a {kind}, whose processor needs torchvision; without it there are {known}"
        raise ConfigurationError(msg)
    images: Any = transformers.AutoImageProcessor.from_pretrained(path, backend="pil")
    make: Any = getattr(transformers, _PROCESSORS[kind])
    if kind in _WITHOUT_TEXT:
        return make(images)
    return make(image_processor=images, tokenizer=transformers.AutoTokenizer.from_pretrained(path))


def _picture(image: bytes) -> Image.Image:
    """A PNG that the tools' worker wrote."""
    with Image.open(io.BytesIO(image), formats=("PNG",)) as opened:
        return opened.convert("RGB")


class WordDetector(_Checkpoint):
    """An `ObjectDetector`: OWL-ViT, OWLv2 or Grounding DINO.

    Args:
        threshold: Score below which nothing is told (T3 takes 0.1 of OWL-ViT).
    """

    loader = "AutoModelForZeroShotObjectDetection"

    def __init__(self, path: str, *, device: str = "cpu", threshold: float = 0.1) -> None:
        super().__init__(path, device=device)
        self.threshold = threshold

    def locate(self, target: str, image: bytes) -> list[tuple[float, ...]]:
        """Left, top, right, bottom in pixels and a score each, best first."""
        picture = _picture(image)
        with self._turn, torch.inference_mode():
            dino = self._model.config.model_type == "grounding-dino"
            words: Any = f"{target.lower().rstrip('.')}." if dino else [[f"a photo of {target}"]]
            inputs = self._processor(text=words, images=picture, return_tensors="pt", **self._short(dino=dino))
            outputs = self._model(**inputs.to(self.device))
            (found,) = self._processor.post_process_grounded_object_detection(
                outputs, threshold=self.threshold, target_sizes=[(picture.height, picture.width)]
            )
        order = found["scores"].argsort(descending=True).tolist()
        return [(*found["boxes"][at].tolist(), float(found["scores"][at])) for at in order]

    def _short(self, *, dino: bool) -> dict[str, Any]:
        """OWL-ViT has few places for words; a longer target loses its end."""
        if dino:
            return {}
        length = self._model.config.text_config.max_position_embeddings
        return {"padding": "max_length", "truncation": True, "max_length": length}


class BoxSegments(_Checkpoint):
    """A `Segmenter`: SAM."""

    loader = "SamModel"

    def segment(self, image: bytes, boxes: Sequence[Sequence[float]]) -> list[bytes]:
        """A mask for each box: the one of SAM's that it thinks best."""
        picture = _picture(image)
        with self._turn, torch.inference_mode():
            prompts = [[[float(edge) for edge in box[:4]] for box in boxes]]
            inputs = self._processor(images=picture, input_boxes=prompts, return_tensors="pt").to(self.device)
            outputs = self._model(**inputs)
            (masks,) = self._processor.post_process_masks(
                outputs.pred_masks.cpu(), inputs["original_sizes"].cpu(), inputs["reshaped_input_sizes"].cpu()
            )
        best = outputs.iou_scores[0].argmax(dim=-1).tolist()
        return [_mask(masks[number][choice].numpy()) for number, choice in enumerate(best)]


def _mask(inside: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.where(inside, 255, 0).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


class FormulaModel(_Checkpoint):
    """A `FormulaReader`: an image encoder with a text decoder, such as TrOCR and Nougat.

    Args:
        most: Tokens of a formula.
    """

    loader = "VisionEncoderDecoderModel"

    def __init__(self, path: str, *, device: str = "cpu", most: int = 512) -> None:
        super().__init__(path, device=device)
        self.most = most

    @cached_property
    def _processor(self) -> Any:
        backend: dict[str, str] = {} if torchvision_works() else {"backend": "pil"}
        images: Any = transformers.AutoImageProcessor.from_pretrained(self.path, **backend)
        return images, transformers.AutoTokenizer.from_pretrained(self.path)

    def read_formula(self, image: bytes) -> str:
        """The formula in an image, as the model writes it."""
        with self._turn, torch.inference_mode():
            images, tokenizer = self._processor
            pixels = images(images=_picture(image), return_tensors="pt")["pixel_values"].to(self.device)
            (written,) = self._model.generate(pixels, max_new_tokens=self.most)
        return str(tokenizer.decode(written, skip_special_tokens=True))


class SpeechModel(_Checkpoint):
    """A `Transcriber` of wav files: Whisper, and others that transformers reads as speech to text."""

    loader = "AutoModelForSpeechSeq2Seq"

    @cached_property
    def _processor(self) -> Any:
        loaded: Any = transformers.AutoProcessor.from_pretrained(self.path)
        return loaded

    def transcribe(self, audio: bytes, name: str) -> str:
        """The words in a wav file of at most half an hour.

        Raises:
            ToolError: It is another kind of file, broken, or too long.
        """
        heard = samples_of(audio, name)
        words = []
        with self._turn, torch.inference_mode():
            window = self._processor.feature_extractor.n_samples
            for begin in range(0, max(len(heard), 1), window):
                part = heard[begin : begin + window]
                inputs = self._processor(part, sampling_rate=_RATE, return_tensors="pt").to(self.device)
                written = self._model.generate(inputs["input_features"])
                words += self._processor.batch_decode(written, skip_special_tokens=True)
        return " ".join(text.strip() for text in words)


def samples_of(audio: bytes, name: str) -> Any:
    """A wav file as one channel of floats in [-1, 1], 16,000 a second.

    Args:
        audio: The file.
        name: Of it, for messages.

    Raises:
        ToolError: It is another kind of file, broken, or longer than half an hour.
    """
    try:
        with wave.open(io.BytesIO(audio)) as sound:
            rate, channels, width = sound.getframerate(), sound.getnchannels(), sound.getsampwidth()
            if rate < 1 or sound.getnframes() > _SOUND_SECONDS * rate:
                msg = f'"{name}" is longer than {_SOUND_SECONDS // 60} minutes'
                raise ToolError(msg)
            frames = sound.readframes(sound.getnframes())
    except (wave.Error, EOFError) as error:
        msg = f'"{name}" cannot be read as wav: {error}; this speech model reads no other sound'
        raise ToolError(msg) from error
    if width not in _WIDTHS:
        msg = f'"{name}" has samples of {8 * width} bits; 8, 16 and 32 are read'
        raise ToolError(msg)
    kind = np.dtype(_WIDTHS[width])
    whole = len(frames) // (width * channels) * width * channels
    values = np.frombuffer(frames[:whole], kind).reshape(-1, channels).mean(axis=1)
    level = (values - 128) / 128 if width == 1 else values / float(1 << (8 * width - 1))
    places = np.arange(0, len(level), rate / _RATE)
    return np.interp(places, np.arange(len(level)), level).astype(np.float32) if len(level) else np.zeros(1, np.float32)


class DiffusionPictures:
    """An `ImageGenerator` and an `ImageEditor`: a pipeline of diffusers.

    Args:
        path: Folder or hub name; its own pipeline is run, so that an editor needs one that takes a picture.
        device: As torch names it.
        options: Further arguments of each call, such as `num_inference_steps`.

    Raises:
        MissingExtraError: diffusers is not installed.
    """

    def __init__(self, path: str, *, device: str = "cpu", **options: Any) -> None:
        self.path, self.device, self.options = str(path), device, options
        self._turn = threading.Lock()
        try:
            import diffusers  # noqa: PLC0415  (an extra)
        except ImportError:
            feature = "a diffusion model"
            raise MissingExtraError(feature, "vision") from None
        self._diffusers: Any = diffusers

    @cached_property
    def _pipeline(self) -> Any:
        pipeline: Any = self._diffusers.DiffusionPipeline.from_pretrained(self.path, use_safetensors=True)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline.to(self.device)

    def generate(self, prompt: str) -> bytes:
        """A picture as PNG."""
        return self._run(prompt)

    def edit(self, prompt: str, image: bytes) -> bytes:
        """A changed picture as PNG."""
        return self._run(prompt, image=_picture(image))

    def _run(self, prompt: str, **more: Any) -> bytes:
        with self._turn, torch.inference_mode():
            picture = self._pipeline(prompt, **more, **self.options).images[0]
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        return buffer.getvalue()
