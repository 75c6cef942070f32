"""The agent in inspect_ai: tasks, a solver for GAIA-format tasks (inspect_evals' too), forecasts as events.

    inspect eval tracer1_agents/gaia -T tasks=demo --model openai/gpt-5
    inspect eval tracer1_agents/steps -T suite=agentnetbench -T data=samples/agentnet --model openai/gpt-5
    inspect eval inspect_evals/gaia --solver tracer1_agents/tracer1 --model openai/gpt-5

The loop is the compiled graph of `create_tracer1_agent`; its planner is the model that inspect evaluates, so that its
limits, caches, logs and costs hold. Scores are those of `rewards.answers` and `metrics`, never written again here.
"""

from __future__ import annotations

import base64
import posixpath
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.log import transcript
from inspect_ai.model import (
    ChatMessageSystem,
    ChatMessageUser,
    ContentImage,
    ContentText,
    ModelOutput,
    get_model,
)
from inspect_ai.scorer import CORRECT, INCORRECT, NOANSWER, Score, Scorer, Target, accuracy, scorer, stderr
from inspect_ai.solver import Generate, Solver, TaskState, solver
from inspect_ai.util import sandbox

from tracer1_agents.blobs import ImageFiles
from tracer1_agents.data.prompts import PromptOptions, recorded_prompt
from tracer1_agents.data.taskgen.draft import task_instruction
from tracer1_agents.errors import ConfigurationError, PlannerError
from tracer1_agents.evals.collect import with_step_told
from tracer1_agents.evals.gaia import read_tasks
from tracer1_agents.evals.markers import own_steps
from tracer1_agents.evals.predictions import Prediction
from tracer1_agents.evals.scoring import References, scorable_steps
from tracer1_agents.evals.suites import data_path, references, suite_named
from tracer1_agents.graphs.build import create_tracer1_agent
from tracer1_agents.graphs.settings import Tracer1Context
from tracer1_agents.graphs.workbench import find_sandbox, open_workbench
from tracer1_agents.planner.forecast import read_forecast
from tracer1_agents.planner.policy import PolicyReply
from tracer1_agents.planner.profiles import profile_for, profile_named
from tracer1_agents.rewards.answers import gaia_match
from tracer1_agents.tools.search import Corpus
from tracer1_agents.types import Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.runnables import RunnableConfig

    from tracer1_agents.blobs import ImageSource
    from tracer1_agents.planner.prompt import Message
    from tracer1_agents.rewards.answers import Rule
    from tracer1_agents.types import ReferenceTrajectory

SHARED: Final = "/shared_files"  # where inspect_evals puts the files of GAIA's questions


class InspectPolicy:
    """The model that inspect evaluates, as a planner.

    Args:
        blobs: Where screenshots are looked up.
    """

    def __init__(self, blobs: ImageSource | None = None) -> None:
        self.blobs = blobs or ImageFiles()

    def sample(
        self, messages: Sequence[Message], *, horizon: int, again: int = 0, config: RunnableConfig | None = None
    ) -> PolicyReply:
        """See `Policy`.

        Raises:
            PlannerError: Always: inspect's models are asynchronous.
        """
        del messages, horizon, again, config
        msg = "a model of inspect_ai answers asynchronously only; run the graph with ainvoke or astream"
        raise PlannerError(msg)

    async def asample(
        self, messages: Sequence[Message], *, horizon: int, again: int = 0, config: RunnableConfig | None = None
    ) -> PolicyReply:
        """See `Policy`. Limits that inspect sets end the sample as it wants."""
        del horizon, again, config
        output = await get_model().generate([_to_inspect(message, self.blobs) for message in messages])
        used = output.usage
        usage = Usage(input_tokens=used.input_tokens, output_tokens=used.output_tokens) if used else Usage()
        truncated = output.stop_reason in {"max_tokens", "model_length"}
        return PolicyReply(text=output.completion, usage=usage, truncated=truncated)


def _to_inspect(message: Message, blobs: ImageSource) -> ChatMessageSystem | ChatMessageUser:
    if message.role == "system":
        return ChatMessageSystem(content=message.text)
    parts: list[Any] = []
    for part in message.content:
        if part["type"] == "text":
            parts.append(ContentText(text=part["text"]))
        else:
            content = blobs.get(part["ref"].ref)
            kind = "png" if content.startswith(b"\x89PNG") else "jpeg"
            url = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
            parts.append(ContentImage(image=url))
    return ChatMessageUser(content=parts)


