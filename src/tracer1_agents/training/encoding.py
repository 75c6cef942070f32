"""Planner messages into what the policy reads, each prompt of a generation batch once: its screenshots are files."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tracer1_agents.serving.screenshots import load_picture
from tracer1_agents.training.rows import chat_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer1_agents.planner.prompt import Message
    from tracer1_agents.serving.chat import Prompt
    from tracer1_agents.serving.engine import SamplingEngine


class PromptEncoder:
    """Encodes prompts for an engine and remembers them; made anew for each generation batch.

    Args:
        engine: Whose tokenizer or processor is used.
    """

    def __init__(self, engine: SamplingEngine) -> None:
        self._engine = engine
        self._known: dict[str, Prompt] = {}
        self._lock = threading.Lock()

    def encode(self, messages: Sequence[Message]) -> Prompt:
        """A prompt with its pictures, scaled as their references say.

        Raises:
            DataError: There is no picture at a reference's path.
        """
        key = repr(tuple(messages))  # messages hold lists and cannot be hashed
        with self._lock:
            if key not in self._known:
                self._known[key] = self._engine.encode_chat(chat_of(messages, load_picture))
            return self._known[key]
