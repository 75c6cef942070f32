"""`create_tracer1_agent`: model and tools in, compiled LangGraph out.

    begin -> plan -> [review] -> toolbox | ground -> observe -> plan ...      until a status is set

The same compiled graph serves inference, replay and training rollouts; what changes is the policy and the executor,
handed in here or per run through `context=Tracer1Context(...)`.
"""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable
from langgraph.graph import END, START, StateGraph
from langgraph.types import GraphOutput

from tracer1_agents.actions.grammars.generic import GenericReply
from tracer1_agents.actions.grammars.spelling import ALIASES
from tracer1_agents.errors import ConfigurationError, MissingExtraError
from tracer1_agents.graphs.loop_guard import LoopGuard
from tracer1_agents.graphs.nodes import AtOnce, ExecutorNode, ObserveNode, after_plan, begin, plan_or_end
from tracer1_agents.graphs.planner_node import PlannerNode
from tracer1_agents.graphs.review import ReviewNode, after_review
from tracer1_agents.graphs.settings import Settings, Tracer1Context
from tracer1_agents.graphs.state import AgentInput, AgentOutput, AgentState
from tracer1_agents.graphs.toolbox_executor import ToolboxExecutor
from tracer1_agents.planner.history import ExecutorText, OutcomeWord, PlannerLine
from tracer1_agents.planner.policy import ChatModelPolicy
from tracer1_agents.planner.profiles import profile_for, profile_named
from tracer1_agents.planner.prompt import ToolSpec
from tracer1_agents.serving.tiny import SHIPPED
from tracer1_agents.tools.base import IDEMPOTENCY_KEY, ToolRegistry
from tracer1_agents.tools.definition import injected_arguments
from tracer1_agents.types import Observation, StepRecord, Trace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from langgraph.graph.state import CompiledStateGraph

    from tracer1_agents.actions.space import Platform
    from tracer1_agents.blobs import BlobStore, ImageSource
    from tracer1_agents.graphs.safeguards import Safeguard
    from tracer1_agents.planner.history import Summarizer
    from tracer1_agents.planner.policy import Policy
    from tracer1_agents.planner.profiles import Profile
    from tracer1_agents.planner.retries import Retries
    from tracer1_agents.tools.bridges import ToolLike
    from tracer1_agents.tools.code import CodeSession
    from tracer1_agents.tools.executor import Executor

_NOT_THE_NODES: Final = {"policy", "profile", "tools", "toolbox", "grounder", "max_tool_errors", "eager_first"}
_BACKSTOP: Final = 100_000  # recursion_limit above any max_steps; the step counter in state ends runs