@solver
def tracer1(
    *,
    horizon: int = 8,
    history: int = 5,
    max_steps: int = 25,
    profile: str | None = None,
    corpus: str | None = None,
    files: str = SHARED,
) -> Solver:
    """Plan several steps ahead, act once with the toolbox, look again.

    Args:
        horizon: Pairs per forecast (T).
        history: Past steps in the prompt (K).
        max_steps: Steps per sample.
        profile: Prompt profile; None picks one by the model's name.
        corpus: A file that the search tools look in.
        files: Folder of the sample's sandbox whose files the task may use; a sample without a sandbox brings its own
            attachment (`metadata["attachment"]`) or none.
    """
    searched = Corpus.load(Path(corpus)) if corpus else None

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        del generate
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tracer1-inspect-")))
            names = await _bring_files(state, folder, files)
            executor = stack.enter_context(open_workbench(folder, sandbox=find_sandbox()[0], corpus=searched))
            agent = create_tracer1_agent(
                InspectPolicy(),
                executor.registry,
                horizon=horizon,
                history_window=history,
                max_steps=max_steps,
                profile=profile or profile_for(state.model.name),
            )
            task_text = task_instruction(state.input_text, ", ".join(names))
            context = Tracer1Context(toolbox=executor)
            last: dict[str, Any] = {}
            stream: Any = agent.astream({"instruction": task_text}, context=context, stream_mode=["custom", "values"])
            async for mode, part in stream:
                if mode == "custom":
                    transcript().info(part, source=f"tracer1 {part.get('type', '')}".strip())
                else:
                    last = part
        _finish(state, last)
        return state

    return solve


def _finish(state: TaskState, last: dict[str, Any]) -> None:
    answer = last.get("answer")
    state.output = ModelOutput.from_content(state.model.name, answer or "")
    state.metadata["tracer1"] = {"status": str(last.get("status", "")), "answered": answer is not None}
    state.completed = True


async def _bring_files(state: TaskState, folder: Path, shared: str) -> list[str]:
    """Copy what the task may use into the folder that the tools see; names of the files."""
    attachment = state.metadata.get("attachment")
    if attachment:
        shutil.copyfile(attachment, folder / Path(attachment).name)
        return [Path(attachment).name]
    try:
        box = sandbox()
    except ProcessLookupError:  # the sample has none
        return []
    listed = await box.exec(["find", shared, "-maxdepth", "1", "-type", "f"])
    names = []
    for path in listed.stdout.splitlines() if listed.success else []:
        name = posixpath.basename(path.strip())
        (folder / name).write_bytes(await box.read_file(path.strip(), text=False))
        names.append(name)
    return sorted(names)


@scorer(metrics=[accuracy(), stderr()])
def gaia_answer(rule: Rule = "official") -> Scorer:
    """GAIA's rules; see `rewards.answers`."""

    async def score(state: TaskState, target: Target) -> Score:
        answered = state.metadata.get("tracer1", {}).get("answered", True)
        answer = state.output.completion if answered else None
        right = gaia_match(answer, target.text, rule=rule)
        return Score(value=CORRECT if right else INCORRECT, answer=answer, metadata={"rule": rule})

    return score


@task
def gaia(tasks: str = "demo", level: int | None = None, rule: Rule = "official", horizon: int = 8) -> Task:
    """GAIA-format tasks through the agent.

    Args:
        tasks: "demo", "measure" (bundled), a folder with metadata.jsonl, or such a file.
        level: Only tasks of this level.
        rule: Of the scorer.
        horizon: Pairs per forecast (T).
    """
    found = read_tasks(tasks)
    samples = [
        Sample(
            id=one.task_id,
            input=one.question,
            target=one.truth or "",
            metadata={"level": one.level, "attachment": str(one.attachment) if one.attachment else None},
        )
        for one in found.tasks
        if level in {None, one.level} and one.truth is not None and one.workspace is None
    ]
    corpus = str(found.corpus) if found.corpus else None
    return Task(
        dataset=MemoryDataset(samples, name="gaia"),
        solver=tracer1(horizon=horizon, corpus=corpus),
        scorer=gaia_answer(rule),
    )


