"""A sandbox as the executor of smolagents' `CodeAgent`: its code runs inside, its tools run on the host.

    CodeAgent(tools, model, executor=SandboxExecutor(BubblewrapSandbox()))

Tools are host calls by name with JSON arguments and JSON results; nothing is pickled, and no tool's source travels into
the sandbox. `final_answer` is a host call too: what it is given is the answer, and the code ends there.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.errors import ConfigurationError, MissingExtraError
from tracer1_agents.sandboxes.base import DEFAULT_LIMITS, Limits
from tracer1_agents.sandboxes.notes import dropped_note, missing_note

try:
    from smolagents.local_python_executor import CodeOutput, InterpreterError, PythonExecutor
except ModuleNotFoundError as missing:
    feature = "smolagents' CodeAgent in a sandbox"
    raise MissingExtraError(feature, "tools") from missing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tracer1_agents.sandboxes.base import RunResult, Sandbox, Session

_FINAL: Final = "final_answer"
_DONE: Final = "the answer is given"


class SandboxExecutor(PythonExecutor):  # type: ignore[misc]  # smolagents has no types
    """Runs a `CodeAgent`'s code in one session of a sandbox.

    Args:
        sandbox: Where.
        workspace: See `Sandbox.open`.
        limits: See `Sandbox.open`.
        timeout: Seconds for one block; None: `Limits.timeout`.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        *,
        workspace: Path | None = None,
        limits: Limits = DEFAULT_LIMITS,
        timeout: float | None = None,
    ) -> None:
        self._sandbox, self._workspace, self._limits, self._timeout = sandbox, workspace, limits, timeout
        self._tools: dict[str, Callable[..., Any]] = {}
        self._session: Session | None = None
        self._variables: dict[str, str] = {}
        self._answers: list[Any] = []
        self.state: dict[str, Any] = {}  # CodeAgent reads what a failing block had printed from "_print_outputs"

    def send_tools(self, tools: Mapping[str, Any]) -> None:
        """Make tools callable by name; other tools than before begin a new session, with the variables sent so far."""
        wanted = dict(tools)
        if wanted != self._tools:
            self.cleanup()
            self._tools = wanted

    def send_variables(self, variables: Mapping[str, Any]) -> None:
        """Define variables.

        Raises:
            ConfigurationError: One of them is not JSON, or its name is no identifier.
        """
        for name, value in variables.items():
            try:
                text = json.dumps(value)
            except (TypeError, ValueError) as error:
                problem = f"variable {name!r} cannot go into the sandbox, where only JSON goes: {error}"
                raise ConfigurationError(problem) from error
            if not name.isidentifier():
                problem = f"variable {name!r} is no Python identifier; rename it"
                raise ConfigurationError(problem)
            self._variables[name] = text
            self._run(_definition(name, text))

    def __call__(self, code_action: str) -> CodeOutput:
        """Run one block.

        Returns:
            The last expression as text, what was printed and which files were not carried in or out, and whether
            `final_answer` was called.

        Raises:
            InterpreterError: The code failed.
            SandboxError: The sandbox failed.
        """
        self._answers.clear()
        result = self._run(code_action)
        logs = self.state["_print_outputs"] = _logs(result)
        if self._answers:
            return CodeOutput(output=self._answers[0], logs=logs, is_final_answer=True)
        if not result.ok:
            raise InterpreterError(result.traceback or result.error)
        return CodeOutput(output=result.value, logs=logs, is_final_answer=False)

    def cleanup(self) -> None:
        """End the session; the next block begins a new one."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _run(self, code: str) -> RunResult:
        if self._session is None:
            calls = {**self._tools, **({_FINAL: self._finish} if _FINAL in self._tools else {})}
            self._session = self._sandbox.open(self._workspace, calls, self._limits)
            for name, text in self._variables.items():
                self._session.run(_definition(name, text))
        return self._session.run(code, timeout=self._timeout)

    def _finish(self, *args: Any, **kwargs: Any) -> None:
        """Keep the first answer, and stop the code by an error that it may catch: the answer stands."""
        self._answers.append(self._tools[_FINAL](*args, **kwargs))
        raise StopIteration(_DONE)


def _logs(result: RunResult) -> str:
    notes = [missing_note(result.missing_files), dropped_note(result.dropped_files)]
    return "\n".join([result.stdout.removesuffix("\n"), *filter(None, notes)]) if any(notes) else result.stdout


def _definition(name: str, text: str) -> str:
    return f"import json\n{name} = json.loads({text!r})\ndel json\n"