def create_tracer1_agent(
    model: BaseChatModel | Policy | str | Path,
    tools: Iterable[ToolLike] | ToolRegistry = (),
    *,
    horizon: int = 10,
    max_steps: int = 30,
    history_window: int = 5,
    loop_guard: LoopGuard | None = LoopGuard(),  # noqa: B008  (frozen)
    profile: str | None = None,
    platform: Platform = "tools",
    summarizer: Summarizer | None = None,
    session: CodeSession | None = None,
    grounder: Executor | None = None,
    time_limit: float | None = None,
    token_limit: int | None = None,
    max_reasks: int = 2,
    max_tool_errors: int = 5,
    approve_plan: bool = False,
    confirm: str | Iterable[str | Safeguard] = (),
    retries: Retries | None = None,
    blobs: BlobStore | None = None,
    show_last_forecast: bool = False,
    commitment: int = 1,
    best_of: int = 1,
    agreement_discount: float = 0.8,
    eager_first: bool = False,
    checkpointer: Any = None,
    store: Any = None,
    name: str = "tracer1",
) -> CompiledStateGraph[AgentState, Tracer1Context, AgentInput, AgentOutput]:
    """An agent that plans several steps ahead, acts once, and looks again.

    Args:
        model: A chat model, a `Policy`, "tracer1-tiny", a folder with a transformers checkpoint, or a name that
            `langchain.chat_models.init_chat_model` knows, such as "openai:gpt-5".
        tools: LangChain tools, smolagents tools or plain functions.
        horizon: Pairs per forecast at most (T); 1 plans one step at a time.
        max_steps: Steps per run.
        history_window: Past steps in the prompt (K).
        loop_guard: Watches for repetition; None lets the agent repeat itself.
        profile: Prompt profile; None picks one by the model's name.
        platform: Whose actions the prompt lists besides tools.
        summarizer: Writes the history; None: as `default_summarizer` says.
        session: A sandbox session for `code` actions.
        grounder: Carries out GUI actions.
        time_limit: Seconds per run without those that it waits for an answer, checked between steps.
        token_limit: Planner tokens per run, checked between steps.
        max_reasks: How often an unusable reply is asked for again, per step.
        max_tool_errors: Failed executions in a row that end a run.
        approve_plan: Whether somebody has to approve each forecast before its first pair runs (needs a checkpointer;
            see `graphs.review`).
        confirm: Classes of actions that somebody has to approve before they run: "password", "purchase", "submit", or
            functions such as `graphs.safeguards.stays_within(hosts=[...])` (needs a checkpointer).
        retries: For busy endpoints; see `planner.retries.Retries`.
        blobs: Where screenshots live; needed only when observations carry images.
        show_last_forecast: Put the previous forecast into the prompt (a run-time foresight channel).
        commitment: Pairs of one forecast that may run before the planner is asked again, while they fit (a run-time
            foresight channel; see `graphs.commitment`).
        best_of: Forecasts sampled a step; the one that the others agree with most is kept (a run-time foresight
            channel; each costs a planner call).
        agreement_discount: How much later pairs count in that choice; 0 lets only first actions vote.
        eager_first: Run the first pair as soon as it is written, while the rest of the forecast still is (streaming
            models).
        checkpointer: Any LangGraph checkpointer.
        store: Any LangGraph store.
        name: Of the graph, for traces and parent graphs.

    Returns:
        A compiled graph. Run it with ``invoke({"instruction": task})`` (or messages); the result holds `answer`,
        `status`, `forecast_log` and `usage`. A run ends with a status, never with an exception for what model or tools
        did.

    Raises:
        ConfigurationError: Something does not fit together; the message says what.
    """
    registry = tools if isinstance(tools, ToolRegistry) else ToolRegistry(tools)
    settings = _settings(
        model,
        registry,
        profile=profile,
        retries=retries,
        blobs=blobs,
        toolbox=ToolboxExecutor(registry, session=session) if registry or session is not None else None,
        grounder=grounder,
        platform=platform,
        horizon=horizon,
        history_window=history_window,
        max_steps=max_steps,
        time_limit=time_limit,
        token_limit=token_limit,
        max_reasks=max_reasks,
        max_tool_errors=max_tool_errors,
        approve_plan=approve_plan,
        confirm=confirm,
        loop_guard=loop_guard,
        summarizer=summarizer,
        show_last_forecast=show_last_forecast,
        commitment=commitment,
        best_of=best_of,
        agreement_discount=agreement_discount,
        eager_first=eager_first,
    )
    return build_graph(settings, checkpointer=checkpointer, store=store, name=name)


def build_graph(
    settings: Settings, *, checkpointer: Any = None, store: Any = None, name: str = "tracer1"
) -> CompiledStateGraph[AgentState, Tracer1Context, AgentInput, AgentOutput]:
    """The compiled loop for given settings; `create_tracer1_agent` is the friendly way in."""
    graph = StateGraph(AgentState, context_schema=Tracer1Context, input_schema=AgentInput, output_schema=AgentOutput)
    graph.add_node("begin", AtOnce(begin), input_schema=AgentState)
    graph.add_node("plan", PlannerNode(settings), input_schema=AgentState)
    graph.add_node("review", ReviewNode(settings), input_schema=AgentState)
    graph.add_node("toolbox", ExecutorNode(settings, "toolbox"), input_schema=AgentState)
    graph.add_node("ground", ExecutorNode(settings, "grounder"), input_schema=AgentState)
    graph.add_node("observe", ObserveNode(settings), input_schema=AgentState)
    graph.add_edge(START, "begin")
    graph.add_conditional_edges("begin", AtOnce(plan_or_end), ["plan", END])
    onwards = ["toolbox", "ground", "observe", END]
    graph.add_conditional_edges("plan", AtOnce(after_plan), ["review", *onwards])
    graph.add_conditional_edges("review", AtOnce(after_review), ["plan", *onwards])
    graph.add_edge("toolbox", "observe")
    graph.add_edge("ground", "observe")
    graph.add_conditional_edges("observe", AtOnce(plan_or_end), ["plan", END])
    compiled = graph.compile(checkpointer=checkpointer, store=store, name=name)
    return compiled.with_config(recursion_limit=_BACKSTOP)


