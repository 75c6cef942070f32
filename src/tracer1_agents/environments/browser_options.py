"""How a page is shown, watched and held."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.environments.allowed import check_domains
from tracer1_agents.errors import ConfigurationError

SCREEN_SIZE: Final = Size(1280, 800)


@dataclass(frozen=True, kw_only=True)
class BrowserOptions:
    """How a page is shown and watched.

    Attributes:
        viewport: Of the window, in CSS pixels.
        view: The part that the agent sees and acts in, from the left top corner; None: all of it.
        scale: Pixels of the screenshot per CSS pixel.
        max_pixels: Screenshots of more are taken smaller.
        elements: Whether the observation's text lists the elements of the page.
        screenshots: Whether observations have a picture.
        skip: CSS selector of parts that the list leaves out.
        quiet: Seconds without a change after which a page has settled.
        settle: Seconds after which it is looked at anyway, with a note; a page that shows nothing by then is a failure.
        seconds: That one action may take before the page is given up.
        dialogs: What questions of the page are answered with.
        allowed_domains: See `allowed.is_allowed`; None allows every host.
        offline: Cuts the context off from every network.
        address: Whether observations tell title and address.
    """

    viewport: Size = SCREEN_SIZE
    view: Size | None = None
    scale: float = 1.0
    max_pixels: int = 1_310_720
    elements: bool = True
    screenshots: bool = True
    skip: str | None = None
    quiet: float = 0.05
    settle: float = 3.0
    seconds: float = 30.0
    dialogs: Literal["accept", "dismiss"] = "accept"
    allowed_domains: tuple[str, ...] | None = None
    offline: bool = False
    address: bool = True

    def __post_init__(self) -> None:
        if not (self.elements or self.screenshots):
            msg = "a browser that shows neither elements nor screenshots cannot be used; turn one of them on"
            raise ConfigurationError(msg)
        if self.scale <= 0 or self.max_pixels < 1 or self.seconds <= 0 or min(self.quiet, self.settle) < 0:
            msg = f"scale, max_pixels and seconds must be above 0, quiet and settle not below it; got {self}"
            raise ConfigurationError(msg)
        check_domains(self.allowed_domains)
