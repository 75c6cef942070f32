"""Short names for the desk's world: one word, now and then with a number, in few formats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tracer1_agents.data.taskgen.names import COLUMNS, UNSEEN_STYLES, NameSource

EXTENSIONS: Final[dict[str, tuple[str, ...]]] = {
    "table": ("csv", "xlsx"),
    "document": ("txt", "md", "docx"),
    "json": ("json",),
    "archive": ("zip",),
}
SYNONYMS: Final[dict[str, str]] = {  # as a question may say it -> as the file says it
    "quantity": "qty",
    "revenue": "sales",
    "cost": "price",
    "height": "length",
    "wage": "salary",
    "stars": "rating",
}
_LETTERS: Final = 7  # of the longest word
_NUMBERED, _INVENTED, _KEY_NAMES = 0.3, 0.15, ("item", "name", "city", "team")


@dataclass(frozen=True)
class DeskNames(NameSource):
    """`NameSource` with the same split of words, and plainer names."""

    def noun(self) -> str:
        """An English noun of at most seven letters, or a blend of two."""
        while len(word := super().noun()) > _LETTERS:
            pass
        return word

    def word(self) -> str:
        """A noun or, rarely, an invented word."""
        return self.invented() if self.rng.random() < _INVENTED else self.noun()

    def file(self, kind: str, taken: tuple[str, ...] = ()) -> str:
        """A file name of one kind whose stem is unlike those taken."""
        stems = {name.rpartition(".")[0] for name in taken}
        while True:
            if self.unseen_styles:
                stem = self._stem(self.rng.choice(UNSEEN_STYLES))
            else:
                number = str(self.rng.randint(1, 99)) if self.rng.random() < _NUMBERED else ""
                stem = self.word() + number
            if stem not in stems:
                return f"{stem}.{self.rng.choice(EXTENSIONS[kind])}"

    def key_column(self, taken: tuple[str, ...] = ()) -> str:
        """Name of a text column."""
        return self.rng.choice([name for name in _KEY_NAMES if name not in taken])

    def number_column(self, taken: tuple[str, ...] = ()) -> str:
        """Name of a numeric column, never one that a question may call something else."""
        known = {*taken, *SYNONYMS, *SYNONYMS.values()}
        return self.rng.choice([name for name in COLUMNS if name not in known])
