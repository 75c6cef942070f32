"""A task under construction, and the finished task with its reference.

A reference step's argument may be made of parts that only a later reader can know: `Later(step, text)` is the text that
step `step` will have shown. Before that step has run, the planner can at best write `Result(step=k)`; afterwards the
text itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.actions.codec import RawCall
from tracer1_agents.actions.grammars.canonical import call_to_action
from tracer1_agents.actions.space import Result
from tracer1_agents.data.taskgen.contents import Archive, File, Passage
from tracer1_agents.types import Observation, ReferenceStep, ReferenceTrajectory

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from tracer1_agents.actions.space import Action
    from tracer1_agents.data.taskgen.desk.setting import Desk
    from tracer1_agents.data.taskgen.names import NameSource


_ADDED: Final = 0.15
_OPENINGS: Final = (
    ("Please help me:", "Question:", "Hello.", "One thing I need:", "Can you do this?"),
    ("Quick one:", "Here is what I am after."),
)
_CLOSINGS: Final = (
    ("Answer with the value only.", "Just the answer, please.", "Give no explanation.", "Thanks!", "Keep it short."),
    ("Reply with nothing but the answer.", "No other words."),
)


@dataclass(frozen=True)
class Later:
    """Text that is known once reference step `step` has returned."""

    step: int
    text: str


Part = str | Later
Argument = str | int | bool | Later | tuple[Part, ...]


@dataclass(frozen=True)
class DraftStep:
    """One reference step: call, step instruction, and what the tool returns."""

    name: str
    arguments: dict[str, Argument]
    instruction: str
    result: str

    def action(self, seen: int, rename: Callable[[int], int] = lambda step: step) -> Action:
        """The action as a planner can know it after reference steps 1..`seen`.

        Args:
            seen: How many reference steps have returned.
            rename: Maps a reference step number to its number in the episode (errors shift it).
        """
        arguments = {key: _resolve(value, seen, rename) for key, value in self.arguments.items()}
        return call_to_action(RawCall(self.name, arguments))

    def taken_from_results(self) -> tuple[str, ...]:
        """Texts that the arguments take from earlier results."""
        values = [
            part for value in self.arguments.values() for part in (value if isinstance(value, tuple) else (value,))
        ]
        return tuple(part.text for part in values if isinstance(part, Later))


def _resolve(value: Argument, seen: int, rename: Callable[[int], int]) -> Any:
    if isinstance(value, Later):
        return value.text if value.step <= seen else Result(rename(value.step))
    if isinstance(value, tuple):
        parts = [_resolve(part, seen, rename) for part in value]
        return "".join(f"Result(step={part.step})" if isinstance(part, Result) else part for part in parts)
    return value


@dataclass(frozen=True)
class Task:
    """A question about files, with gold answer and reference.

    Attributes:
        family: Which generator made it.
        question: In words.
        answer: Gold, computed without the tools.
        attachment: The one file that comes with it (an archive where there are several), or None.
        steps: The reference.
        passages: What the search corpus must hold for it.
        desk: What else its folder holds, and the state it should be left in; None for most tasks.
    """

    family: str
    question: str
    answer: str
    attachment: File | None
    steps: tuple[DraftStep, ...]
    passages: tuple[Passage, ...] = ()
    desk: Desk | None = None

    @property
    def instruction(self) -> str:
        """The task as the planner reads it: the question and the attachment's name."""
        return task_instruction(self.question, self.attachment.name if self.attachment else "")

    def reference(self, task_id: str) -> ReferenceTrajectory:
        """The reference in the common form."""
        steps, before = [], ""
        for number, step in enumerate(self.steps, 1):
            steps.append(
                ReferenceStep(
                    observation=Observation(text=before),
                    action=step.action(number - 1),
                    instruction=step.instruction,
                    result=step.result,
                )
            )
            before = step.result
        metadata = {"family": self.family, "answer": self.answer}
        return ReferenceTrajectory(
            id=task_id, source="taskgen", instruction=self.instruction, steps=tuple(steps), metadata=metadata
        )


def task_instruction(question: str, file_name: str) -> str:
    """How a question and its attachment are put to the planner, in training, demo and evaluation alike."""
    return f"{question}\nFiles: {file_name}" if file_name else question


@dataclass
class Draft:
    """Collects the steps of one task.

    Attributes:
        rng: Source of randomness.
        names: Draws names of the wanted split.
        unseen_phrases: Use the paraphrases that training never shows.
    """

    rng: Random
    names: NameSource
    unseen_phrases: bool = False
    steps: list[DraftStep] = field(default_factory=list)

    def say(self, trained: tuple[str, ...], held_out: tuple[str, ...], **slots: str) -> str:
        """A paraphrase, filled in, now and then with a word before or after as people add it."""
        template = self.rng.choice(held_out if self.unseen_phrases else trained)
        for key, value in slots.items():
            template = template.replace("{" + key + "}", value)
        question = template[0].upper() + template[1:]
        opening, closing = (choice[self.unseen_phrases] for choice in (_OPENINGS, _CLOSINGS))
        if self.rng.random() < _ADDED:
            question = f"{self.rng.choice(opening)} {question}"
        if self.rng.random() < _ADDED:
            question = f"{question} {self.rng.choice(closing)}"
        return question

    def call(self, name: str, instruction: str, result: str, **arguments: Argument) -> int:
        """Add a step; returns its number."""
        self.steps.append(DraftStep(name, arguments, instruction, result))
        return len(self.steps)

    def finish(self, answer: Argument, instruction: str) -> None:
        """Add the last step."""
        self.steps.append(DraftStep("finish", {"answer": answer}, instruction, ""))

    def unpack(self, *members: Any) -> tuple[Archive, int]:
        """Shuffle files into an archive and add the step that opens it."""
        order = list(members)
        self.rng.shuffle(order)
        taken = tuple(member.name for member in members)
        archive = Archive(self.names.file("archive", taken), tuple(order))
        step = self.call("inspect_file_as_text", "Open the archive", archive.text, file_path=archive.name)
        return archive, step

    def mention(self, name: str, noun: str, *, direct: float = 0.7) -> tuple[str, bool]:
        """How the question speaks of a file: by name, or as "the spreadsheet".

        Returns:
            The words, and whether they are the name itself.
        """
        if self.rng.random() < direct:
            return name, True
        return f"the {noun}", False
