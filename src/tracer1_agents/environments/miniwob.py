"""MiniWoB++ tasks as an environment: real pages in a real Chromium, the reward read from the task.

The agent sees the left 160 by 210 CSS pixels; reward and timer stand to the right of it and are in no observation. An
episode is a seed: the same one gives the same problem. The task's own clock is set far ahead, so that a slow planner
meets the same task; how long an episode took still discounts its reward. Pages come from the `miniwob` package
(Apache-2.0); nothing of it is imported.
"""

from __future__ import annotations

import asyncio
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.environments.base import ActionFailed, Failure, failed
from tracer1_agents.environments.browser import BrowserEnvironment, BrowserOptions
from tracer1_agents.environments.chromium import Chromium
from tracer1_agents.environments.look import look_script
from tracer1_agents.errors import ConfigurationError, EnvironmentFailure, MissingExtraError
from tracer1_agents.types import Execution, Observation

if TYPE_CHECKING:
    from playwright.async_api import Page

    from tracer1_agents.actions.space import Action
    from tracer1_agents.blobs import BlobStore

TASK_SIZE: Final = Size(160, 210)
_WINDOW: Final = Size(332, 214)
_HIDDEN: Final = "#query, #reward-display, #sync-task-cover, #click-canvas"
OVER: Final = "The episode is over."
EPISODE_SECONDS: Final = 1_000.0  # ours; the published ten seconds are for a person's reaction time
_START: Final = """async ([seed, limit]) => {
  Math.seedrandom(seed);
  core.EPISODE_MAX_TIME = limit;
  core.startEpisodeReal();
  while (WOB_TASK_READY === false) await new Promise((done) => setTimeout(done, 10));
  return core.getUtterance();
}"""
_STATE: Final = """{
  raw: WOB_RAW_REWARD_GLOBAL, reward: WOB_REWARD_GLOBAL, done: WOB_DONE_GLOBAL, seconds: (Date.now() - core.ept0) / 1000,
}"""


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
    return Path(spec.submodule_search_locations[0]) / "html"


def all_tasks() -> tuple[str, ...]:
    """Every task of the package, by name."""
    return tuple(sorted(page.stem for page in (pages_folder() / "miniwob").glob("*.html")))


def miniwob_chromium() -> Chromium:
    """A Chromium for any number of tasks at a time: it may read their pages, and has no network where it can be cut."""
    pages = pages_folder()
    confined = Chromium(readable=[pages])
    if confined.confinement != "bubblewrap":
        return confined
    confined.close()
    return Chromium(readable=[pages], network=False)


class MiniWobEnvironment(BrowserEnvironment):
    """One task.

    Args:
        task: Its name, such as "click-checkboxes"; see `all_tasks`.
        blobs: Where screenshots go.
        chromium: Shared with other tasks; None starts one that ends with this environment.
        screenshots: Whether observations have a picture.
        elements: Whether their text lists what is on the page.
        scale: Pixels of the screenshot per CSS pixel.
        page: A page of one's own that speaks MiniWoB's protocol, instead of the package's.

    Attributes:
        utterance: What the task asks for, once it was reset.
        utterances: The same for each task on the page.
        parts: Where each task begins on the screen, in CSS pixels.
        outcome: How the episode stands after the newest action.

    Raises:
        ConfigurationError: There is no such task.
    """

    _script = look_script(_STATE)

    def __init__(
        self,
        task: str,
        blobs: BlobStore,
        *,
        chromium: Chromium | None = None,
        screenshots: bool = True,
        elements: bool = True,
        scale: float = 1.0,
        page: Path | None = None,
    ) -> None:
        file = page or pages_folder() / "miniwob" / f"{task}.html"
        if page is None and task not in all_tasks():
            msg = f"there is no MiniWoB++ task {task!r}; `tracer1 data miniwob --list` names them"
            raise ConfigurationError(msg)
        options = BrowserOptions(
            viewport=_WINDOW,
            view=TASK_SIZE,
            scale=scale,
            elements=elements,
            screenshots=screenshots,
            skip=_HIDDEN,
            quiet=0.0,
            offline=True,
            allowed_domains=None,
            address=False,
        )
        own = None if chromium is not None else miniwob_chromium()
        super().__init__(file.as_uri(), blobs, chromium=chromium or own, options=options)
        self._own = own is not None
        self.task, self.utterance, self.outcome = task, "", Outcome()
        self.utterances: tuple[str, ...] = ()
        self.parts: tuple[tuple[int, int], ...] = ((0, 0),)

    def evaluate(self, script: str, argument: Any = None, part: int = 0) -> Any:
        """What a script in the task's page answers; for oracles and tests, no agent is shown it.

        Args:
            script: JavaScript, a function of one argument.
            argument: JSON.
            part: Which task of a page with several.

        Raises:
            EnvironmentFailure: There is no page.
        """
        return self.chromium.thread.run(self._guarded(self._evaluate(script, argument, part)))

    async def _evaluate(self, script: str, argument: Any, part: int) -> Any:
        del part
        return await (await self._page()).evaluate(script, argument)

    async def _reset(self, seed: int | None) -> Observation:
        """The page is loaded again in the same context: MiniWoB keeps nothing between pages."""
        self.outcome = Outcome()
        page = self.events.front()
        if page is None or self._context is None or self.events.crashed:
            return await super()._reset(seed)
        self.events.forget()
        try:
            async with asyncio.timeout(self.options.seconds):
                await self._begin(page, seed)
        except (EnvironmentFailure, TimeoutError):
            return await super()._reset(seed)
        return await self._observe()

    async def _begin(self, page: Page, seed: int | None) -> None:
        await page.goto(self.start_url, wait_until="load")
        said: Any = await page.evaluate(_START, ["" if seed is None else str(seed), EPISODE_SECONDS * 1000])
        self.utterance = str(said["utterance"] if isinstance(said, dict) else said)
        self.utterances = (self.utterance,)

    async def _act(self, action: Action) -> Execution:
        if self.outcome.done:
            return failed(ActionFailed(Failure.ENDED, "the episode is over; finish"), Observation(text=OVER))
        execution = await super()._act(action)
        if (state := self.seen.extra) is not None:
            self.outcome = Outcome(bool(state["done"]), state["raw"], state["reward"], state["seconds"])
        return _over(execution) if self.outcome.done else execution


def _over(execution: Execution) -> Execution:
    """What is seen when the task is over: that it is, and not how it ended."""
    return execution.model_copy(update={"text": OVER})


