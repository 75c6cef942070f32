"""How the loop behaves: fixed by the factory, overridden per run through the graph's context.

Precedence: what the run's context says, then what the factory was given, then the defaults here. A parent graph hands
its own context object down unchanged, so a foreign context is looked through for an attribute or key `tracer1`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final, get_args

from pydantic.json_schema import SkipJsonSchema

from tracer1_agents.actions.space import Platform
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.graphs.loop_guard import LoopGuard
from tracer1_agents.graphs.safeguards import check_safeguards
from tracer1_agents.planner.history import ExecutorText
from tracer1_agents.planner.profiles import profile_named

if TYPE_CHECKING:
    from tracer1_agents.graphs.safeguards import Safeguard
    from tracer1_agents.planner.history import Summarizer
    from tracer1_agents.planner.policy import Policy
    from tracer1_agents.planner.profiles import Profile
    from tracer1_agents.planner.prompt import ToolSpec
    from tracer1_agents.tools.executor import Executor
else:  # servers ask for the context's JSON schema; what cannot be sent has no place in it
    Policy = Executor = Safeguard = SkipJsonSchema[Any]


_LEAST: Final = {
    "horizon": 1,
    "history_window": 0,
    "max_steps": 1,
    "max_reasks": 0,
    "max_tool_errors": 1,
    "commitment": 1,
    "best_of": 1,
}
_METHOD: Final = {
    "profile": "grammar_for",
    "policy": "sample",
    "toolbox": "execute",
    "grounder": "execute",
    "summarizer": "summarize",
    "loop_guard": "repeats",
}


@dataclass(frozen=True, kw_only=True)
class Tracer1Context:
    """Per-run overrides, handed to `invoke(..., context=Tracer1Context(...))`. None keeps the factory's choice.

    Attributes:
        horizon: Pairs per forecast at most (T).
        history_window: Past steps in the prompt (K).
        max_steps: Steps per run.
        max_reasks: How often an unusable reply is asked for again, per step.
        time_limit: Seconds per run without those that it waits for an answer, checked between steps.
        token_limit: Input plus output tokens of the planner per run.
        approve_plan: Whether somebody has to approve each forecast before its first pair runs.
        confirm: Classes of actions that somebody has to approve; () for none.
        show_last_forecast: Whether the prompt carries the previous forecast.
        commitment: Pairs of one forecast that may run before the planner is asked again.
        best_of: Forecasts sampled a step.
        agreement_discount: How much later pairs count when one of them is chosen.
        policy: Who plans.
        toolbox: Who runs tool calls and code.
        grounder: Who carries out GUI actions.
    """

    horizon: int | None = None
    history_window: int | None = None
    max_steps: int | None = None
    max_reasks: int | None = None
    time_limit: float | None = None
    token_limit: int | None = None
    approve_plan: bool | None = None
    confirm: tuple[str | Safeguard, ...] | None = None
    show_last_forecast: bool | None = None
    commitment: int | None = None
    best_of: int | None = None
    agreement_discount: float | None = None
    policy: Policy | None = None
    toolbox: Executor | None = None
    grounder: Executor | None = None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything the nodes need to know.

    Attributes:
        policy: Who plans.
        toolbox: Who runs tool calls and code; None refuses them as observations.
        grounder: Who carries out GUI actions; None refuses them as observations.
        profile: Prompt and grammar.
        tools: What the prompt says about the tools.
        platform: Whose actions the prompt lists.
        horizon: T.
        history_window: K.
        max_steps: Steps per run.
        time_limit: Seconds per run without those that it waits for an answer.
        token_limit: Planner tokens per run.
        max_reasks: How often an unusable reply is asked for again, per step.
        max_tool_errors: Failed executions in a row that end a run.
        approve_plan: Whether somebody has to approve each forecast before its first pair runs; see `graphs.review`.
        confirm: Classes of actions that somebody has to approve before they run; see `graphs.safeguards`.
        loop_guard: Watches for repetition; None lets the agent repeat itself.
        summarizer: Writes the history.
        thought_chars: Characters of a model's reasoning that the state keeps; none of it enters history or prompts.
        show_last_forecast: Whether the prompt carries the previous forecast (a run-time foresight channel).
        commitment: Pairs of one forecast that may run before the planner is asked again, while they fit (a run-time
            foresight channel; see `graphs.commitment`). 1 looks again after every action, as the paper does.
        best_of: Forecasts sampled a step; the one that the others agree with most is kept (a run-time foresight
            channel; see `planner.agreement`). Each costs a planner call.
        agreement_discount: Weight of each pair relative to the one before it when forecasts are compared; 0 compares
            first actions alone.
        eager_first: Whether the first pair runs as soon as it is written, while the rest of the forecast still is;
            needs a policy that streams (any chat model). Whole forecasts are waited for where somebody approves them
            or several are compared.
    """

    policy: Policy
    toolbox: Executor | None = None
    grounder: Executor | None = None
    profile: Profile = field(default_factory=lambda: profile_named("generic"))
    tools: tuple[ToolSpec, ...] = ()
    platform: Platform = "tools"
    horizon: int = 10
    history_window: int = 5
    max_steps: int = 30
    time_limit: float | None = None
    token_limit: int | None = None
    max_reasks: int = 2
    max_tool_errors: int = 5
    approve_plan: bool = False
    confirm: tuple[str | Safeguard, ...] = ()
    loop_guard: LoopGuard | None = field(default_factory=LoopGuard)
    summarizer: Summarizer = field(default_factory=ExecutorText)
    thought_chars: int = 4_000
    show_last_forecast: bool = False
    commitment: int = 1
    best_of: int = 1
    agreement_discount: float = 0.8
    eager_first: bool = False

    def __post_init__(self) -> None:
        _check_numbers(self)
        for name in ("approve_plan", "show_last_forecast", "eager_first"):
            if type(getattr(self, name)) is not bool:
                msg = f"{name} must be True or False, got {getattr(self, name)!r}"
                raise ConfigurationError(msg)
        if self.platform not in get_args(Platform):
            msg = f"platform must be one of {', '.join(get_args(Platform))}, got {self.platform!r}"
            raise ConfigurationError(msg)
        for name, method in _METHOD.items():
            value = getattr(self, name)
            if isinstance(value, type):
                msg = f"{name} must be an instance, got the class {value.__name__}; call it"
                raise ConfigurationError(msg)
            if value is not None and not callable(getattr(value, method, None)):
                msg = f"{name} must be something with a method {method}, got {value!r}"
                raise ConfigurationError(msg)
        if self.eager_first and not hasattr(self.policy, "start"):
            msg = f"eager_first needs a policy that streams, such as a chat model, got {type(self.policy).__name__}"
            raise ConfigurationError(msg)
        check_safeguards(self.confirm)

    def with_context(self, context: Any) -> Settings:
        """These settings as one run wants them (see the module docstring).

        Raises:
            ConfigurationError: An override is out of range, or the context's `tracer1` is none.
        """
        overrides = _find(context)
        if overrides is None:
            return self
        given = {name: value for name, value in vars(overrides).items() if value is not None}
        return Settings(**{**vars(self), **given})


