"""The actions of the computer space on a page, through Playwright's mouse and keyboard.

Input goes to pixels, as a person's does. `select` is the exception: the list that a browser opens is no part of the
page, so the entry is chosen in the list at the point. `open_app` goes to an address.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.actions.space import (
    Click,
    Drag,
    Hotkey,
    Hover,
    LeftDouble,
    MiddleClick,
    OpenApp,
    Point,
    RightSingle,
    Scroll,
    Select,
    TripleClick,
    Type,
    Wait,
)
from tracer1_agents.environments.base import ActionFailed, Failure, pixel_of
from tracer1_agents.environments.keys import key_named

if TYPE_CHECKING:
    from playwright.async_api import Page

    from tracer1_agents.actions.coordinates import Size
    from tracer1_agents.actions.space import Action

SCROLL_SHARE: Final = 0.6  # of the screen's height or width, per scroll
DRAG_MOVES: Final = 8  # pages that follow the pointer want to see it on its way
WAIT_SECONDS: Final = 1.0
_ADDRESS: Final = re.compile(r"(?:https?://\S+|file:///\S+|[\w-]+(?:\.[\w-]+)+(?::\d+)?(?:/\S*)?)")
_COMMANDS: Final = {  # keys that a browser's window takes, which pages never see
    "alt+arrowleft": "go_back",
    "alt+arrowright": "go_forward",
    "f5": "reload",
    "control+r": "reload",
    "control+f5": "reload",
}
_CLICKS: Final[dict[type, tuple[Any, int]]] = {
    Click: ("left", 1),
    LeftDouble: ("left", 2),
    TripleClick: ("left", 3),
    RightSingle: ("right", 1),
    MiddleClick: ("middle", 1),
}
_SELECT: Final = """([x, y, option]) => {
  const clean = (text) => text.replace(/\\s+/g, " ").trim();
  let node = x === null ? document.activeElement : document.elementFromPoint(x, y);
  const inner = (host) => (x === null ? host.shadowRoot.activeElement : host.shadowRoot.elementFromPoint(x, y));
  while (node && node.shadowRoot && inner(node) && inner(node) !== node) node = inner(node);
  while (node && /^I?FRAME$/.test(node.tagName) && node.contentDocument) {
    const frame = node.getBoundingClientRect(), page = node.contentDocument;
    x = x === null ? null : x - frame.left - node.clientLeft;
    y = y === null ? null : y - frame.top - node.clientTop;
    node = x === null ? page.activeElement : page.elementFromPoint(x, y);
  }
  const label = node && node.closest("label");
  const list = node && (node.closest("select") || (label && label.control));
  if (!list || list.tagName !== "SELECT") return "there is no drop-down list";
  const entries = Array.from(list.options);
  const wanted = clean(option);
  const entry = entries.find((one) => clean(one.text) === wanted)
    || entries.find((one) => clean(one.text).toLowerCase() === wanted.toLowerCase());
  const known = () => entries.slice(0, 20).map((one) => clean(one.text)).join(", ");
  if (!entry) return "the list has no such entry; it has " + known();
  entry.selected = true;
  list.focus();
  list.dispatchEvent(new Event("input", { bubbles: true }));
  list.dispatchEvent(new Event("change", { bubbles: true }));
  return "";
}"""


async def perform(page: Page, action: Action, size: Size) -> None:  # noqa: C901  (one line an action)
    """Carry out one action.

    Args:
        page: Where.
        action: Placed, of the computer space; see `base.check_action`.
        size: Of the part of the page that the agent sees, in CSS pixels.

    Raises:
        ActionFailed: UNSUPPORTED or NO_TARGET.
        playwright.async_api.Error: The page did not take it.
    """
    match action:
        case Click() | LeftDouble() | TripleClick() | RightSingle() | MiddleClick():
            button, count = _CLICKS[type(action)]
            await page.mouse.click(*_pixel(action.point, size), button=button, click_count=count)
        case Hover():
            await page.mouse.move(*_pixel(action.point, size))
        case Drag():
            await _drag(page, _pixel(action.start, size), _pixel(action.end, size))
        case Scroll():
            await _scroll(page, action, size)
        case Type():
            await _type(page, action.content)
        case Hotkey():
            await _press(page, action.keys)
        case Select():
            x, y = _pixel(action.point, size) if action.point else (None, None)
            if problem := await page.evaluate(_SELECT, [x, y, action.option]):
                raise ActionFailed(Failure.NO_TARGET, f"select: {problem}"[:400])
        case OpenApp():
            await _go(page, action.app_name)
        case Wait():
            await asyncio.sleep(WAIT_SECONDS)
        case _:
            raise ActionFailed(Failure.UNSUPPORTED, f"{action.kind} is nothing a browser can do")


def _pixel(point: Point | None, size: Size) -> tuple[int, int]:
    return pixel_of(point or Point(0.5, 0.5), size)


async def _drag(page: Page, start: tuple[int, int], end: tuple[int, int]) -> None:
    await page.mouse.move(*start)
    await page.mouse.down()
    try:
        await page.mouse.move(*end, steps=DRAG_MOVES)
    finally:
        await page.mouse.up()


async def _scroll(page: Page, action: Scroll, size: Size) -> None:
    along = round(SCROLL_SHARE * (size.width if action.direction in {"left", "right"} else size.height))
    step = -along if action.direction in {"up", "left"} else along
    await page.mouse.move(*_pixel(action.point, size))
    await page.mouse.wheel(*((step, 0) if action.direction in {"left", "right"} else (0, step)))
    # the wheel is answered before the page has moved; two frames later it has
    await page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done())))")


async def _type(page: Page, text: str) -> None:
    """As fingers would: a tab goes to the next field, a line break is one Enter."""
    for at, part in enumerate(text.replace("\r\n", "\n").split("\t")):
        if at:
            await page.keyboard.press("Tab")
        await page.keyboard.type(part)


async def _press(page: Page, keys: tuple[str, ...]) -> None:
    known = [(key_named(name), name) for name in keys]
    names = [key.web if key else name for key, name in known]
    if (command := _COMMANDS.get("+".join(names).lower())) is not None:
        await getattr(page, command)(wait_until="commit")
        return
    held: list[str] = []
    try:
        for name in names:
            await page.keyboard.down(name)
            held.append(name)
    finally:
        for name in reversed(held):
            await page.keyboard.up(name)


async def _go(page: Page, address: str) -> None:
    if not _ADDRESS.fullmatch(address):
        raise ActionFailed(Failure.UNSUPPORTED, f'open_app: a browser opens addresses, "{address[:80]}" is none')
    await page.goto(address if "://" in address else f"https://{address}", wait_until="commit")