def create_planner_node(
    model: BaseChatModel | Policy | str | Path,
    tools: Iterable[ToolLike] | ToolRegistry = (),
    *,
    horizon: int = 10,
    history_window: int = 5,
    profile: str | None = None,
    platform: Platform = "tools",
    retries: Retries | None = None,
    blobs: BlobStore | None = None,
    **settings: Any,
) -> PlannerNode:
    """The planner as a node for a StateGraph of your own; see `PlannerNode` for what it reads and writes.

    Args:
        model: As in `create_tracer1_agent`.
        tools: What the prompt tells the planner about; the node runs none of them.
        horizon: T.
        history_window: K.
        profile: Prompt profile; None picks one by the model's name.
        platform: Whose actions the prompt lists.
        retries: For busy endpoints; see `planner.retries.Retries`.
        blobs: Where screenshots live; needed only when observations carry images.
        **settings: As in `create_tracer1_agent`: limits, `max_reasks`, `loop_guard`, `summarizer`, `approve_plan`,
            `confirm` and the foresight channels.

    Raises:
        ConfigurationError: Something does not fit together.
    """
    if settings.pop("eager_first", False):
        msg = "eager_first is for create_tracer1_agent, whose observe node waits for the rest of each forecast"
        raise ConfigurationError(msg)
    known = {item.name for item in fields(Settings)} - _NOT_THE_NODES
    if unknown := sorted(set(settings) - known):
        msg = f"create_planner_node has no argument {unknown[0]!r}; further ones are {', '.join(sorted(known))}"
        raise ConfigurationError(msg)
    registry = tools if isinstance(tools, ToolRegistry) else ToolRegistry(tools)
    shown: dict[str, Any] = {"platform": platform, "horizon": horizon, "history_window": history_window}
    return PlannerNode(_settings(model, registry, profile=profile, retries=retries, blobs=blobs, **shown, **settings))


def _settings(
    model: BaseChatModel | Policy | str | Path,
    registry: ToolRegistry,
    *,
    profile: str | None,
    retries: Retries | None,
    blobs: BlobStore | None,
    summarizer: Summarizer | None = None,
    confirm: str | Iterable[str | Safeguard] = (),
    **fixed: Any,
) -> Settings:
    """What both factories make of their arguments; `fixed` are fields of `Settings` as they are."""
    named = profile_named(profile or profile_for(_name_of(model)))
    model = _loaded(model)
    chosen = _without_images(named, model)
    check_names(registry, chosen)
    return Settings(
        policy=as_policy(model, blobs=blobs, retries=retries, profile=chosen),
        profile=chosen,
        tools=tool_specs(registry),
        summarizer=summarizer or default_summarizer(chosen),
        confirm=(confirm,) if isinstance(confirm, str) else tuple(confirm),
        **fixed,
    )


def check_names(tools: Iterable[str], profile: Profile) -> None:
    """Refuse a tool that the profile's dialect takes for an action whenever it is called.

    Args:
        tools: Their names.
        profile: In whose dialect they are called.

    Raises:
        ConfigurationError: One of the names means an action.
    """
    for name in tools if profile.grammar != "canonical" else ():
        if name in ALIASES:
            msg = f'tool "{name}": with profile {profile.name} that name means the action {ALIASES[name][0]}; rename it'
            raise ConfigurationError(msg)


def default_summarizer(profile: Profile) -> Summarizer:
    """What becomes of a step in the history.

    The planner's own line where it sees images (a screen has no text to quote), a word where the line already has the
    step instruction and the rest stands on the screen, else the executor's text.
    """
    if profile.supports_images:
        return PlannerLine()
    return OutcomeWord() if profile.history_instructions else ExecutorText()


def as_policy(
    model: BaseChatModel | Policy | str | Path,
    *,
    blobs: ImageSource | None = None,
    retries: Retries | None = None,
    profile: Profile | None = None,
) -> Policy:
    """Whatever names or is a planner model, as a policy.

    Args:
        model: See `create_tracer1_agent`.
        blobs: Where screenshots live.
        retries: For busy endpoints.
        profile: What it will be asked in; a dialect of one line a pair lets local models stop early.

    Raises:
        ConfigurationError: It is none of the kinds that `create_tracer1_agent` lists.
        MissingExtraError: The kind needs an extra that is not installed.
    """
    model = _loaded(model)
    if isinstance(model, BaseChatModel):
        grammar = profile.grammar if profile else None
        schema = GenericReply.model_json_schema() if grammar == "generic" else None
        one_line = grammar == "canonical"
        return ChatModelPolicy(model, blobs=blobs, retries=retries, one_line_a_pair=one_line, reply_schema=schema)
    if hasattr(model, "sample") and hasattr(model, "asample"):
        return model
    msg = "model must be a chat model, a policy (which has sample and asample), a name or a folder, "
    msg += f"got {type(model).__name__}"
    if isinstance(model, Runnable):
        msg += (
            "; busy endpoints are asked again here (retries=Retries(...)); any other wrapper around a chat model goes "
            "in as ChatModelPolicy(model), of tracer1_agents.planner.policy, with profile= by name"
        )
    raise ConfigurationError(msg)


