"""What remembering screenshots saves: TRL's way through the processor, G copies of each prompt twice a step.

Paired: each round processes the same batch with the stock image processor and with ours, freshly emptied, in turns of
which goes first. Processor time, one core, random pixels at a screenshot's size; peak memory of a process of its own
for each: ``OMP_NUM_THREADS=1 python benchmarks/image_cache.py``.
"""
# ruff: noqa: INP001, T201  (a program; what it prints is its result)

from __future__ import annotations

import random
from functools import partial
from statistics import median
from typing import Any, Final

import torch
from paired import ROUNDS, measured, peak_memory, ratios, spread
from PIL import Image
from transformers import Qwen2VLImageProcessorPil

from tracer1_agents.serving.screenshots import with_memory

SIZE: Final = (1495, 841)  # 16:9 at 1.26 Mpx, the cap of the configs
PROMPTS, COPIES, PASSES = 1, 8, 2


def main() -> None:
    """Print the median ratio with its interval, after a check that the tensors are equal."""
    torch.set_num_threads(1)
    batch = screenshots()
    equal = torch.equal(step(stock(), batch), step(with_memory(stock()), batch))
    print(f"{PROMPTS} screenshot of {SIZE[0]} x {SIZE[1]}, {COPIES} copies, {PASSES} passes; equal tensors: {equal}")
    timings = measured(
        {"stock": lambda: step(stock(), batch), "remembering": lambda: step(with_memory(stock()), batch)}
    )
    plain, cached = timings["stock"].processor, timings["remembering"].processor
    print(f"processor time of a step: stock {median(plain):.2f} s, remembering {median(cached):.2f} s")
    print(f"stock / remembering {spread(ratios(plain, cached))}, {ROUNDS} rounds")
    loaded = peak_memory(screenshots)
    print(f"peak memory: {loaded:.0f} MB with the batch loaded; beyond that")
    for name in timings:
        print(f"  {name:12} {peak_memory(partial(process, name)) - loaded:4.0f} MB")


def process(name: str) -> None:
    """A step with a fresh processor."""
    torch.set_num_threads(1)
    step(with_memory(stock()) if name == "remembering" else stock(), screenshots())


def screenshots() -> list[Image.Image]:
    """A batch as TRL hands it over: every copy a picture of its own."""
    width, height = SIZE
    shots = [
        Image.frombytes("RGB", SIZE, random.Random(seed).randbytes(3 * width * height))  # noqa: S311
        for seed in range(PROMPTS)
    ]
    return [shot.copy() for shot in shots for _ in range(COPIES)]


def stock() -> Any:
    """Qwen3-VL's image processor, as its checkpoints set it up."""
    return Qwen2VLImageProcessorPil(
        patch_size=16,
        image_mean=[0.5, 0.5, 0.5],
        image_std=[0.5, 0.5, 0.5],
        size={"shortest_edge": 65_536, "longest_edge": 16_777_216},
    )


def step(processor: Any, batch: list[Image.Image]) -> torch.Tensor:
    """Both passes of a step; returns the pixel values of the last."""
    for _ in range(PASSES):
        values: torch.Tensor = processor(images=batch, return_tensors="pt")["pixel_values"]
    return values


if __name__ == "__main__":
    main()
