"""MiniWoB++ tasks as an environment: real pages in a real Chromium, the reward read from the task.

The agent sees the left 160 by 210 CSS pixels; reward and timer stand to the right of it and are in no observation. An
episode is a seed: the same one gives the same problem. The task's own clock is set far ahead, so that a slow planner
meets the same task; how long an episode took still discounts its reward. Pages come from the `miniwob` package
(Apache-2.0); nothing of it is imported.
"""

from __future__ import annotations

import asyncio
import importlib.util
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.actions.space import OpenApp
from tracer1_agents.environments.base import ActionFailed, Failure, failed
from tracer1_agents.environments.browser import BrowserEnvironment
from tracer1_agents.environments.browser_options import BrowserOptions
from tracer1_agents.environments.chromium import Chromium
from tracer1_agents.environments.confine import choose
from tracer1_agents.environments.look import look_script
from tracer1_agents.errors import ConfigurationError, MissingExtraError
from tracer1_agents.types import Execution, Observation

if TYPE_CHECKING:
    from playwright.async_api import Frame, Page

    from tracer1_agents.actions.space import Action
    from tracer1_agents.blobs import BlobStore

TASK_SIZE: Final = Size(160, 210)
_WINDOW: Final = Size(332, 214)
_HIDDEN: Final = "#query, #reward-display, #sync-task-cover, #click-canvas"
OVER: Final = "The episode is over."
EPISODE_SECONDS: Final = 1_000.0  # ours; the published ten seconds are for a person's reaction time
_START: Final = """async ([seed, limit]) => {
  // a picture named by a style has no size until it is read, and is read only once it is shown: read all of them now
  const rules = Array.from(document.styleSheets, (sheet) => Array.from(sheet.cssRules)).flat();
  const named = rules.flatMap((rule) => Array.from(rule.cssText.matchAll(/url\\("([^"]+)"\\)/g),
    (found) => new URL(found[1], rule.parentStyleSheet.href || location.href).href));
  core.pictures = Array.from(new Set(named), (address) => Object.assign(new Image(), { src: address }));
  await Promise.allSettled(core.pictures.map((picture) => picture.decode()));
  Math.seedrandom(seed);
  core.EPISODE_MAX_TIME = limit;
  core.startEpisodeReal();
  while (WOB_TASK_READY === false) await new Promise((done) => setTimeout(done, 10));
  const said = core.getUtterance();
  return typeof said === "object" ? said.utterance : said;
}"""
_STATES: Final = """[window, ...Array.from(document.querySelectorAll("iframe.task"), (frame) => frame.contentWindow)]
  .filter((page) => "WOB_DONE_GLOBAL" in page).map((page) => ({
    raw: page.WOB_RAW_REWARD_GLOBAL, reward: page.WOB_REWARD_GLOBAL, done: page.WOB_DONE_GLOBAL,
    seconds: (Date.now() - page.core.ept0) / 1000,
  }))"""
_PAGE: Final = "<!doctype html><title>Tasks</title><style>body{{margin:0}}iframe{{border:0;float:left}}</style>{frames}"
_FRAME: Final = '<iframe class="task" scrolling="no" width="{width}" height="{height}" src="{source}"></iframe>'


@dataclass(frozen=True)
class Outcome:
    """How an episode stands.

    Attributes:
        done: Whether the task says that it is over.
        raw: The task's reward, -1 to 1; 0 until it is over.
        reward: The same, discounted by the task itself where it counts the time.
        seconds: Since the episode began.
    """

    done: bool = False
    raw: float = 0.0
    reward: float = 0.0
    seconds: float = 0.0

    @property
    def success(self) -> bool:
        """Whether the task was solved, as the published success rates count it: a raw reward above 0."""
        return self.done and self.raw > 0

    def discounted(self, limit: float = 10.0) -> float:
        """The raw reward less its share of the time, as published: 1 at once, 0 after `limit` seconds.

        Args:
            limit: Seconds of an episode; 10 in the published environment.
        """
        return self.raw * max(0.0, 1.0 - self.seconds / limit) if self.raw > 0 else self.raw


def pages_folder() -> Path:
    """Where the `miniwob` package keeps its pages.

    Raises:
        MissingExtraError: It is not installed.
    """
    spec = importlib.util.find_spec("miniwob")
    if spec is None or not spec.submodule_search_locations:
        feature = "MiniWoB++"
        raise MissingExtraError(feature, "browser")
    return Path(spec.submodule_search_locations[0], "html").resolve()  # a confined browser has no links to it


def all_tasks() -> tuple[str, ...]:
    """Every task of the package, by name."""
    return tuple(sorted(page.stem for page in (pages_folder() / "miniwob").glob("*.html")))


def miniwob_chromium() -> Chromium:
    """A Chromium for any number of tasks at a time: it may read their pages, and has no network where it can be cut.

    Pages of one folder may look into each other here, which pages with several tasks need.
    """
    network = choose("auto") != "bubblewrap"
    return Chromium(readable=[pages_folder()], network=network, arguments=["--allow-file-access-from-files"])


