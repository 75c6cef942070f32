"""One namespace that lives from run to run, and an outcome for whatever the code in it does.

SystemExit, a hostile `__repr__`, an exception whose text raises: all of them become an outcome, none ends the loop.
"""

from __future__ import annotations

import _ast
import sys

TYPE_CHECKING = False  # `typing` would have to be loaded for it
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

    from tracer1_agents.sandboxes.inside.protocol import Message

_ONLY_AST = 0x400  # PyCF_ONLY_AST of Python/compile.h, which is what `ast.parse` asks for


class Interpreter:
    """Runs code in one namespace that stands in for `__main__`."""

    def __init__(self, value_limit: int) -> None:
        self._module = type(sys)("__main__")
        self._limit = value_limit
        self._runs = 0
        self._sources = Sources()
        sys.meta_path.insert(0, self._sources)
        # Pickle and dataclasses look up the defining module there; it also keeps the worker's names out of reach.
        sys.modules["__main__"] = self._module

    def define(self, name: str, value: Any) -> None:
        """Put a name into the namespace."""
        self._module.__dict__[name] = value

    def run(self, code: str) -> Message:
        """Execute, and describe what became of it; never raises."""
        self._runs += 1
        name = f"<run {self._runs}>"
        self._sources.add(name, code)
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
        tree = compile(code, name, "exec", _ONLY_AST)
        space = self._module.__dict__
        last = tree.body[-1] if tree.body else None
        if isinstance(last, _ast.Expr):
            tree.body.pop()
        exec(compile(tree, name, "exec"), space)  # noqa: S102  (running code is this file's purpose, in a sandbox)
        if isinstance(last, _ast.Expr):
            return eval(compile(_ast.Expression(last.value), name, "eval"), space)  # noqa: S307  (as above)
        return None

    def _failure(self, error: BaseException, name: str) -> Message:
        try:
            import traceback  # noqa: PLC0415  (not for code that does not fail)

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


class Sources:
    """Keeps the code of each run for tracebacks, and hands it to `linecache` once anything has loaded that.

    It stands in `sys.meta_path` and loads `linecache` through whoever else can, to be there when it comes.
    """

    def __init__(self) -> None:
        self._kept: dict[str, str] = {}
        self._cache: dict[str, Any] | None = None
        self._loader: Any = None

    def add(self, name: str, code: str) -> None:
        """Keep the code of one run."""
        if self._cache is None:
            self._kept[name] = code
        else:
            self._cache[name] = (len(code), None, code.splitlines(keepends=True), name)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """See `importlib.abc.MetaPathFinder`; None for all but `linecache`, and for that too once it was loaded."""
        if name != "linecache" or self._cache is not None:
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        spec = next((found for finder in others if (found := finder.find_spec(name, path, target))), None)
        if spec is not None:
            self._loader = spec.loader
            spec.loader = self  # type: ignore[assignment]  # `importlib.abc` would have to be loaded for it
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """See `importlib.abc.Loader`: an ordinary module."""

    def exec_module(self, module: ModuleType) -> None:
        """Load it as usual, and fill it."""
        self._loader.exec_module(module)
        self._cache = module.__dict__["cache"]
        for name, code in self._kept.items():
            self.add(name, code)
        self._kept.clear()


def flush() -> None:
    """Push out what the code printed; it may have closed or replaced its streams."""
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        try:
            if stream is not None:
                stream.flush()
        except BaseException:  # noqa: BLE001, S110  (it is the code's own stream)
            pass
