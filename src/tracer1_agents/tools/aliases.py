"""Names that published agents and benchmarks use for tools that exist here under another name.

Sources: GTA (open-compass/GTA, AgentLego tool names), the T3 agent (mat-agent/MAT-Agent) and smolagents. Only names are
translated: a tool keeps its own output text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Alias:
    """Another name of a tool.

    Attributes:
        tool: Its own name.
        arguments: Foreign argument name -> own argument name; others pass unchanged.
    """

    tool: str
    arguments: Mapping[str, str] = field(default_factory=dict)

    def translate(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments under the tool's own names."""
        return {self.arguments.get(name, name): value for name, value in arguments.items()}


ALIASES: Final[Mapping[str, Alias]] = {
    "OCR": Alias("ocr", {"image": "image_path"}),
    "Calculator": Alias("calculator"),
    "Solver": Alias("solver", {"command": "equation"}),
    "Plot": Alias("python", {"command": "code"}),  # GTA's Plot takes a program, not columns of a file
    "DrawBox": Alias("draw_box", {"image": "image_path", "bbox": "box", "annotation": "label"}),
    "TextToBbox": Alias("objectlocation", {"image": "image_path", "text": "object"}),
    "GoogleSearch": Alias("search", {"k": "limit"}),
    "navigational_web_search": Alias("search"),
    "informational_web_search": Alias("search"),
    "web_search": Alias("search"),
    "python_interpreter": Alias("python"),
}
