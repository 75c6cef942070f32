"""Carries a run's files between workspace and worker, in chunks over the channel.

The worker keeps to the same limits; they are checked here again, since code that has taken the worker over would not.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.sandboxes.files import MOST_NOTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracer1_agents.sandboxes.base import Limits
    from tracer1_agents.sandboxes.files import Workspace

_CHUNK: Final = 512 * 1024
_MAX_NOTE: Final = 400


class Transfer:
    """What one run carries in and out.

    Args:
        workspace: Where files lie on the host; None: nothing is carried.
        limits: Sizes and counts.
    """

    def __init__(self, workspace: Workspace | None, limits: Limits) -> None:
        self._workspace, self._limits = workspace, limits
        self._parts: dict[str, bytearray] = {}
        self._complete: set[str] = set()
        self._bytes = 0
        self._missing: list[str] = []
        self._dropped: list[str] = []

    @property
    def missing(self) -> tuple[str, ...]:
        """Files that were not carried in, each with its reason; a flood of them is cut."""
        return tuple(self._missing)

    @property
    def dropped(self) -> tuple[str, ...]:
        """Files that were not carried out, each with its reason; a flood of them is cut."""
        return tuple(self._dropped)

    @property
    def wanted(self) -> bool:
        """Whether the worker should send changed files."""
        return self._workspace is not None

    def carry_in(self, post: Callable[[dict[str, Any]], None]) -> None:
        """Send what is new or changed on the host."""
        if self._workspace is None:
            return
        pending = self._workspace.pending()
        for note in pending.dropped:
            _note(self._missing, note)
        for path, data in pending.files:
            for start in range(0, max(len(data), 1), _CHUNK):
                chunk = base64.b64encode(data[start : start + _CHUNK]).decode()
                place = {"start": start == 0, "last": start + _CHUNK >= len(data)}
                post({"op": "put", "path": path, "data": chunk, **place})

    def receive(self, message: dict[str, Any]) -> None:
        """Keep one chunk that the worker sent, or its note that a file cannot be sent."""
        path = str(message.get("path"))
        if message.get("op") == "drop":
            notes = self._missing if message.get("way") == "in" else self._dropped
            _note(notes, f"{path}: {message.get('reason')}")
            return
        try:
            chunk = binascii.a2b_base64(str(message.get("data")))
        except ValueError:
            _note(self._dropped, f"{path}: unreadable")
            return
        self._bytes += len(chunk)
        parts = len(self._parts.keys() | {path})
        if self._workspace is None or self._bytes > self._limits.disk_bytes or parts > self._limits.files:
            _note(self._dropped, f"{path}: over the session's limits")
            return
        self._parts.setdefault(path, bytearray()).extend(chunk)
        if message.get("last"):
            self._complete.add(path)

    def carry_out(self) -> tuple[str, ...]:
        """Write what arrived whole into the workspace; the paths that lie there now."""
        written: list[str] = []
        for path in sorted(self._complete):
            refusal = self._workspace.write(path, bytes(self._parts[path])) if self._workspace else "no workspace"
            if refusal is None:
                written.append(path)
            else:
                _note(self._dropped, f"{path}: {refusal}")
        return tuple(written)


def _note(notes: list[str], note: str) -> None:
    if len(notes) < MOST_NOTES:
        notes.append(note[:_MAX_NOTE])
