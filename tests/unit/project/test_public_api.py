"""A public name or signature changes only together with `public_api.txt`, where a reader of the change sees it.

    python tests/unit/project/test_public_api.py > tests/unit/project/public_api.txt

A name or argument that goes away, or whose default changes, is a new major version once 1.0 is out (SemVer); before it,
a line in CHANGELOG.md.
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
from pathlib import Path

import tracer1_agents

WRITTEN = Path(__file__).with_name("public_api.txt")


def describe(name: str) -> list[str]:  # noqa: PLR0911  (one for each kind of name)
    """A public name with its arguments, or its fields."""
    thing = getattr(tracer1_agents, name)
    if isinstance(thing, type) and issubclass(thing, enum.Enum):
        return [f"{name}: {', '.join(str(member.value) for member in thing)}"]
    if isinstance(thing, type) and issubclass(thing, Exception):
        return [f"{name}({', '.join(base.__name__ for base in thing.__bases__)})"]
    if isinstance(thing, type) and getattr(thing, "_is_protocol", False):
        return [f"{name}: {', '.join(method for method in vars(thing) if not method.startswith('_'))}"]
    fields = getattr(thing, "model_fields", None)
    if fields is not None and thing.__module__.startswith("tracer1_agents.types"):
        return [f"{name}: {', '.join(fields)}"]
    if dataclasses.is_dataclass(thing):
        arguments = [f"{field.name}{_default(field)}" for field in dataclasses.fields(thing)]
        return [f"{name}({', '.join(arguments)})"]
    if fields is not None:
        own = [field for field in fields if field in thing.__annotations__]
        return [f"{name}({', '.join(own)})"]
    return [f"{name}({', '.join(_shown(each) for each in inspect.signature(thing).parameters.values())})"]


def _default(field: dataclasses.Field) -> str:
    if field.default is not dataclasses.MISSING:
        return f"={field.default!r}"
    return "=..." if field.default_factory is not dataclasses.MISSING else ""


def _shown(parameter: inspect.Parameter) -> str:
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    default = "" if parameter.default is inspect.Parameter.empty else f"={parameter.default!r}"
    keyword = " (keyword)" if parameter.kind is inspect.Parameter.KEYWORD_ONLY else ""
    return f"{stars}{parameter.name}{default}{keyword}"


def surface() -> str:
    """Every public name, a line each."""
    return "\n".join(line for name in sorted(tracer1_agents.__all__) for line in describe(name)) + "\n"


def test_no_public_name_changes_unannounced():
    assert surface() == WRITTEN.read_text(encoding="utf-8"), (
        "a public name or signature changed: say so in CHANGELOG.md and write public_api.txt anew (see the docstring)"
    )


def test_every_public_name_is_documented():
    reference = (Path(__file__).parents[3] / "docs" / "reference.md").read_text(encoding="utf-8")
    for name in tracer1_agents.__all__:
        assert getattr(tracer1_agents, name).__doc__, name
        assert f".{name}\n" in reference, f"{name} is missing in docs/reference.md"


if __name__ == "__main__":
    print(surface(), end="")  # noqa: T201