def _loaded(model: BaseChatModel | Policy | str | Path) -> BaseChatModel | Policy:
    """The model behind a name or a folder; anything else as it is."""
    if not isinstance(model, str | Path):
        return model
    if model == "":  # Path("") would be the current folder
        msg = 'the model\'s name is empty; give a chat model, a policy, a folder, or a name such as "tracer1-tiny"'
        raise ConfigurationError(msg)
    name = str(model)
    if name in SHIPPED or Path(name).is_dir():
        from tracer1_agents.serving.local import LocalChatModel, load_batcher  # noqa: PLC0415  (torch)

        load_batcher(name)
        return LocalChatModel(model=name)
    if Path(name).is_absolute() or name.startswith("."):
        msg = f"there is no checkpoint folder {name}"
        raise ConfigurationError(msg)
    try:
        from langchain.chat_models import init_chat_model  # noqa: PLC0415  (an extra)
    except ImportError:
        feature = f"the model name {name!r}"
        raise MissingExtraError(feature, "agents") from None
    try:
        return init_chat_model(name)
    except Exception as error:  # a provider's constructor raises what it likes (no key, no package, no such name)
        msg = f"model {name!r}: {error}"
        raise ConfigurationError(msg) from error


def _without_images(profile: Profile, model: Any) -> Profile:
    """The profile as it is, or without pictures for a model that is known not to take any."""
    known = getattr(model, "profile", None)
    blind = isinstance(known, dict) and known.get("image_inputs") is False
    return replace(profile, supports_images=False) if blind else profile


def _name_of(model: Any) -> str:
    """What a profile is guessed by: the model's name; of a checkpoint folder its own name, not the path to it."""
    if isinstance(model, str | Path):
        return Path(model).name if Path(model).is_dir() else str(model)
    for attribute in ("model_name", "model"):
        value = getattr(model, attribute, None)
        if isinstance(value, str):
            return value
    return type(model).__name__


def tool_specs(registry: Mapping[str, Any]) -> tuple[ToolSpec, ...]:
    """What the prompt says about each tool: name, description, JSON schema of the arguments."""
    return tuple(ToolSpec(tool.name, tool.description, _schema_of(tool)) for tool in registry.values())


def _schema_of(tool: Any) -> dict[str, Any]:
    """The arguments that the planner fills; injected ones are ToolNode's business, an idempotency key the loop's."""
    hidden = injected_arguments(tool)
    schema: dict[str, Any] = tool.tool_call_schema.model_json_schema() if hidden else tool.get_input_jsonschema()
    if IDEMPOTENCY_KEY not in schema.get("properties", {}):
        return schema
    properties = {name: value for name, value in schema["properties"].items() if name != IDEMPOTENCY_KEY}
    required = [name for name in schema.get("required", []) if name != IDEMPOTENCY_KEY]
    return {**schema, "properties": properties, "required": required}


def trace_of(result: Mapping[str, Any]) -> Trace:
    """The result of a run as a `Trace`.

    Args:
        result: What `invoke` or `ainvoke` returned, of either of LangGraph's versions.

    Raises:
        ConfigurationError: The run has not ended.
    """
    if isinstance(result, GraphOutput):  # of version="v2"
        result = result.value
    if not result.get("status"):
        msg = "this result has no status: the run waits for an answer, or was stopped; take the trace when it has ended"
        raise ConfigurationError(msg)
    steps = [StepRecord.model_validate(step) for step in result.get("forecast_log", [])]
    seen = steps[0].observation if steps else None
    return Trace.model_validate(
        {
            "instruction": result.get("task", ""),
            "observation": seen or Observation(),
            "steps": [step.model_copy(update={"observation": None}) for step in steps],
            "status": result["status"],
            "answer": result.get("answer"),
            "detail": result.get("detail") or "",
        }
    )
