"""Typed configuration: one YAML file, overridden by `--set key=value`.

A config is a tree of frozen pydantic models; the field descriptions are the documentation that `--help` prints. Names
of packaged configs (`tiny/warmstart`) and paths to files are told apart by whether the file exists.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from tracer1_agents.errors import ConfigurationError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic.fields import FieldInfo

Config = TypeVar("Config", bound="BaseConfig")


class BaseConfig(BaseModel):
    """Base of every config and section: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def parse_arguments(config_type: type[Config], module: str, program: str, argv: Sequence[str] | None = None) -> Config:
    """Read `--config` and `--set` from a command line.

    Args:
        config_type: The config to build.
        module: Of this package, which is the command, for `--help`.
        program: What the module does, for `--help`.
        argv: Arguments, those of the process when None.

    Raises:
        ConfigurationError: The file or an override does not fit; the message names the key.
    """
    arguments = _parser(config_type, module, program).parse_args(argv)
    return load_config(config_type, arguments.config, arguments.set)


@dataclass(frozen=True)
class RunArguments(Generic[Config]):
    """A command line that starts a run.

    Attributes:
        config: The run.
        resume: Whether to go on from the newest checkpoint.
        dry_run: Whether only to say what the run would do.
    """

    config: Config
    resume: bool
    dry_run: bool


def parse_run(
    config_type: type[Config], module: str, program: str, argv: Sequence[str] | None = None
) -> RunArguments[Config]:
    """The same with `--resume` and `--dry-run`.

    Raises:
        ConfigurationError: The file or an override does not fit; the message names the key.
    """
    parser = _parser(config_type, module, program)
    parser.add_argument("--resume", action="store_true", help="go on from the newest whole checkpoint, if there is one")
    parser.add_argument("--dry-run", action="store_true", help="say what the run would do, and train nothing")
    arguments = parser.parse_args(argv)
    config = load_config(config_type, arguments.config, arguments.set)
    return RunArguments(config, arguments.resume, arguments.dry_run)


Clock = Literal["wall", "processor"]


def reading(clock: Clock) -> float:
    """Seconds by a clock; only differences mean something. The processor's is fair to runs that share a machine."""
    return time.process_time() if clock == "processor" else time.monotonic()


def _parser(config_type: type[Config], module: str, program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m tracer1_agents.{module}",
        description=program,
        epilog=describe(config_type),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", required=True, help="a YAML file, or packaged: tiny/warmstart, tiny/stage1, ...")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override one key; repeatable")
    return parser


def load_config(config_type: type[Config], name: str, overrides: Sequence[str] = ()) -> Config:
    """Build a config from a packaged name or a path, with overrides such as ``trainer.max_steps=2``.

    Raises:
        ConfigurationError: No such config, or a key or value that does not fit.
    """
    data = _read(name)
    for override in overrides:
        _apply(data, override)
    try:
        return config_type.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        what = first["msg"].removeprefix("Value error, ")
        said = f"{key}: {what}, got {first.get('input')!r}" if key else what
        msg = f"config {name}: {said}; --help lists the keys"
        raise ConfigurationError(msg) from None


def describe(config_type: type[BaseModel], prefix: str = "", told: frozenset[Any] = frozenset()) -> str:
    """The keys of a config, a line each: name, default, meaning; sections and entries of lists follow their own line.

    Args:
        config_type: The config or section.
        prefix: Of its keys.
        told: Kinds of entries whose keys stand in a line above.
    """
    lines = []
    for name, field in config_type.model_fields.items():
        sections, entries = _sections(field.annotation), _entries(field.annotation)
        if field.annotation not in sections:
            lines.append(f"  {prefix}{name} ({_default(field)}): {field.description or ''}")
        lines += [describe(section, f"{prefix}{name}.", told) for section in sections]
        lines += [describe(entry, f"{prefix}{name}[].", told) for entry in entries if entry not in told]
        told = told.union(entries)
    return "\n".join(lines)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True)
    if isinstance(default, frozenset):
        default = tuple(default)
    return f"default {str(default) if isinstance(default, Path) else default!r}"


def _sections(annotation: Any) -> list[type[BaseModel]]:
    """The models that a field may hold."""
    kinds = (annotation, *get_args(annotation))
    return [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]


def _entries(annotation: Any) -> list[type[BaseModel]]:
    """The models that a field may hold a tuple of; of a union, every one."""
    if get_origin(annotation) is not tuple:
        return []
    inner = list(get_args(annotation))
    found = []
    while inner:
        kind = inner.pop(0)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found.append(kind)
        inner += get_args(kind)
    return found


def _read(name: str) -> dict[str, Any]:
    try:
        import yaml  # noqa: PLC0415  (an extra)
    except ImportError:
        feature = "reading a YAML config"
        raise MissingExtraError(feature, "agents") from None
    packaged = resources.files("tracer1_agents") / "assets" / "configs" / f"{name.removesuffix('.yaml')}.yaml"
    path = Path(name)
    try:
        found = path if path.is_file() else packaged
        if not found.is_file():
            msg = f"no config {name!r}: it is neither a file nor a packaged name such as tiny/warmstart"
            raise ConfigurationError(msg)
        text = found.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"config {name}: cannot be read ({error}); it is a text file in UTF-8"
        raise ConfigurationError(msg) from None
    try:
        data = yaml.safe_load(text) or {}
        repeated = next(_repeated_keys(yaml.compose(text, Loader=yaml.SafeLoader)), None)
    except RecursionError:
        msg = f"config {name}: brackets within brackets without end; is it a config?"
        raise ConfigurationError(msg) from None
    except yaml.YAMLError as error:
        msg = f"config {name}: not YAML: {error}"
        raise ConfigurationError(msg) from None
    if not isinstance(data, dict):
        msg = f"config {name}: expected keys and values, got {type(data).__name__}"
        raise ConfigurationError(msg)
    if repeated:
        msg = f"config {name}: {repeated}, which would forget the first; put both into one"
        raise ConfigurationError(msg)
    return data


def _repeated_keys(node: Any) -> Iterator[str]:
    """Keys that a mapping of a composed document has again: YAML keeps the last without a word."""
    if node is None or node.id == "scalar":
        return
    lines: dict[str, int] = {}
    for child in node.value:
        key, value = child if node.id == "mapping" else (None, child)
        if key is not None:
            name, line = str(key.value), key.start_mark.line + 1
            if name in lines:
                yield f"{name} is in line {lines[name]} and again in line {line}"
            lines[name] = line
        yield from _repeated_keys(value)


def _apply(data: dict[str, Any], override: str) -> None:
    import yaml  # noqa: PLC0415  (an extra)

    key, found, text = override.partition("=")
    if not found:
        msg = f"--set {override!r}: expected key=value, for example --set trainer.max_steps=2"
        raise ConfigurationError(msg)
    *sections, last = key.split(".")
    for section in sections:
        data = data.setdefault(section, {})
        if not isinstance(data, dict):
            msg = f"--set {key}: {section} is a value, not a section"
            raise ConfigurationError(msg)
    try:
        data[last] = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: what looks like a date and is none
        problem = getattr(error, "problem", None) or error
        msg = (
            f"--set {override!r}: the value is not YAML: {problem}; close its brackets and quotes, or put a text in "
            f"quotes: --set '{key}=\"text\"'"
        )
        raise ConfigurationError(msg) from None
