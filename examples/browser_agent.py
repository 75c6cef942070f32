"""A planner in a real browser: a MiniWoB++ task, a small shop on loopback, or any page.

    python examples/browser_agent.py
    python examples/browser_agent.py --base-url http://localhost:8000/v1 --model UI-TARS-7B --profile ui-tars
    python examples/browser_agent.py ... --task click-checkboxes --seed 3
    python examples/browser_agent.py ... --site --grounder-model UI-TARS-1.5-7B --grounder-base-url http://localhost:8001/v1
    python examples/browser_agent.py ... --url https://docs.python.org/3/ --allow python.org --goal "Find ..."

Without a model it takes `tracer1-gui-tiny`, which ships and knows MiniWoB++ alone (the shop is beyond it). Without
--task, --site or --url it does `click-checkboxes`, then the shop. Each step is printed: what was forecast, what ran,
what came back. The trace goes to --output, screenshots beside it; `tracer1 show` draws the forecasts on them.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from shop_site import ShopSite, order_for

from tracer1_agents import __version__, create_tracer1_agent, trace_of
from tracer1_agents.actions.coordinates import Size
from tracer1_agents.actions.grammars.canonical import CanonicalGrammar
from tracer1_agents.actions.space import load_action
from tracer1_agents.blobs import BlobStore
from tracer1_agents.environments.browser import BrowserEnvironment
from tracer1_agents.environments.browser_options import BrowserOptions
from tracer1_agents.environments.executor import EnvironmentExecutor
from tracer1_agents.environments.miniwob import MiniWobEnvironment, all_tasks
from tracer1_agents.errors import ConfigurationError, Tracer1Error
from tracer1_agents.evals.results import REDO, ResultsFile, TaskResult
from tracer1_agents.planner.profiles import GENERIC, PROFILES, profile_for
from tracer1_agents.serving.endpoint import check_endpoint, endpoint_model
from tracer1_agents.serving.tiny import GUI_TINY_NAME, SHIPPED
from tracer1_agents.tools.grounding import GroundingModel, GroundThenAct
from tracer1_agents.tools.grounding_profiles import GROUNDING_PROFILES
from tracer1_agents.tools.offline_grounding import ElementGrounder, OwnPoints, TextGrounder
from tracer1_agents.types import Status
from tracer1_agents.viewer.episodes import rounded
from tracer1_agents.viewer.plain import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from tracer1_agents.types import Observation

FIRST_TASK: Final = "click-checkboxes"
WINDOW: Final = Size(960, 640)
_BACK: Final = 200  # characters of what came back that are printed
console = Console(highlight=False, soft_wrap=True)


@dataclass(frozen=True)
class Scene:
    """Somewhere to act, and what is wanted there.

    Attributes:
        name: Of the episode in the run's file.
        family: "miniwob", "site" or "page".
        goal: For the planner.
        environment: Where.
        seen: At the beginning.
        reward: How it stands, 1.0 for solved; None where nobody can say.
    """

    name: str
    family: str
    goal: str
    environment: BrowserEnvironment
    seen: Observation
    reward: Callable[[], float | None]


@dataclass(frozen=True)
class Planner:
    """Who plans: the model, its name, its prompt profile, and whether it ships with the package."""

    model: Any
    name: str
    profile: str
    embedded: bool = False


def parse_arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base-url", help="an OpenAI-compatible endpoint that serves --model")
    parser.add_argument("--model", help="as the endpoint calls it; without one: provider:name, or a checkpoint folder")
    parser.add_argument("--profile", choices=sorted(PROFILES), help="prompt profile (default: by the model's name)")
    parser.add_argument("--grounder", choices=("own", "elements", "ocr"), help="who finds places without a model")
    parser.add_argument("--grounder-model", help="a model that finds places (default: the planner)")
    parser.add_argument("--grounder-base-url", help="its endpoint (default: --base-url)")
    parser.add_argument("--grounder-profile", choices=sorted(GROUNDING_PROFILES), help="(default: by its name)")
    parser.add_argument("--task", help=f"a MiniWoB++ task, such as {FIRST_TASK} or email-inbox")
    parser.add_argument("--site", action="store_true", help="the shop")
    parser.add_argument("--url", help="any page; needs --goal")
    parser.add_argument("--allow", nargs="*", default=[], metavar="HOST", help="where --url may lead besides its host")
    parser.add_argument("--goal", help="what is wanted at --url")
    parser.add_argument("--seed", type=int, default=3, help="of the task and of the shop's order (default 3)")
    parser.add_argument("--pixels-only", action="store_true", help="show the planner no list of elements")
    parser.add_argument("--horizon", type=int, help="pairs per forecast (default 5; planner that ships: 8)")
    parser.add_argument("--history", type=int, help="past steps in the prompt (default 5; planner that ships: 6)")
    parser.add_argument("--max-steps", type=int, default=20, help="steps per episode (default 20)")
    parser.add_argument("--output", type=Path, help="the run's file, a new one (default runs/browser-TIME.jsonl)")
    return parser.parse_args(argv)


def check(arguments: argparse.Namespace, output: Path) -> None:
    """Refuse what cannot go well, before anything is written.

    Raises:
        ConfigurationError: What, and what to do.
    """
    problem = None
    if arguments.url and not arguments.goal:
        problem = '--url needs --goal "what is wanted there"'
    elif arguments.task and not set(arguments.task.split("+")) <= set(all_tasks()):
        problem = f"there is no MiniWoB++ task {arguments.task!r}; `tracer1 data miniwob --list` names some"
    elif output.exists():
        problem = f"{output} is there already; name a new file with --output"
    if problem:
        raise ConfigurationError(problem)


def choose_planner(arguments: argparse.Namespace) -> Planner:
    """The planner that was asked for, or the one that ships.

    Raises:
        ConfigurationError: There is none, its endpoint does not answer or serve it, or it would see nothing.
    """
    planner = named_planner(arguments)
    if arguments.pixels_only and not PROFILES[planner.profile].supports_images:
        msg = f"--pixels-only leaves nothing to see: planners of profile {planner.profile} read lists of elements"
        raise ConfigurationError(msg)
    return planner


def named_planner(arguments: argparse.Namespace) -> Planner:
    """The planner by its name and endpoint."""
    name, url = arguments.model, arguments.base_url
    if name is None and url is not None:
        msg = "no model was given; say with --model what the endpoint serves, such as --model NAME --profile ui-tars"
        raise ConfigurationError(msg)
    if url is None and name in {None, GUI_TINY_NAME}:
        return Planner(GUI_TINY_NAME, GUI_TINY_NAME, arguments.profile or profile_for(GUI_TINY_NAME), embedded=True)
    profile, likely = arguments.profile or profile_for(Path(name).name), profile_for(Path(name).name)
    if likely != GENERIC.name and PROFILES[profile].frame != PROFILES[likely].frame:
        console.print(f"note: {name} sounds like profile {likely}; with {profile} its points are read otherwise")
    if url is None:
        return Planner(name, name, profile)
    check_endpoint(name, url)
    return Planner(endpoint_model(name, url), name, profile)


def choose_grounder(arguments: argparse.Namespace, planner: Planner, blobs: BlobStore) -> tuple[Any, str]:
    """Who finds places, and its name.

    Raises:
        ConfigurationError: Its endpoint does not answer or serve it, or is not named.
    """
    name, url = arguments.grounder_model, arguments.grounder_base_url or arguments.base_url
    if name is not None:
        if url is None:
            msg = f"--grounder-model {name} needs its endpoint: --grounder-base-url http://HOST:8000/v1"
            raise ConfigurationError(msg)
        check_endpoint(name, url)
        model = endpoint_model(name, url, temperature=0.0)
        return GroundingModel(model, profile=arguments.grounder_profile, images=blobs), name
    names_targets = PROFILES[planner.profile].brief_elements  # and gives a point only where the middle will not do
    offline: dict[str, Callable[[], Any]] = {
        "own": OwnPoints,
        "elements": lambda: ElementGrounder(trust_points=names_targets),
        "ocr": lambda: TextGrounder(images=blobs),
    }
    if arguments.grounder is not None or arguments.base_url is None or planner.profile not in GROUNDING_PROFILES:
        chosen = arguments.grounder or ("elements" if names_targets else "own")
        return offline[chosen](), chosen
    model = endpoint_model(planner.name, arguments.base_url, temperature=0.0)
    return GroundingModel(model, profile=planner.profile, images=blobs, trust_points=True), planner.name


@contextmanager
def miniwob_scene(arguments: argparse.Namespace, task: str, blobs: BlobStore, *, scale: float) -> Iterator[Scene]:
    """A MiniWoB++ task; its page gives the reward."""
    with MiniWobEnvironment(task, blobs, scale=scale, elements=not arguments.pixels_only) as page:
        seen = page.reset(arguments.seed)
        yield Scene(f"{task}/{arguments.seed}", "miniwob", page.utterance, page, seen, lambda: page.outcome.raw)


@contextmanager
def site_scene(arguments: argparse.Namespace, blobs: BlobStore) -> Iterator[Scene]:
    """The shop; what was ordered gives the reward."""
    wanted = order_for(arguments.seed)
    with ShopSite() as shop, open_page(arguments, shop.url, blobs) as page:
        seen = page.reset()
        yield Scene(f"shop/{arguments.seed}", "site", wanted.words, page, seen, lambda: float(shop.solved(wanted)))


@contextmanager
def page_scene(arguments: argparse.Namespace, blobs: BlobStore) -> Iterator[Scene]:
    """Any page; nobody knows whether the goal was reached."""
    with open_page(arguments, arguments.url, blobs) as page:
        yield Scene(arguments.url, "page", arguments.goal, page, page.reset(), lambda: None)


def open_page(arguments: argparse.Namespace, url: str, blobs: BlobStore) -> BrowserEnvironment:
    """A browser at an address that stays with its host and those that --allow names."""
    options = BrowserOptions(
        viewport=WINDOW, allowed_domains=tuple(arguments.allow), elements=not arguments.pixels_only
    )
    return BrowserEnvironment(url, blobs, options=options)


def scenes(arguments: argparse.Namespace, planner: Planner, blobs: BlobStore) -> Iterator[Any]:
    """What was asked for, each opened when its turn comes."""
    nothing = not (arguments.task or arguments.site or arguments.url)
    if arguments.task or nothing:
        # the planner that ships knows the page's own pixels; others see 160 by 210 of them better twice as large
        scale = 1.0 if planner.embedded else 2.0
        yield miniwob_scene(arguments, arguments.task or FIRST_TASK, blobs, scale=scale)
    if arguments.site or nothing:
        yield site_scene(arguments, blobs)
    if arguments.url:
        yield page_scene(arguments, blobs)


def run_scene(scene: Scene, planner: Planner, grounder: Any, arguments: argparse.Namespace, blobs: BlobStore) -> Any:
    """One episode, printed as it goes on; Ctrl-C ends it with what there is so far."""
    console.print(f"\n{scene.name}: {one_line(scene.goal, 400)}", style="bold", markup=False)
    agent: Any = create_tracer1_agent(
        planner.model,
        profile=planner.profile,
        platform="computer",
        grounder=GroundThenAct(grounder, EnvironmentExecutor(scene.environment)),
        blobs=blobs,
        horizon=arguments.horizon,
        history_window=arguments.history,
        max_steps=arguments.max_steps,
    )
    start = {"instruction": scene.goal, "observation": scene.seen.model_dump(mode="json")}
    state: dict[str, Any] = {}
    began = time.perf_counter()
    with ctrl_c_noticed() as pressed, suppress(KeyboardInterrupt):
        for mode, chunk in agent.stream(start, stream_mode=["custom", "values"]):
            if mode == "values":
                state = chunk
            else:
                print_event(chunk)
    if pressed.is_set():
        state = {**state, "status": Status.CANCELLED.value, "detail": "interrupted"}
    return result_of(scene, state, time.perf_counter() - began)


@contextmanager
def ctrl_c_noticed() -> Iterator[Event]:
    """A terminal sends Ctrl-C to the browser too: whatever an episode ends with after that, it was interrupted."""
    pressed = Event()

    def notice(number: int, frame: FrameType | None) -> None:
        pressed.set()
        signal.default_int_handler(number, frame)

    before = signal.signal(signal.SIGINT, notice)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)


def print_event(event: dict[str, Any]) -> None:
    """What the graph tells while it runs."""
    if event["type"] == "forecast":
        console.print(f"step {event['step']}  forecast", style="bold", markup=False)
        for ahead, pair in enumerate(event["pairs"]):
            words = f"    {event['step'] + ahead:>2}. {written(pair['action'])}  # {one_line(pair['instruction'], 120)}"
            console.print(words, style=None if ahead == 0 else "dim", markup=False)
    elif event["type"] == "executed":
        execution = event["execution"]
        value = execution["value"]
        placed = value if isinstance(value, dict) and "kind" in value else event["executed"]
        console.print(f"    ran  {written(placed)}", style="blue", markup=False)
        back = f"    back {one_line(execution['text'], _BACK)}"
        console.print(back, style=None if execution["ok"] else "red", markup=False)
    elif event["type"] in {"replan", "loop"}:
        console.print(f"    {event['type']}", style="yellow", markup=False)


def written(action: dict[str, Any]) -> str:
    """An action as people read it."""
    return one_line(CanonicalGrammar.render_action(rounded(load_action(action))), 160)


def result_of(scene: Scene, state: dict[str, Any], seconds: float) -> TaskResult:
    """What becomes a line of the run's file."""
    trace, reward = trace_of(state), scene.reward()
    solved = None if reward is None else reward > 0
    usage = state.get("usage") or {}
    console.print(
        f"{trace.status.value}, reward {'not known' if reward is None else f'{reward:g}'}, "
        f"{len(trace.steps)} steps, {seconds:.1f} s",
        style="green" if solved else "bold",
        markup=False,
    )
    if trace.detail:
        console.print(one_line(trace.detail, 600), style="yellow", markup=False)
    return TaskResult(
        task_id=scene.name,
        family=scene.family,
        prediction=trace.answer,
        state=solved,
        correct=solved,
        status=trace.status.value,
        detail=trace.detail,
        planner_calls=state.get("planner_calls") or 0,
        tokens=usage.get("input_tokens", 0) + usage.get("output_tokens", 0),
        seconds=round(seconds, 3),
        trace=trace,
    )