class MiniWobEnvironment(BrowserEnvironment):
    """One task, or several beside each other on one page.

    Args:
        task: Its name, such as "click-checkboxes" (see `all_tasks`); several are joined by "+", as in
            "click-link+enter-text": each has its own 160 by 210 pixels, from the left.
        blobs: Where screenshots go.
        chromium: Shared with other tasks, from `miniwob_chromium`; None starts one that ends with this environment.
        screenshots: Whether observations have a picture.
        elements: Whether their text lists what is on the page.
        scale: Pixels of the screenshot per CSS pixel.

    Attributes:
        utterance: What the page asks for, once it was reset.
        utterances: The same for each task on it.
        parts: Where each task begins on the screen, in CSS pixels.
        outcomes: How each task stands after the newest action.

    Raises:
        ConfigurationError: There is no such task.
    """

    _script = look_script(_STATES)

    def __init__(
        self,
        task: str,
        blobs: BlobStore,
        *,
        chromium: Chromium | None = None,
        screenshots: bool = True,
        elements: bool = True,
        scale: float = 1.0,
    ) -> None:
        names = task.split("+")
        if unknown := sorted(set(names) - set(all_tasks())):
            msg = f"there is no MiniWoB++ task {unknown[0]!r}; `tracer1 data miniwob --list` names those with an oracle"
            raise ConfigurationError(msg)
        size = Size(TASK_SIZE.width * len(names), TASK_SIZE.height)
        options = BrowserOptions(
            viewport=_WINDOW if len(names) == 1 else Size(size.width, _WINDOW.height),
            view=size,
            scale=scale,
            elements=elements,
            screenshots=screenshots,
            skip=_HIDDEN,
            quiet=0.0,
            offline=True,
            address=False,
        )
        browser = chromium or miniwob_chromium()
        super().__init__(_address(names, browser), blobs, chromium=browser, options=options)
        self._own = chromium is None
        self.task, self.utterance = task, ""
        self.utterances: tuple[str, ...] = ()
        self.parts = tuple((TASK_SIZE.width * index, 0) for index in range(len(names)))
        self.outcomes = tuple(Outcome() for _ in names)

    @property
    def outcome(self) -> Outcome:
        """How the page stands: over when every task on it is, or one of them failed; rewarded as its worst task."""
        over = all(one.done for one in self.outcomes) or any(one.done and one.raw <= 0 for one in self.outcomes)
        worst = min(self.outcomes, key=lambda one: one.raw)
        seconds = max(one.seconds for one in self.outcomes)
        return Outcome(over, worst.raw, worst.reward, seconds) if over else Outcome(seconds=seconds)

    def evaluate(self, script: str, argument: Any = None, part: int = 0) -> Any:
        """What a script in a task's page answers; for oracles and tests, no agent is shown it.

        Args:
            script: JavaScript, a function of one argument.
            argument: JSON.
            part: Which task of a page with several.

        Raises:
            EnvironmentFailure: There is no page.
        """
        return self.chromium.thread.run(self._guarded(self._evaluate(script, argument, part)))

    async def _evaluate(self, script: str, argument: Any, part: int) -> Any:
        return await self._frames(await self._page())[part].evaluate(script, argument)

    def _frames(self, page: Page) -> list[Frame]:
        return [page.main_frame] if len(self.parts) == 1 else page.main_frame.child_frames

    async def _reset(self, seed: int | None) -> Observation:
        """The page is loaded again in the same context: MiniWoB keeps nothing between pages."""
        self.outcomes = tuple(Outcome() for _ in self.parts)
        page = self.events.front()
        if page is None or self._context is None or self.events.crashed:
            return await super()._reset(seed)
        self.events.forget()
        try:
            async with asyncio.timeout(self.options.seconds):
                await self._begin(page, seed)
        except TimeoutError:
            return await super()._reset(seed)
        return await self._observe()

    async def _begin(self, page: Page, seed: int | None) -> None:
        await page.goto(self.start_url, wait_until="load")
        word = "" if seed is None else str(seed)
        limit = EPISODE_SECONDS * 1000
        said = [
            await frame.evaluate(_START, [f"{word}/{index}" if index else word, limit])
            for index, frame in enumerate(self._frames(page))
        ]
        self.utterances = tuple(" ".join(str(text).split()) for text in said)
        numbered = (f"{index}. {text}" for index, text in enumerate(self.utterances, start=1))
        self.utterance = self.utterances[0] if len(said) == 1 else " ".join(numbered)

    async def _act(self, action: Action) -> Execution:
        if self.outcome.done:
            return failed(ActionFailed(Failure.ENDED, "the episode is over; finish"), Observation(text=OVER))
        if isinstance(action, OpenApp):  # would leave the task, and no way leads back
            problem = ActionFailed(Failure.UNSUPPORTED, "open_app: there is nothing to open; the task is on this page")
            return failed(problem, await self._after(problem))
        execution = await super()._act(action)
        if self.seen.extra is not None:
            # what was over stays as it was: a click on a finished task would start it anew
            if len(self.seen.extra) == len(self.outcomes):
                now = [_outcome(state) for state in self.seen.extra]
            else:  # the page is no task any more: whoever left it has lost, and that is no fault of the browser's
                now = [replace(one, done=True, raw=-1.0, reward=-1.0) for one in self.outcomes]
            self.outcomes = tuple(old if old.done else new for old, new in zip(self.outcomes, now, strict=True))
        # that it is over is seen, not how it ended
        return execution.model_copy(update={"text": OVER}) if self.outcome.done else execution


def _outcome(state: dict[str, Any]) -> Outcome:
    return Outcome(bool(state["done"]), float(state["raw"]), float(state["reward"]), float(state["seconds"]))


def _address(names: list[str], browser: Chromium) -> str:
    """A task's page, or a page that frames several."""
    pages = [pages_folder() / "miniwob" / f"{name}.html" for name in names]
    if len(pages) == 1:
        return pages[0].as_uri()
    width, height = TASK_SIZE
    frames = "".join(_FRAME.format(width=width, height=height, source=page.as_uri()) for page in pages)
    folder = browser.folder / "shared"
    folder.mkdir(mode=0o700, exist_ok=True)
    file = folder / f"{'+'.join(names)}.html"
    file.write_text(_PAGE.format(frames=frames), encoding="utf-8")
    file.chmod(0o644)
    return file.as_uri()