@solver
def forecast_step(horizon: int = 10, history: int = 5, profile: str | None = None) -> Solver:
    """Ask once about a recorded step; the forecast is an event and the sample's output."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        del generate
        found: References = _GATHERED[state.metadata["suite"], state.metadata["data"]]
        trajectory, at = _located(found, state)
        options = PromptOptions(
            profile=profile_named(profile or profile_for(state.model.name)).name,
            horizon=horizon,
            history_window=history,
            platform=found.suite.platform,
        )
        prompt = recorded_prompt(with_step_told(found.suite, trajectory, at), at, options)
        reply = await InspectPolicy().asample(prompt.messages, horizon=horizon)
        number = state.metadata["step"]
        forecast = read_forecast(
            reply.text, grammar=prompt.grammar, horizon=horizon, step=number, truncated=reply.truncated
        )
        transcript().info(forecast.model_dump(mode="json"), source="tracer1 forecast")
        state.output = ModelOutput.from_content(state.model.name, reply.text)
        state.metadata["forecast"] = [pair.model_dump(mode="json") for pair in forecast.pairs]
        state.completed = True
        return state

    return solve


_GATHERED: Final[dict[tuple[str, str], References]] = {}  # references stay out of inspect's logs


def _located(found: References, state: TaskState) -> tuple[ReferenceTrajectory, int]:
    trajectory = next(one for one in found.trajectories if one.id == state.metadata["episode"])
    numbers = [number for number, _ in own_steps(trajectory)]
    return trajectory, numbers.index(state.metadata["step"])


@scorer(metrics=[accuracy(), stderr()])
def step_success(rule: str) -> Scorer:
    """The first metric of a suite's rule, for one step."""

    async def score(state: TaskState, target: Target) -> Score:
        del target
        found = _GATHERED[state.metadata["suite"], state.metadata["data"]]
        trajectory, _ = _located(found, state)
        _, mark = found.suite.marker(rule)
        number = state.metadata["step"]
        prediction = Prediction(episode_id=trajectory.id, step=number, forecast=state.metadata["forecast"])
        marks = mark(trajectory, {number: prediction}, True)  # noqa: FBT003  (where is asked of every prediction)
        own = next(one for one in marks if one.step == number)
        value: Any = NOANSWER if own.value is None else own.value  # by the reference alone, every step has one
        return Score(value=value, answer=state.output.completion, explanation=own.why, metadata={"rule": rule})

    return score


@task
def steps(
    *,
    suite: str = "androidcontrol-high",
    data: str | None = None,
    rule: str | None = None,
    horizon: int = 10,
    history: int = 5,
    limit: int | None = None,
) -> Task:
    """The windows of a suite that its rule can score, one a sample, the reference's past given.

    Args:
        suite: Name of a suite whose steps are recorded.
        data: Its references; None: below the folder that TRACER1_DATA names.
        rule: Of the suite; None: its first.
        horizon: Pairs asked for (T).
        history: Past steps in the prompt (K).
        limit: Episodes at most, spread over the suite.

    Raises:
        ConfigurationError: The rule judges whole episodes.
    """
    chosen = suite_named(suite)
    path = data_path(chosen, Path(data) if data else None)
    found = _GATHERED[suite, str(path)] = References.gather(chosen, references(chosen, path))
    found = found if limit is None else found.spread(limit)
    name, _ = chosen.marker(rule)
    if name in chosen.own_course:
        msg = f"the rule {name} of {suite} judges whole episodes of one's own, not recorded steps; choose another rule"
        raise ConfigurationError(msg)
    scorable = scorable_steps(found, name)
    samples = [
        Sample(
            id=f"{trajectory.id}/{number}",
            input=trajectory.instruction,
            metadata={"suite": suite, "data": str(path), "episode": trajectory.id, "step": number},
        )
        for trajectory in found.trajectories
        for number, _ in own_steps(trajectory)
        if (trajectory.id, number) in scorable
    ]
    dataset = MemoryDataset(samples, name=suite)
    return Task(dataset=dataset, solver=forecast_step(horizon, history), scorer=step_success(name))