def run(arguments: argparse.Namespace, output: Path) -> list[TaskResult]:
    """Every scene in turn, each written when it is over."""
    check(arguments, output)
    planner = choose_planner(arguments)
    taught = SHIPPED.get(planner.name)
    if arguments.horizon is None:
        arguments.horizon = taught.horizon if taught else 5
    if arguments.history is None:
        arguments.history = taught.history if taught else 5
    blobs = BlobStore(output.with_suffix(".blobs"))
    grounder, grounder_name = choose_grounder(arguments, planner, blobs)
    setup = {
        "model": planner.name,
        "base_url": arguments.base_url,
        "profile": planner.profile,
        "grounder": grounder_name,
        "horizon": arguments.horizon,
        "history": arguments.history,
        "max_steps": arguments.max_steps,
        "version": __version__,
        "info_started": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    file, results = ResultsFile(output), []
    for opening in scenes(arguments, planner, blobs):
        with ExitStack() as stack:
            scene = stack.enter_context(opening)
            file.begin(setup)
            results.append(run_scene(scene, planner, grounder, arguments, blobs))
            file.append(results[-1])
        if results[-1].status == Status.CANCELLED:
            break
    console.print(f"\nsee it with: tracer1 show {output} --blobs {blobs.folder} --html browser.html", markup=False)
    return results


def main(argv: list[str] | None = None) -> int:
    """Run and say how it ended: 0, 1 where model or browser failed, 2 for what was asked wrongly, 130 for Ctrl-C."""
    arguments = parse_arguments(argv)
    output = arguments.output or Path("runs") / f"browser-{datetime.now(UTC):%Y%m%d-%H%M%S}.jsonl"
    try:
        statuses = {result.status for result in run(arguments, output)}
    except Tracer1Error as error:
        console.print(str(error), style="red", markup=False)
        return 2
    except KeyboardInterrupt:
        console.print("interrupted")
        return 130
    return 130 if Status.CANCELLED in statuses else int(bool(statuses & REDO))


if __name__ == "__main__":
    sys.exit(main())
