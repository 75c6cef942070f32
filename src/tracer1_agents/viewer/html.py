"""One HTML file that needs nothing else: page, style, script, data and pictures, and a policy that forbids the rest.

The file reaches no network: its content security policy allows its own script and style by their hashes and pictures
that it carries, and nothing else, so that even a mistake in handling text could not fetch or run anything. Data and
pictures stand in script elements of a type that no browser runs. It carries what the run holds: see `docs/viewer.md`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.data.outputs import replacing
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.viewer.page_data import page_data

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tracer1_agents.viewer.episodes import Run
    from tracer1_agents.viewer.pictures import Pictures

_SCRIPTS: Final = ("base.js", "pictures.js", "list.js", "matrix.js", "episode.js", "main.js")  # in this order
_SLOT: Final = re.compile(r"\{\{(policy|style|script|data|pictures)\}\}")


def write_page(runs: Sequence[Run], pictures: Pictures, path: Path) -> None:
    """Write the page; readable by its owner only, since it holds whatever the run holds.

    Raises:
        ConfigurationError: The file cannot be written, or a pipe or a device is there.
    """
    page = render_page(page_data(runs, pictures), pictures)
    try:
        with replacing(path, private=True) as file:
            file.write(page)
    except OSError as error:
        msg = f"{path}: the page cannot be written ({error.strerror or error}); choose another --html"
        raise ConfigurationError(msg) from error


def render_page(data: dict[str, Any], pictures: Pictures | None) -> str:
    """The whole page.

    Args:
        data: As `page_data` gives it.
        pictures: Those to carry inside; None for a page whose server has them.
    """
    style, script = _style(), _script()
    content = {
        "policy": policy(live=pictures is None),
        "style": style,
        "script": script,
        "data": as_script(data),
        "pictures": "" if pictures is None else _blocks(pictures),
    }
    # in one pass: what a run holds may look like a slot, too
    return _SLOT.sub(lambda slot: content[slot.group(1)], _part("page.html"))


def policy(*, live: bool) -> str:
    """The content security policy of a page, live or on its own."""
    here = " 'self'" if live else ""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_digest(_script())}'",
            f"style-src '{_digest(_style())}'",
            f"img-src data:{here}",
            "connect-src 'self'" if live else "connect-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def as_script(data: Any) -> str:
    """JSON that may stand inside a script element: no `<` in it, so that nothing ends the element or opens another."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _blocks(pictures: Pictures) -> str:
    """Each picture as text that nothing decodes before it is shown."""
    return "\n".join(
        f'<script type="text/plain" id="{key}" data-kind="{picture.kind}">'
        f"{base64.b64encode(picture.content).decode('ascii')}</script>"
        for key, picture in pictures.taken.items()
    )


def _style() -> str:
    return _part("style.css")


def _script() -> str:
    inside = "\n".join(_part(name) for name in _SCRIPTS)
    return f'"use strict";\n(() => {{\n{inside}}})();\n'


def _part(name: str) -> str:
    return (resources.files("tracer1_agents.viewer") / "page" / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
