"""A desk task under construction, and the desk it takes place at."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.data.taskgen.contents import Document, Json, Table
from tracer1_agents.data.taskgen.desk.names import SYNONYMS
from tracer1_agents.data.taskgen.draft import Draft, Later, Task

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracer1_agents.data.taskgen.contents import File
    from tracer1_agents.data.taskgen.desk.options import WorldOptions
    from tracer1_agents.data.taskgen.draft import Argument

_LONG_TABLE: Final = (45, 60)  # rows of a JSON table: more text than the planner is shown
_SHORT_TABLE: Final = (4, 9)
STATE_FILE: Final = ".desk/state.json"


@dataclass(frozen=True)
class Desk:
    """What a task's folder holds besides its attachment, and what it should hold in the end.

    Attributes:
        files: In the folder from the start.
        calls: Tool calls allowed; None for no limit.
        fault: Number of the call that times out once; 0 for none.
        units: Of the register.
        register: Its entries.
        offers: Hours at which things are free, and the rooms they need, by name.
        archives: Members of every archive that should stand in the end.
        reservations: What should be reserved in the end.
    """

    files: tuple[File, ...] = ()
    calls: int | None = None
    fault: int = 0
    units: int = 0
    register: tuple[tuple[str, int], ...] = ()
    offers: tuple[tuple[str, tuple[int, ...], tuple[str, ...]], ...] = ()
    archives: tuple[tuple[str, tuple[str, ...]], ...] = ()
    reservations: tuple[tuple[str, int], ...] = ()

    def setup(self) -> dict[str, Any]:
        """The state that the desk tools start from, as JSON."""
        offers = {name: {"slots": list(slots), "rooms": list(rooms)} for name, slots, rooms in self.offers}
        limits: dict[str, Any] = {"calls": self.calls, "fault": self.fault, "units": self.units}
        return {**limits, "register": dict(self.register), "offers": offers}

    def expected(self) -> dict[str, Any]:
        """The state that should be left behind, as JSON."""
        archives = {name: sorted(members) for name, members in sorted(self.archives)}
        return {"archives": archives, "reservations": dict(sorted(self.reservations))}


@dataclass
class DeskDraft(Draft):
    """Collects the steps of a task and its desk.

    Attributes:
        options: The dials.
        dice: Source of randomness for the dials alone, so that they change nothing else.
        files: As in `Desk`, and so on.
    """

    options: WorldOptions = field(kw_only=True)
    dice: Random = field(kw_only=True)
    files: list[File] = field(default_factory=list)
    register: dict[str, int] = field(default_factory=dict)
    offers: dict[str, tuple[tuple[int, ...], tuple[str, ...]]] = field(default_factory=dict)
    units: int = 0
    archives: dict[str, tuple[str, ...]] = field(default_factory=dict)
    reservations: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.disturbed = self.dice.random() < self.options.disturbed
        self.renames = self.dice.random() < 0.5  # noqa: PLR2004  (of the disturbed tasks that have a table)
        self._renamed = False
        self._taken: set[str] = set()

    def say(self, trained: tuple[str, ...], held_out: tuple[str, ...], **slots: str) -> str:
        """A paraphrase, filled in, with nothing before or after."""
        template = self.rng.choice(held_out if self.unseen_phrases else trained)
        for key, value in slots.items():
            template = template.replace("{" + key + "}", value)
        return template[0].upper() + template[1:]

    def mention(self, name: str, noun: str, *, direct: float = 0.7) -> tuple[str, bool]:
        """See `Draft.mention`; how often a name is given is the dial's choice."""
        del direct
        return (quoted(name), True) if self.foreseen() else (f"the {noun}", False)

    def foreseen(self) -> bool:
        """Whether the next thing stands in the question."""
        return self.dice.random() < self.options.predictable

    def file_name(self, kind: str) -> str:
        """A new name."""
        name = self.names.file(kind, tuple(self._taken))
        self._taken.add(name)
        return name

    def word(self) -> str:
        """A new word."""
        while (word := self.names.word()) in self._taken:
            pass
        self._taken.add(word)
        return word

    def note(self, text: str, words: str) -> Told | None:
        """What is told on the way instead of in the question: a note of one line.

        Args:
            text: The line.
            words: How the question speaks of it, with {n} for the note's name.

        Returns:
            None when the question says it.
        """
        foreseen, seed = self.foreseen(), self.dice.getrandbits(32)
        if foreseen:
            return None
        names = replace(self.names, rng=Random(seed))  # noqa: S311  (reproducible, not secret)
        note = Document(names.file("document", tuple(self._taken)), (quoted(text),))
        self._taken.add(note.name)
        self.files.append(note)
        return Told(self, note, text, words.replace("{n}", quoted(note.name)))

    def table(self, column: str, *, as_json: bool) -> Table:
        """A new table of a text column and two of numbers, in the folder as it is or as JSON; returned as a table.

        Args:
            column: Name of the numeric column that is asked about.
            as_json: Whether it lies there as a JSON list of objects, with more rows than the planner is shown.
        """
        rng = self.rng
        columns = (self.names.key_column(), column, self.names.number_column())
        count = rng.randint(*(_LONG_TABLE if as_json else _SHORT_TABLE))
        rows = tuple((self.names.noun(), rng.randint(1, 99), rng.randint(1, 99)) for _ in range(count))
        table = Table(self.file_name("json" if as_json else "table"), columns, rows)
        self.files.append(Json(table.name, _records(table)) if as_json else table)
        return table

    def column(self, real: str) -> tuple[str, bool]:
        """How the question names a column, and whether that is its name in the file."""
        if self.disturbed and self.renames:
            self._renamed = True
            return quoted(next(synonym for synonym, name in SYNONYMS.items() if name == real)), False
        return quoted(real), True

    def done(self, family: str, question: str, answer: str) -> Task:
        """The finished task; its calls are counted and told."""
        allowed = len(self.steps) - 1 + self.options.slack
        limit = self.say(("At most {n} calls.", "You have {n} calls."), ("Use {n} calls or fewer.",), n=str(allowed))
        desk = Desk(
            files=tuple(self.files),
            calls=allowed,
            units=self.units,
            register=tuple(self.register.items()),
            offers=tuple((name, *offer) for name, offer in self.offers.items()),
            archives=tuple(self.archives.items()),
            reservations=tuple(self.reservations.items()),
        )
        return self.disturb(Task(family, f"{question} {limit}", answer, None, tuple(self.steps), desk=desk))

    def disturb(self, task: Task) -> Task:
        """The task with the fault that is due to it, if one is."""
        if not self.disturbed or self._renamed:
            return task
        fault = self.dice.randint(1, len(task.steps) - 1)
        return replace(task, desk=replace(task.desk or Desk(), fault=fault))


@dataclass
class Told:
    """Something that only a note tells.

    Attributes:
        draft: The task.
        document: The note.
        text: What it tells.
        words: How the question speaks of it.
    """

    draft: DeskDraft
    document: Document
    text: str
    words: str

    def read(self) -> Later:
        """The step that reads the note, and what is known from then on."""
        step = self.draft.call(
            "inspect_file_as_text", "Read the note", self.document.text, file_path=self.document.name
        )
        return Later(step, self.text)


def quoted(name: str) -> str:
    """A name as questions and notes write it: between the marks that stand about it in a call, too.

    A small planner copies by its tokens, and the tokens of a word depend on what stands before it.
    """
    return f'"{name}"'


def listing(names: Iterable[str]) -> str:
    """Words as a question lists them."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def read_or(told: Told | None, text: str) -> Argument:
    """What a note tells, once it is read, or what the question told."""
    return text if told is None else told.read()


def _records(table: Table) -> list[dict[str, Any]]:
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]
