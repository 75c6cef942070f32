"""The planner that ships, behind a real vLLM server: bundled tasks through the graph, compared with our own engine.

    make vllm-test                                        its own environment for the server, then this
    python scripts/vllm_test.py --url http://localhost:8000/v1   a server that serves tracer1-tiny already

Starts the server on a free port of this machine (its log goes to runs/vllm-server.log), checks it, runs tasks, and asks
our engine the same prompts: greedy text and token ids have to be equal, log-probabilities within a bound. Ends with
exit code 1 where they are not. Needs the extras agents, local and tools; weights are read as float32 on both sides.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents import __version__, create_tracer1_agent, default_toolbox
from tracer1_agents.errors import ConfigurationError, Tracer1Error
from tracer1_agents.evals.gaia import read_tasks
from tracer1_agents.evals.results import ResultsFile, read_results
from tracer1_agents.evals.run import Runner, select_tasks
from tracer1_agents.graphs.workbench import find_sandbox
from tracer1_agents.planner.policy import ChatModelPolicy
from tracer1_agents.serving.local import LocalChatModel
from tracer1_agents.serving.tiny import TINY_NAME, tiny_folder
from tracer1_agents.serving.vllm import VllmChatModel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from langchain_core.runnables import RunnableConfig

    from tracer1_agents.evals.results import TaskResult
    from tracer1_agents.planner.policy import PolicyReply
    from tracer1_agents.planner.prompt import Message

POSITIONS: Final = 4096  # of the shipped planner
LARGEST_GAP: Final = 1e-3  # natural log; float32 kernels differ by some 1e-6
LOG: Final = Path("runs/vllm-server.log")
SERVER_SETTINGS: Final = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
}


def parse_arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server-python", default=".venv-vllm/bin/python", help="the Python that has vLLM")
    parser.add_argument("--url", help="of a server that serves tracer1-tiny already, ending in /v1")
    parser.add_argument("--limit", type=int, default=6, help="tasks of the bundled demo set (default 6)")
    parser.add_argument("--patience", type=float, default=600.0, help="seconds for the server to start (default 600)")
    return parser.parse_args(argv)


@contextmanager
def running_server(python: str, patience: float) -> Iterator[str]:
    """A vLLM server for the shipped planner, ended with everything it started.

    Args:
        python: That has vLLM.
        patience: Seconds until it has to answer.

    Yields:
        Its address.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # `vllm serve` looks for a distribution named vllm, which the build for CPUs is not; its module starts all the same
    command = [python, "-m", "vllm.entrypoints.openai.api_server", "--model", str(tiny_folder())]
    command += ["--served-model-name", TINY_NAME, "--host", "127.0.0.1", "--port", str(port), "--dtype", "float32"]
    command += ["--max-model-len", str(POSITIONS), "--max-num-seqs", "16", "--enforce-eager"]
    LOG.parent.mkdir(exist_ok=True)
    with LOG.open("w", encoding="utf-8") as log:
        process = subprocess.Popen(  # noqa: S603  (our own command line)
            command, stdout=log, stderr=log, env={**os.environ, **SERVER_SETTINGS}
        )
        try:
            url = f"http://127.0.0.1:{port}/v1"
            wait_until_up(process, url, patience)
            yield url
        finally:
            process.terminate()  # it ends its engine process itself
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def wait_until_up(process: subprocess.Popen[Any], url: str, patience: float) -> None:
    """Return when the server lists its models.

    Raises:
        ConfigurationError: It ended, or did not answer in time.
    """
    began = time.monotonic()
    model = VllmChatModel(model=TINY_NAME, base_url=url, timeout=5)
    while time.monotonic() - began < patience:
        if process.poll() is not None:
            msg = f"the vLLM server ended with exit code {process.returncode}; see {LOG}"
            raise ConfigurationError(msg)
        try:
            model.served_models()
        except ConfigurationError:
            time.sleep(1)
        else:
            print(f"server ready after {time.monotonic() - began:.0f} s")
            return
    msg = f"the vLLM server did not answer within {patience:g} s; see {LOG}"
    raise ConfigurationError(msg)


