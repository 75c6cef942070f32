"""A rehearsal of training: the path of a real run, end to end, with nothing downloaded.

    make rehearsal                                  some minutes on a CPU
    make rehearsal ARGS="--full"                    the 8B whole, with random weights, on a CUDA card

A Qwen3-VL with random weights, the packaged configs of `qwen3vl-8b` with overrides, AgentNet's screenshots, a scripted
UI-TARS behind an endpoint on loopback: three updates of stage 1, and three of stage 2 from what stage 1 wrote, by the
commands that a user types. On a CPU the model is scaled down, and the 8B stands on torch's meta device for an estimate
of memory and GPU-hours. Random weights write nothing that can be read, so that all replies would earn the same: the
planner first imitates the references for a few updates. What it learns means nothing; that everything is connected,
and what it costs, is the result. Ends with exit code 1 where something is broken. Needs the extras agents and train.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.actions.match import fold
from tracer1_agents.actions.space import Point
from tracer1_agents.actions.targets import points_of
from tracer1_agents.errors import ConfigurationError, Tracer1Error
from tracer1_agents.planner.profiles import UI_TARS_1_5
from tracer1_agents.serving.screenshots import load_picture, picture_of_url
from tracer1_agents.testing import ScriptedServer, chat_completion
from tracer1_agents.training.config import load_config
from tracer1_agents.training.grpo import GrpoRun, look_ahead
from tracer1_agents.training.memory import GIB, adapter_parameters, device_memory
from tracer1_agents.training.mixture import load_mixture
from tracer1_agents.training.rows import chat_of
from tracer1_agents.training.stage1 import Stage1Config
from tracer1_agents.training.stage2 import Stage2Config
from tracer1_agents.training.vision_model import QWEN3_VL_8B, build_vision_planner
from tracer1_agents.training.warmstart import TrainerConfig, make_optimizers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tracer1_agents.training.models import Planner
    from tracer1_agents.training.rows import TrainingRow

STAGES: Final[dict[str, type[GrpoRun]]] = {"stage1": Stage1Config, "stage2": Stage2Config}
CARD: Final = 80_000_000_000  # bytes of the card that the configs are written for
ENTRIES: Final = 3000  # of the tokenizer that is learnt from the rows, at most
SMALL: Final = QWEN3_VL_8B.model_copy(
    update={
        "embeddings": 0,
        "hidden_size": 64,
        "layers": 2,
        "heads": 4,
        "key_value_heads": 1,
        "head_size": 16,
        "mlp_size": 192,
        "max_positions": 8192,
        "rope_theta": 10_000.0,  # the published base turns too slowly for heads of 16
        "vision_hidden_size": 32,
        "vision_depth": 4,
        "vision_heads": 2,
        "vision_mlp_size": 120,
        "deepstack": (1, 2, 3),
    }
)
SCALED_DOWN: Final = [
    "model.dtype=float32",
    "data.horizon=2",
    "data.max_pixels=70000",
    "rollout.group_size=4",
    "rollout.max_new_tokens=256",
    "trainer.bf16=false",
    "trainer.learning_rate=1.0e-4",  # as tiny planners take it
    "trainer.max_logprob_gap=1.0e-3",  # float32 on both sides
]


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = Path(os.environ.get("TRACER1_DATA", "samples"), "agentnet")
    parser.add_argument("--data", type=Path, default=data, help=f"AgentNet trajectories and screenshots ({data})")
    parser.add_argument("--out", type=Path, default=Path("runs/rehearsal"), help="folder, made anew (runs/rehearsal)")
    parser.add_argument("--full", action="store_true", help="the 8B whole; needs a CUDA card")
    parser.add_argument("--updates", type=int, default=3, help="of each stage (default 3)")
    parser.add_argument("--imitation", type=int, default=300, help="updates of imitation beforehand (default 300)")
    parser.add_argument("--trajectories", type=int, default=1, help="to learn from (default 1)")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="torch threads (default: all cores)")
    return parser.parse_args(argv)


def overrides(arguments: argparse.Namespace) -> list[str]:
    """What is changed in the packaged configs of both stages.

    Raises:
        ConfigurationError: There are no trajectories to learn from.
    """
    if not any(arguments.data.glob("*.json")):
        msg = (
            f"there are no AgentNet trajectories in {arguments.data}; get the published sample with "
            "`tracer1 data fetch agentnet --out samples`, or name a folder with --data"
        )
        raise ConfigurationError(msg)
    limit = f"filter: {{limit: {arguments.trajectories}}}"
    return [
        f"data.sources=[{{reader: agentnet, path: {json.dumps(str(arguments.data.resolve()))}, {limit}}}]",
        "rollout.engine=local",  # vLLM is not part of this
        "rollout.prompts_per_update=4",
        f"trainer.max_steps={arguments.updates}",
        "trainer.warmup_steps=0",  # it would outlast the run
        f"trainer.save_steps={arguments.updates}",
        "trainer.sample_steps=1",
        f"trainer.threads={arguments.threads}",
        *([] if arguments.full else SCALED_DOWN),
    ]


def estimate_published(source: str, texts: Sequence[str]) -> None:
    """Print what the published 8B would take on one card, by the packaged config and by our own engine."""
    with torch.device("meta"):
        planner = build_vision_planner(QWEN3_VL_8B.model_copy(update={"vocab_size": ENTRIES}), texts)
    for engine in ("vllm", "local"):
        config = load_config(Stage1Config, "qwen3vl-8b/stage1", [source, f"rollout.engine={engine}"])
        weights = sum(part.numel() for part in planner.model.parameters())
        tower = sum(part.numel() for name, part in planner.model.named_parameters() if ".visual." in name)
        adapters = adapter_parameters(planner.model, config.model.lora) if config.model.lora else 0
        found = look_ahead(config, planner, load_mixture(config.data), device_bytes=CARD)
        print(f"\nqwen3vl-8b/stage1 with rollout.engine: {engine}, on one card of {CARD / 1e9:.0f} GB")
        print(f"{weights:,} weights, {tower:,} of them the vision tower's; {adapters:,} of adapters")
        print(found.text())
    print("Text was counted with the rehearsal's own tokenizer, which is not Qwen's; pictures are counted exactly.\n")


def imitate(planner: Planner, rows: Sequence[TrainingRow], updates: int) -> float:
    """Fit replies to references, a row an update; returns the mean loss of the last ten."""
    optimizers = make_optimizers(planner.model, TrainerConfig(muon_learning_rate=0.02, adam_learning_rate=0.004))  # type: ignore[arg-type]
    order, losses = random.Random(0), []  # noqa: S311  (reproducible, not secret)
    left: list[TrainingRow] = []
    planner.model.train()
    if planner.model.device.type == "cuda":
        planner.model.gradient_checkpointing_enable()
    for update in range(updates):
        scale = min(1.0, (update + 1) / 5, (updates - update) / (0.3 * updates))
        for group in (group for optimizer in optimizers for group in optimizer.param_groups):
            group["lr"] = group["initial_lr"] * scale
        left = left or order.sample(rows, len(rows))
        loss = reply_loss(planner, left.pop())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(planner.model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        losses.append(float(loss.detach()))
        if update % 50 == 0:
            print(f"imitation: update {update} of {updates}, loss {losses[-1]:.2f}", flush=True)
    planner.model.gradient_checkpointing_disable()
    return sum(losses[-10:]) / len(losses[-10:])


def reply_loss(planner: Planner, row: TrainingRow) -> torch.Tensor:
    """Cross entropy of the reference reply behind its prompt, screenshot included."""
    processor: Any = planner.processor
    prompt = processor.apply_chat_template(
        [chat_of(row.messages, load_picture)],
        tokenize=True,
        return_dict=True,
        add_generation_prompt=True,
        return_tensors="pt",
    ).to(planner.model.device)
    reply = [*planner.tokenizer(row.reply, add_special_tokens=False)["input_ids"], planner.tokenizer.eos_token_id]
    targets = torch.tensor(reply, device=planner.model.device)
    ids = torch.cat([prompt.pop("input_ids"), targets[None]], 1)
    kinds = torch.nn.functional.pad(prompt.pop("mm_token_type_ids"), (0, len(reply)))
    shown = {**prompt, "attention_mask": torch.ones_like(ids), "mm_token_type_ids": kinds}
    logits = planner.model(input_ids=ids, logits_to_keep=len(reply) + 1, **shown).logits
    return torch.nn.functional.cross_entropy(logits[0, :-1].float(), targets)


def grounding_script(rows: Sequence[TrainingRow]) -> Callable[[Any], Any]:
    """A frozen agent that finds what the references point at, by their step instructions, and else the middle.

    It answers as UI-TARS 1.5 does, in pixels of the screenshot that it was sent, resized.
    """
    steps = (step for row in rows for step in row.window.steps)
    known = ((fold(step.instruction), points_of(step.action)[0]) for step in steps)
    places = {words: point for words, point in known if point is not None}

    def answer(body: Any) -> Any:
        parts = body["messages"][-1]["content"]
        url = next(part["image_url"]["url"] for part in parts if part["type"] == "image_url")
        words = next(part["text"] for part in parts if part["type"] == "text")
        asked = words.rpartition("## User Instruction\n")[2]
        point = places.get(fold(asked), Point(0.5, 0.5))
        x, y = UI_TARS_1_5.frame.from_unit(point, Size(*picture_of_url(url).size))
        return chat_completion(f"Thought: I look for it.\nAction: click(start_box='({x},{y})')", model=body["model"])

    return answer


def run_stage(stage: str, options: Sequence[str]) -> int:
    """Run a stage by its own command; returns its exit status."""
    command = [sys.executable, "-m", f"tracer1_agents.training.{stage}", "--config", f"qwen3vl-8b/{stage}"]
    command += [part for option in options for part in ("--set", option)]
    print(f"\n$ {' '.join(command)}\n", flush=True)
    process = subprocess.Popen(command)  # noqa: S603  (our own command line)
    try:
        return process.wait()
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


@dataclass(frozen=True)
class Report:
    """What a stage left in its log, and what the grounding agent saw of it.

    Attributes:
        stage: Its name.
        status: Exit status of its command.
        log: A record of each update.
        completions: Replies of an update.
        grounded: Requests that reached the grounding agent.
    """

    stage: str
    status: int
    log: list[Mapping[str, Any]]
    completions: int
    grounded: int

    def total(self, key: str) -> float:
        """Of all updates."""
        return float(sum(line.get(key, 0.0) for line in self.log))

    def last(self, key: str) -> float:
        """Counts since the run's start stand in its last record."""
        return float(self.log[-1].get(key, 0.0)) if self.log else 0.0

    def lines(self) -> dict[str, str]:
        """The table's column."""
        rollout, whole = self.total("time/rollout"), self.total("step_time")
        tokens = self.completions * self.total("completions/mean_length")
        updates = max(1, len(self.log))
        return {
            "updates": f"{len(self.log)}",
            "peak memory, GiB": f"{max((line['memory/peak_gib'] for line in self.log), default=0):.2f}",
            "tokens sampled": f"{tokens:,.0f}",
            "tokens/s of rollouts": f"{tokens / rollout:,.0f}" if rollout else "none",
            "time in rollouts": f"{rollout / whole:.0%}" if whole else "none",
            "  while executing": f"{self.last('graph/execution_seconds') / whole:.0%}" if whole else "none",
            "time in training": f"{1 - rollout / whole:.0%}" if whole else "none",
            "seconds an update": f"{whole / updates:.1f}",
            "sampler/trainer gap": f"{self.total('sampling/first_batch_gap_max'):.2g}",
            "mean reward": f"{self.total('reward') / updates:.3f}",
            "constant groups": f"{self.total('frac_reward_zero_std') / updates:.0%}",
            "unreadable replies": f"{self.total('forecast/unreadable') / updates:.0%}",
            "executions": f"{self.last('graph/executions'):.0f}",
            "grounding calls": f"{self.grounded}",
            "grounding cache hits": f"{self.last('executor/cache_hits/agentnet'):.0f}",
            "change of weights": f"{max((line['weights/change'] for line in self.log), default=0):.2g}",
        }

    def problems(self) -> list[str]:
        """What is broken."""
        if self.status or not self.log:
            return [f"{self.stage} ended with exit status {self.status} after {len(self.log)} updates"]
        found = {
            "the loss is no number": any(not math.isfinite(line["loss"]) for line in self.log),
            "sampler and trainer were not compared": "sampling/first_batch_gap_max" not in self.log[0],
            "all replies of every group earned the same": all(line["frac_reward_zero_std"] == 1 for line in self.log),
            "no update moved the weights": all(line["weights/change"] == 0 for line in self.log),
        }
        if self.stage == "stage2":
            found["no action was executed"] = self.last("graph/executions") == 0
            found["the grounding agent was never asked"] = self.grounded == 0
        return [f"{self.stage}: {problem}" for problem, is_so in found.items() if is_so]