def _check_numbers(settings: Settings) -> None:
    for name, least in _LEAST.items():
        value = getattr(settings, name)
        if type(value) is not int or value < least:
            msg = f"{name} must be a whole number of at least {least}, got {value!r}"
            raise ConfigurationError(msg)
    for name in ("time_limit", "token_limit"):
        value = getattr(settings, name)
        if value is not None and not (_is_number(value) and 0 < value < math.inf):
            msg = f"{name} must be a number above 0, or None for no limit, got {value!r}"
            raise ConfigurationError(msg)
    if not (_is_number(settings.agreement_discount) and 0 <= settings.agreement_discount <= 1):
        msg = f"agreement_discount must be a number from 0 to 1, got {settings.agreement_discount!r}"
        raise ConfigurationError(msg)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _find(context: Any) -> Tracer1Context | None:
    if isinstance(context, Tracer1Context):
        return context
    inner = context.get("tracer1") if isinstance(context, dict) else getattr(context, "tracer1", None)
    if isinstance(inner, dict):
        known = [item.name for item in fields(Tracer1Context)]
        if unknown := sorted(set(inner) - set(known)):
            msg = f"the context's tracer1 has no setting {unknown[0]!r}; it takes {', '.join(known)}"
            raise ConfigurationError(msg)
        inner = Tracer1Context(**inner)
    if inner is None or isinstance(inner, Tracer1Context):
        return inner
    msg = f"the context's tracer1 has to be a Tracer1Context or a dict of its settings, got {inner!r:.80}"
    raise ConfigurationError(msg)