class Recorder(ChatModelPolicy):
    """A chat model as a policy that keeps every greedy call."""

    def __init__(self, model: VllmChatModel) -> None:
        super().__init__(model)
        self.calls: list[tuple[tuple[Message, ...], PolicyReply]] = []

    async def asample(
        self, messages: Sequence[Message], *, horizon: int, again: int = 0, config: RunnableConfig | None = None
    ) -> PolicyReply:
        """See `Policy`."""
        reply = await super().asample(messages, horizon=horizon, again=again, config=config)
        if not again:  # a step asked again is sampled
            self.calls.append((tuple(messages), reply))
        return reply


def run_tasks(policy: Recorder, limit: int) -> list[TaskResult]:
    """Run bundled tasks through the graph with a planner behind the server."""
    tasks = read_tasks("demo")
    with tempfile.TemporaryDirectory() as nowhere:
        tools = default_toolbox(nowhere, corpus=tasks.corpus)  # names and schemas, for the prompt
        agent = create_tracer1_agent(policy, tools, horizon=8, max_steps=25, profile="compact")
        output = ResultsFile(Path(nowhere) / "results.jsonl")
        output.resume({})
        asyncio.run(Runner(agent, find_sandbox()[0], tasks.corpus, 8).run(select_tasks(tasks, limit=limit), output))
        return read_results(output.path)[0]


def compare(calls: Sequence[tuple[tuple[Message, ...], PolicyReply]]) -> bool:
    """Ask our own engine the same prompts, print what differs; returns whether all is well."""
    policy = ChatModelPolicy(LocalChatModel())
    own = [policy.sample(messages, horizon=8) for messages, _ in calls]
    pairs = [(reply, local) for (_, reply), local in zip(calls, own, strict=True)]
    same = {
        "prompt token ids": sum(reply.prompt_ids == local.prompt_ids for reply, local in pairs),
        "greedy texts": sum(reply.text == local.text for reply, local in pairs),
        "completion token ids": sum(reply.completion_ids == local.completion_ids for reply, local in pairs),
    }
    for what, count in same.items():
        print(f"equal {what}: {count} of {len(pairs)}")
    gaps = [
        abs(one - other)
        for reply, local in pairs
        if reply.completion_ids == local.completion_ids
        for one, other in zip(reply.logprobs or (), local.logprobs or (), strict=True)
    ]
    print(f"largest difference of log-probabilities: {max(gaps, default=float('nan')):.2g} over {len(gaps)} tokens")
    return bool(gaps) and max(gaps) <= LARGEST_GAP and all(count == len(pairs) for count in same.values())


def print_versions(server: str) -> None:
    """What was compared with what."""
    names = ("torch", "transformers", "langgraph", "langchain-core", "openai")
    own = ", ".join(f"{name} {version(name)}" for name in names)
    print(f"server: vLLM {server}")
    print(f"client: tracer1-agents {__version__}, Python {platform.python_version()}, {own}")


def test(url: str, limit: int) -> bool:
    """Check, run and compare; returns whether all is well."""
    model = VllmChatModel(model=TINY_NAME, base_url=url)
    print_versions(model.check_server())
    policy = Recorder(model)
    results = run_tasks(policy, limit)
    for result in results:
        print(f"{result.task_id}: {result.status}, {result.planner_calls} planner calls, correct: {result.correct}")
    return compare(policy.calls) and all(result.status != "model_error" for result in results)


def main(argv: list[str] | None = None) -> int:
    """Run, and say how it went."""
    arguments = parse_arguments(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwinds, so that the server ends as well
    try:
        if arguments.url:
            well = test(arguments.url, arguments.limit)
        else:
            with running_server(arguments.server_python, arguments.patience) as url:
                well = test(url, arguments.limit)
    except (Tracer1Error, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("vLLM and our engine agree" if well else "vLLM and our engine DISAGREE")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