def rehearse(stage: str, options: Sequence[str], folder: Path, server: ScriptedServer) -> Report:
    """Run a stage and read what it left."""
    before = len(server.asked)
    status = run_stage(stage, [*options, f"trainer.output_dir={folder}"])
    path = folder / "log.jsonl"
    records = map(json.loads, path.read_text(encoding="utf-8").splitlines()) if path.exists() else ()
    log = [record for record in records if record["event"] == "train"]
    rollout = load_config(STAGES[stage], f"qwen3vl-8b/{stage}", options).rollout
    completions = rollout.group_size * rollout.prompts_per_update
    return Report(stage, status, log, completions, len(server.asked) - before)


def rehearse_both(options: Sequence[str], folder: Path, rows: Sequence[TrainingRow]) -> list[Report]:
    """Stage 1, and stage 2 from its model; the grounding agent ends with them, however they end."""
    with closing(ScriptedServer([grounding_script(rows)])) as server:
        reports = [rehearse("stage1", [f"model.path={folder / 'planner'}", *options], folder / "stage1", server)]
        if not reports[0].problems():
            agent = f"{{agentnet: {{base_url: {json.dumps(server.url)}, model: UI-TARS-1.5-7B}}}}"
            grounded = [
                f"executors.grounding={agent}",
                "rollout.way=graph",
                f"model.path={folder / 'stage1' / 'model'}",
            ]
            reports.append(rehearse("stage2", [*options, *grounded], folder / "stage2", server))
    return reports


