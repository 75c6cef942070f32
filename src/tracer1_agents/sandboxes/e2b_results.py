"""What E2B's SDK gives back, in our terms: outcomes, displayed pictures and charts, and whose fault an exception is."""

from __future__ import annotations

import base64
import binascii
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.errors import SandboxError
from tracer1_agents.sandboxes.base import RunResult

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

_PICTURES: Final = ("png", "jpeg", "svg", "pdf")
_BASE64: Final = frozenset({"png", "jpeg", "pdf"})

# The SDK's, by name, since it is an extra: older versions raise the first for files too.
_NO_FILE: Final = frozenset({"NotFoundException", "FileNotFoundException"})


def outcome(execution: Any, stdout: str, limit: int, *, cut: bool) -> RunResult:
    """A run that came to its end.

    Args:
        execution: The SDK's `Execution`.
        stdout: What was printed.
        limit: Longest value, error and traceback.
        cut: Whether `stdout` was cut.
    """
    failed = execution.error
    main = [result.text for result in execution.results if result.is_main_result]
    value = str(main[-1]) if main and main[-1] is not None and failed is None else None
    error = f"{failed.name}: {failed.value}" if failed is not None else None
    return RunResult(
        ok=failed is None,
        stdout=stdout,
        value=value if value is None else _clean(value[:limit]),
        error=error if error is None else _clean(error[:limit]),
        traceback=_clean(str(failed.traceback)[:limit]) if failed is not None else "",
        truncated=cut or len(value or error or "") > limit,
    )


def _clean(text: str) -> str:
    """Without lone surrogates, which JSON can carry and a file cannot."""
    return text.encode("utf-8", "replace").decode()


class as_sandbox_error:  # noqa: N801  (reads as a statement)
    """Whatever the SDK raises in the block becomes a `SandboxError`."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, SandboxError):
            problem = f"E2B {self._what}: {type(error).__name__}: {error}"
            raise SandboxError(problem) from error


def fetched(read: Callable[[], Any]) -> bytes | None:
    """What reading a file of the sandbox brings, None where there is none of that name (any more).

    Args:
        read: Asks the SDK.

    Raises:
        SandboxError: The SDK raised anything else.
    """
    with as_sandbox_error("gave no file"):
        try:
            return bytes(read())
        except Exception as error:
            if type(error).__name__ in _NO_FILE:
                return None
            raise


def is_entry(entry: Any) -> bool:
    """Whether what the sandbox told of a file has the right form: path, time of change, size, number."""
    if not isinstance(entry, list):
        return False
    match entry:
        case [str(), int(), int(), int()]:
            return True
        case _:
            return False


def displayed(result: Any, stem: str) -> list[tuple[str, bytes]]:
    """Pictures and the chart of one thing that code displayed.

    Args:
        result: The SDK's `Result`.
        stem: Start of the file names.

    Returns:
        Names and contents.
    """
    found: list[tuple[str, bytes]] = []
    for kind in _PICTURES:
        text = getattr(result, kind, None)
        if isinstance(text, str):
            with suppress(binascii.Error, ValueError):
                found.append((f"{stem}.{kind}", base64.b64decode(text) if kind in _BASE64 else text.encode()))
    chart = getattr(result, "chart", None)
    if chart is not None:
        found.append((f"{stem}.chart.json", json.dumps(chart.to_dict(), ensure_ascii=False).encode()))
    return found
