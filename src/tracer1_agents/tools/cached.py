"""Executions kept: the same frozen executor, asked the same thing on the same screen, is asked once.

A frozen executor that answers greedily gives the same answer in every epoch and to every member of a group. The key is
a hash of everything the answer may depend on: screenshot, action, step instruction, the executor's version and a scope
(the task, for tools that read its files). Executors with a memory of their own (sessions, live screens) do not belong
here. Being lost is never kept. The file is JSON lines, one execution each; several processes may append to it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from tracer1_agents.actions.space import dump_action
from tracer1_agents.types import Execution

if TYPE_CHECKING:
    from tracer1_agents.actions.space import Action
    from tracer1_agents.tools.executor import Executor
    from tracer1_agents.types import ImageRef, Observation

_CONTENT_HASH: Final = re.compile(r"[0-9a-f]{64}")  # a reference into `blobs`


class ExecutionCache:
    """Executions by key, in memory and in a file.

    Args:
        path: JSON lines; read if it is there, created at the first execution otherwise. None keeps nothing on disk.

    Attributes:
        hits: Lookups that were answered from here, waiting for a running execution included.
        misses: Lookups that led to an execution.
        unreadable: Lines of the file that could not be read, such as one that was cut off by a crash.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.hits = self.misses = self.unreadable = 0
        self._kept: dict[str, Execution] = {}
        self._running: dict[str, Future[Execution | None]] = {}
        self._images: dict[tuple[str, int, int], str] = {}
        self._lock = threading.Lock()
        if path is not None and path.exists():
            self._load(path)

    @property
    def hit_rate(self) -> float | None:
        """Share of lookups answered without an execution; None before the first."""
        asked = self.hits + self.misses
        return self.hits / asked if asked else None

    def __len__(self) -> int:
        return len(self._kept)

    def key(self, action: Action, instruction: str, observation: Observation, *, version: str, scope: str) -> str:
        """SHA-256 (hex) of what an execution depends on."""
        image = observation.image
        seen = [self._content(image), image.width, image.height] if image else None
        asked = [seen, dump_action(action), instruction, version, scope]
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()

    def claim(self, key: str) -> Execution | Future[Execution | None] | None:
        """Look a key up.

        Returns:
            The kept execution; or, while another caller executes it, a future of it (None if that came to nothing);
            or None, and then the caller executes it and must `settle` the key.
        """
        with self._lock:
            if key in self._kept:
                self.hits += 1
                return self._kept[key]
            if key in self._running:
                return self._running[key]
            self.misses += 1
            future = self._running[key] = Future()
            future.set_running_or_notify_cancel()  # one waiter that gives up must not take it from the others
            return None

    def settle(self, key: str, execution: Execution | None) -> None:
        """Say what a claimed key came to.

        Args:
            key: Claimed before.
            execution: None when there is none; a lost one reaches those who wait for it, but is not kept.
        """
        with self._lock:
            self._running.pop(key).set_result(execution)  # before the file is written, which may fail
            if execution is not None and not execution.infrastructure:
                self._kept[key] = execution
                self._append(key, execution)

    def waited(self) -> None:
        """Count a lookup that another caller's execution answered."""
        with self._lock:
            self.hits += 1

    def _content(self, image: ImageRef) -> str:
        """A hash of the picture: references into `blobs` are one, files are read once."""
        path = Path(image.ref)
        if _CONTENT_HASH.fullmatch(image.ref) or not path.is_file():
            return image.ref
        status = path.stat()
        known = (image.ref, status.st_mtime_ns, status.st_size)
        if known not in self._images:
            self._images[known] = hashlib.sha256(path.read_bytes()).hexdigest()
        return self._images[known]

    def _append(self, key: str, execution: Execution) -> None:
        if self.path is None:
            return
        line = json.dumps({"key": key, "execution": execution.model_dump(mode="json", exclude_defaults=True)})
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
        try:
            os.write(handle, f"\n{line}\n".encode())  # a line break first: another line may have been cut off
        finally:
            os.close(handle)

    def _load(self, path: Path) -> None:
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if not line.strip():
                continue
            try:
                item: Any = json.loads(line)
                self._kept[str(item["key"])] = Execution.model_validate(item["execution"])
            except (ValueError, TypeError, KeyError, ValidationError):
                self.unreadable += 1


class CachedExecutor:
    """An executor whose answers are kept.

    Args:
        inner: Frozen, greedy, and without a memory of its own.
        cache: Where answers are kept; executors may share one.
        version: Of the inner executor: model, prompt, tools. Another version shares no answers.
        scope: What else an answer depends on, such as the task whose files the tools read.
    """

    def __init__(self, inner: Executor, cache: ExecutionCache, *, version: str, scope: str = "") -> None:
        self.inner, self.cache, self.version, self.scope = inner, cache, version, scope

    def execute(self, action: Action, instruction: str, observation: Observation) -> Execution:
        """The kept answer, or a new one; not to be called on an event loop that also runs `aexecute`."""
        key = self._key(action, instruction, observation)
        while True:
            found = self.cache.claim(key)
            if isinstance(found, Execution):
                return found
            if found is None:
                break
            if shared := found.result():
                self.cache.waited()
                return shared
        execution = None
        try:
            execution = self.inner.execute(action, instruction, observation)
        finally:
            self.cache.settle(key, execution)
        return execution

    async def aexecute(self, action: Action, instruction: str, observation: Observation) -> Execution:
        """The kept answer, or a new one; who asks while it is being made waits for it."""
        key = self._key(action, instruction, observation)
        while True:
            found = self.cache.claim(key)
            if isinstance(found, Execution):
                return found
            if found is None:
                break
            if shared := await asyncio.wrap_future(found):
                self.cache.waited()
                return shared
        execution = None
        try:
            execution = await self.inner.aexecute(action, instruction, observation)
        finally:
            self.cache.settle(key, execution)
        return execution

    def _key(self, action: Action, instruction: str, observation: Observation) -> str:
        return self.cache.key(action, instruction, observation, version=self.version, scope=self.scope)
