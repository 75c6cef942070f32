"""What all registries of names share: what may take a name, and which modules are imported so that theirs are taken."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from tracer1_agents.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

_Made = TypeVar("_Made", bound="Callable[..., Any]")


def take_name(registry: dict[str, _Made], what: str, name: str, made: _Made) -> None:
    """Enter something under a name.

    The same class or function defined anew (a cell run twice, a module reloaded) takes the place of what it was before.

    Args:
        registry: Name to what it stands for.
        what: For messages, such as "reader".
        name: To be taken.
        made: A class or function.

    Raises:
        ConfigurationError: The name is no text, something else has it, or `made` cannot be called.
    """
    if not isinstance(name, str) or not name.strip():
        msg = f"a {what} needs a name, got {name!r:.60}"
        raise ConfigurationError(msg)
    if not callable(made):
        msg = f"the {what} {name!r} must be something to call, such as a class or a function, got {made!r:.60}"
        raise ConfigurationError(msg)
    taken = registry.get(name)
    if taken is not None and taken is not made and not _defined_anew(taken, made):
        msg = f"there is a {what} {name!r} already; give yours another name"
        raise ConfigurationError(msg)
    registry[name] = made


def _defined_anew(before: Any, now: Any) -> bool:
    where = [(getattr(one, "__module__", None), getattr(one, "__qualname__", "<")) for one in (before, now)]
    return where[0] == where[1] and "<" not in where[0][1]  # lambdas and what functions return share their names


def import_plugin(name: str) -> None:
    """Import a module that registers something.

    Raises:
        ConfigurationError: It cannot be found, or imports what is not there; what it raises itself is raised.
    """
    if name.startswith(".") or "/" in name:
        msg = f"plugin {name!r}: name a module as import does, such as shop_plugin, with its folder on PYTHONPATH"
        raise ConfigurationError(msg)
    try:
        import_module(name)
    except (ImportError, ValueError) as error:  # ValueError: an empty name
        msg = f"plugin {name!r} cannot be imported: {error}; is its folder on PYTHONPATH?"
        raise ConfigurationError(msg) from error
