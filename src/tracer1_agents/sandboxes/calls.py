"""Functions of the host that sandboxed code may call by name: the only door out, so it is narrow.

Only the names that the session was opened with are callable, with JSON arguments and JSON results, a bounded number of
times and sizes; a `HostFunction` has bounds of its own and may refuse single calls. What the function raises reaches
the code as RuntimeError with its message. A function that never returns cannot be stopped: the run times out, and the
function's thread is left to end by itself.
"""

from __future__ import annotations

import contextvars
import json
import keyword
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.errors import ConfigurationError, SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracer1_agents.sandboxes.base import HostCalls, Limits

Answer = dict[str, Any]

_REFUSALS: Final = 1000


@dataclass(frozen=True, slots=True)
class HostFunction:
    """A host call with bounds of its own, beside those of the session; hand it in where a plain function would stand.

    Attributes:
        function: What the host runs.
        allow: Looks at one call's arguments first; a text refuses it and says why, None lets it through.
        calls: How often one run may call it; None: as often as the session allows.
        per_second: How many calls any one second may hold, over the whole session; None: any number.
        argument_bytes: Longest arguments, as JSON; None: as long as the session allows.
        result_bytes: Longest result, as JSON; None: as long as the session allows.
    """

    function: Callable[..., Any]
    allow: Callable[[list[Any], dict[str, Any]], str | None] | None = None
    calls: int | None = None
    per_second: int | None = None
    argument_bytes: int | None = None
    result_bytes: int | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it, unchecked, as the host does."""
        return self.function(*args, **kwargs)


class _Usage:
    """What has been called, for the bounds of single functions."""

    def __init__(self) -> None:
        self._in_run: Counter[str] = Counter()
        self._recent: dict[str, deque[float]] = {}

    def begin_run(self) -> None:
        self._in_run.clear()

    def refusal(self, name: str, rule: HostFunction, args: list[Any], kwargs: dict[str, Any], size: int) -> str | None:
        """Why a call may not be made; counts it where it may."""
        recent, now = self._recent.setdefault(name, deque()), time.monotonic()
        while recent and now - recent[0] >= 1:
            recent.popleft()
        if rule.argument_bytes is not None and size > rule.argument_bytes:
            return f"the arguments of {name} have {size} bytes, over {rule.argument_bytes}"
        if rule.calls is not None and self._in_run[name] >= rule.calls:
            return f"more than {rule.calls} calls of {name} in one run"
        if rule.per_second is not None and len(recent) >= rule.per_second:
            return f"more than {rule.per_second} calls of {name} in one second; wait, then go on"
        refused = _permission(rule, args, kwargs)
        if refused is None:
            self._in_run[name] += 1
            recent.append(now)
        return refused


def _permission(rule: HostFunction, args: list[Any], kwargs: dict[str, Any]) -> str | None:
    try:
        return rule.allow(args, kwargs) if rule.allow is not None else None
    except Exception as error:  # noqa: BLE001  (a rule that stumbles over odd arguments has not allowed them)
        return f"these arguments cannot be checked: {type(error).__name__}: {error}"


class CallDesk:
    """Answers the host calls of one session, each in a thread of its own."""

    def __init__(self, functions: HostCalls, limits: Limits) -> None:
        for name in functions:
            if not name.isidentifier() or keyword.iskeyword(name):
                problem = f"host call {name!r} is no Python identifier; rename it"
                raise ConfigurationError(problem)
        self._functions = {
            name: function if isinstance(function, HostFunction) else HostFunction(function)
            for name, function in functions.items()
        }
        self._usage = _Usage()
        self._limits = limits
        self._used = 0
        self._busy = False

    @property
    def names(self) -> list[str]:
        """What the code can call."""
        return sorted(self._functions)

    def begin_run(self) -> None:
        """Start counting anew."""
        self._used, self._busy = 0, False
        self._usage.begin_run()

    def serve(self, request: dict[str, Any], send: Callable[[Answer], None]) -> None:
        """Check a request and run it; `send` is called once, from another thread where the function ran.

        Args:
            request: What the code asked for: id, name, args, kwargs. Untrusted.
            send: Takes the answer.

        Raises:
            SandboxError: The worker asks while another call is under way, or goes on asking far over the limit: no
                longer our worker, but code that has taken its place.
        """
        self._used += 1
        if self._busy or self._used > self._limits.host_calls + _REFUSALS:
            problem = "the code flooded the host with calls"
            raise SandboxError(problem)
        self._busy = True

        def reply(answer: Answer) -> None:
            self._busy = False
            send({**answer, "id": request.get("id")})

        name, args, kwargs = str(request.get("name")), request.get("args"), request.get("kwargs")
        function = self._functions.get(name)
        size = len(json.dumps(request))
        if self._used > self._limits.host_calls:
            reply(_refusal(f"more than {self._limits.host_calls} host calls in one run"))
        elif function is None:
            reply(_refusal(f"no host function {request.get('name')!r}; there are: {', '.join(self.names) or 'none'}"))
        elif not isinstance(args, list) or not isinstance(kwargs, dict):
            reply(_refusal("a host call takes a list of args and a dict of kwargs"))
        elif size > self._limits.message_bytes:
            reply(_refusal(f"the arguments are over {self._limits.message_bytes} bytes"))
        elif (refused := self._usage.refusal(name, function, args, kwargs, size)) is not None:
            reply(_refusal(refused))
        else:
            limit = min(self._limits.message_bytes, function.result_bytes or self._limits.message_bytes)
            call = _Call(function, args, kwargs, limit, reply)
            # The caller's context variables carry LangGraph's run configuration and tracing into the tool.
            context = contextvars.copy_context()
            threading.Thread(target=context.run, args=(call,), name="sandbox-host-call", daemon=True).start()


class _Call:
    def __init__(
        self,
        function: Callable[..., Any],
        args: list[Any],
        kwargs: dict[str, Any],
        limit: int,
        reply: Callable[[Answer], None],
    ) -> None:
        self._function, self._args, self._kwargs, self._limit, self._reply = function, args, kwargs, limit, reply

    def __call__(self) -> None:
        try:
            answer = self._answer(self._function(*self._args, **self._kwargs))
        except BaseException as error:  # noqa: BLE001  (whatever a host function raises is news for the code that called)
            answer = _refusal(str(error) or type(error).__name__)
        self._reply(answer)

    def _answer(self, value: Any) -> Answer:
        try:
            size = len(json.dumps(value))
        except (TypeError, ValueError, RecursionError) as error:
            return _refusal(f"the result is not JSON: {error}")
        if size > self._limit:
            return _refusal(f"the result has {size} bytes, over the limit of {self._limit}")
        return {"op": "answer", "ok": True, "value": value}


def _refusal(message: str) -> Answer:
    return {"op": "answer", "ok": False, "error": message}