def prepare(arguments: argparse.Namespace, rows: Sequence[TrainingRow], texts: Sequence[str], dtype: str) -> None:
    """Write the planner that stage 1 begins with."""
    sizes = (QWEN3_VL_8B if arguments.full else SMALL).model_copy(update={"vocab_size": ENTRIES})
    with torch.device("cuda" if arguments.full else "cpu"):
        planner = build_vision_planner(sizes, texts)
    planner.model.to(getattr(torch, dtype))
    count = sum(part.numel() for part in planner.model.parameters())
    began = time.perf_counter()
    loss = imitate(planner, rows, arguments.imitation)
    spent = time.perf_counter() - began
    print(f"{count:,} random weights imitated {len(rows)} rows for {arguments.imitation} updates: {spent:.0f} s")
    print(f"mean loss of the last ten: {loss:.3f}")
    planner.save(arguments.out / "planner")


def machine() -> str:
    """What all this ran on."""
    names = ("torch", "transformers", "trl")
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    _, size = device_memory()
    where = f"{os.cpu_count()} CPU cores ({platform.machine()}), {card}, {size / GIB:.0f} GiB"
    return f"{where}; Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in names)


def table(reports: Sequence[Report]) -> str:
    """What was measured, a column for each stage."""
    columns = [report.lines() for report in reports]
    lines = [f"{'':22}" + "".join(f"{report.stage:>12}" for report in reports)]
    lines += [f"{name:22}" + "".join(f"{column[name]:>12}" for column in columns) for name in columns[0]]
    return "\n".join(lines)


