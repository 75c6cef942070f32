"""Scripts and shorthands for tests of the loop."""

from __future__ import annotations

from itertools import count, repeat
from typing import Any

from tracer1_agents import create_tracer1_agent
from tracer1_agents.graphs.settings import Tracer1Context
from tracer1_agents.planner.retries import Retries
from tracer1_agents.testing import RecordingExecutor, ScriptedModel

FINISH = 'finish(answer="42") # "Tell"'
THREE = 'a(x=1) # "first"\nb(y=2) # "second"\nfinish(answer=Result(step=2)) # "tell"'
TWO = 'b(y=2) # "second"\nfinish(answer="42") # "tell"'
TASK = {"instruction": "What is it?"}
QUICK = Retries(attempts=3, first_wait=0.001, longest_wait=0.002, timeout=5.0)


def make_agent(script: list[Any], **options: Any) -> tuple[Any, ScriptedModel]:
    """An agent over a script, and the model that keeps the prompts."""
    model = ScriptedModel(script=script)
    options = {"profile": "compact", "retries": QUICK, **options}
    return create_tracer1_agent(model, **options), model


def always_new(length: int = 200) -> list[str]:
    """Replies that never repeat and never finish."""
    return [f'a(x={k}) # "step {k}"' for k in range(length)]


def run(script: list[Any], answers: Any = None, *, config: Any = None, **options: Any) -> tuple[Any, Any, Any]:
    """Result, executor and model of one synchronous run."""
    agent, model = make_agent(script, **options)
    executor = RecordingExecutor(answers)
    result = agent.invoke(TASK, config=config, context=Tracer1Context(toolbox=executor))
    return result, executor, model


def prompt_texts(model: ScriptedModel) -> list[str]:
    return ["\n".join(str(message.text) for message in messages) for messages in model.prompts]


def different_texts() -> list[str]:
    """Observations that are all different and of one length."""
    return [f"seen {number:06}" for number, _ in zip(count(), repeat(None, 300), strict=False)]
