"""One namespace that lives from run to run, and an outcome for whatever the code in it does.

SystemExit, a hostile `__repr__`, an exception whose text raises: all of them become an outcome, none ends the loop.
"""

from __future__ import annotations

import ast
import contextlib
import linecache
import sys
import traceback
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tracer1_agents.sandboxes.inside.protocol import Message


class Interpreter:
    """Runs code in one namespace that stands in for `__main__`."""

    def __init__(self, value_limit: int) -> None:
        self._module = ModuleType("__main__")
        self._limit = value_limit
        self._runs = 0
        # Pickle and dataclasses look up the defining module there; it also keeps the worker's names out of reach.
        sys.modules["__main__"] = self._module

    def define(self, name: str, value: Any) -> None:
        """Put a name into the namespace."""
        self._module.__dict__[name] = value

    def run(self, code: str) -> Message:
        """Execute, and describe what became of it; never raises."""
        self._runs += 1
        name = f"<run {self._runs}>"
        linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
        try:
            value = self._execute(code, name)
            return {"ok": True, **({} if value is None else self._text("value", repr(value)))}
        except SystemExit as error:
            if error.code in (None, 0):
                return {"ok": True}
            return self._failure(error, name)
        except BaseException as error:  # noqa: BLE001  (whatever the code raises is its outcome)
            return self._failure(error, name)

    def _execute(self, code: str, name: str) -> Any:
        tree = ast.parse(code, name)
        space = self._module.__dict__
        last = tree.body[-1] if tree.body else None
        if isinstance(last, ast.Expr):
            tree.body.pop()
        exec(compile(tree, name, "exec"), space)  # noqa: S102  (running code is this file's purpose, in a sandbox)
        if isinstance(last, ast.Expr):
            return eval(compile(ast.Expression(last.value), name, "eval"), space)  # noqa: S307  (as above)
        return None

    def _failure(self, error: BaseException, name: str) -> Message:
        try:
            frames = error.__traceback__
            while frames is not None and frames.tb_frame.f_code.co_filename != name:
                frames = frames.tb_next
            line = traceback.format_exception_only(type(error), error)[-1].strip()
            text = "".join(traceback.format_exception(type(error), error, frames))
            return {"ok": False, **self._text("error", line), **self._text("traceback", text)}
        except BaseException:  # noqa: BLE001  (its own __str__ may raise anything)
            return {"ok": False, "error": "an exception that cannot be printed"}

    def _text(self, key: str, text: str) -> Message:
        text = str.__str__(text)
        clean = text[: self._limit].encode("utf-8", "replace").decode()
        return {key: clean, "cut": True} if len(text) > self._limit else {key: clean}


def flush() -> None:
    """Push out what the code printed; it may have closed or replaced its streams."""
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        with contextlib.suppress(BaseException):
            if stream is not None:
                stream.flush()