def run(arguments: argparse.Namespace) -> list[str]:
    """Rehearse and print; returns what is broken.

    Raises:
        ConfigurationError: There is no data, or no card for the whole model.
    """
    if arguments.full and not torch.cuda.is_available():
        msg = "--full needs a CUDA card and torch sees none; without it the model is scaled down"
        raise ConfigurationError(msg)
    options = overrides(arguments)
    for name in ("planner", "stage1", "stage2"):
        shutil.rmtree(arguments.out / name, ignore_errors=True)
    torch.set_num_threads(arguments.threads)
    config = load_config(Stage1Config, "qwen3vl-8b/stage1", options)
    rows = load_mixture(config.data).rows[:]
    texts = ["".join(message.text for message in row.messages) + row.reply for row in rows]
    estimate_published(options[0], texts)
    prepare(arguments, rows, texts, config.model.dtype)
    reports = rehearse_both(options, arguments.out, rows)
    print(f"\n{table(reports)}\n\n{machine()}")
    print(
        "Executing overlaps with sampling and is part of the rollouts. Weights began at random: rewards mean nothing."
    )
    return [problem for report in reports for problem in report.problems()]


def main(argv: Sequence[str] | None = None) -> int:
    """Rehearse, and say how it went."""
    arguments = parse_arguments(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwinds, so that server and stage end as well
    try:
        problems = run(arguments)
    except (Tracer1Error, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    print("\n".join(f"BROKEN: {problem}" for problem in problems) or "the rehearsal went through")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
