"""What things are called: words, people, columns and file names, with a part held out from training.

A word is held out when its CRC-32 says so, whatever draws it, so that no training text can contain a held-out name by
accident. File-name styles are split likewise: `TRAINED_STYLES` against `UNSEEN_STYLES`.
"""

from __future__ import annotations

import string
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from random import Random

Split = Literal["train", "held_out"]

_NOUNS: Final = """
account album answer apple archive arrival asset atlas auction autumn badge bakery balance balcony banner basket battery
beacon bicycle billing blanket boiler booking border bottle branch bridge briefing brochure budget bundle button cabin
cable calendar camera campus candle canvas capital carbon cargo carpet castle catalog cellar census chamber channel
charter checklist cherry circle citizen client climate clinic closet cluster coffee collar college column comet compass
concert contract copper corner cotton council counter courier course cradle credit crystal culture current customer
cycle dairy deposit desert design desk diary dinner district doctor dolphin domain donor drawing driver dryer duty eagle
editor effort elevator employee engine entry escape estate event evening expense export fabric factory falcon family
farm feather ferry festival figure filter finance finder fleet flight flower folder forecast forest formula fountain
frame freight friday fridge funding furniture galaxy gallery garage garden gazette glacier glove grant gravel grocery
group guest guide guitar hammer harbor harvest hazard health heater helmet highway history hockey holiday hotel housing
hunter import income index insurance inventory invoice island jacket journal journey jungle kernel kettle kitchen label
laptop launch lawyer leaflet league leather lecture ledger lesson letter library license liquid lobby locker logistics
lottery luggage lumber machine magazine manager manual marble margin marina market marathon material meadow meeting
member memo menu merchant meter milk mineral minutes mirror mission mobile module monday monitor morning motion mountain
museum music needle network notebook notice novel nursery object ocean office olive opera orange orchard order outlet
oven owner oxygen package paddle palace panel paper parcel parking partner passenger pattern payment peanut pencil
pension pepper permit phone photo picnic pilot pixel planet plant plaster platform pocket policy portal poster potato
poultry powder printer prize product profile program project protein purchase puzzle quarter quote rabbit radar radio
railway ranking receipt recipe record refund region rental repair report request rescue reserve result review reward
ribbon river roadmap robot roster rotation route royalty runner safety salad salary salmon sample satellite saturday
scanner schedule school science screen season section seminar sensor service shelter shipment shuttle signal silver
sketch soccer socket solar speaker spring square stadium staff station statement stock storage strategy stream street
student studio subject suburb summary summer sunday supplier supply survey symbol system tablet target tariff teacher
temple tenant tennis terminal texture theater ticket timber toaster tomato tower tractor trading traffic trailer
training transfer travel treasure triangle trolley tunnel turbine tutor uniform vacation valley valve vehicle vendor
venture vessel village vintage violin visitor volume voucher voyage wagon wallet warehouse warranty water weather
wedding weekly weight whistle window winter wizard worker workshop yacht yearbook yogurt zebra zipper
""".split()  # noqa: SIM905  (a wall of quoted words is unreadable)

_BLENDED: Final = 0.33
_SYLLABLES: Final = """
ba be bi bo da de di do du fa fe fi fo ga go gu ha he hi jo ka ke ki ko la le li lo lu ma me mi mo mu na ne ni no
pa pe pi po ra re ri ro ru sa se si so su ta te ti to tu va ve vi vo wa we wi xa ya yo za ze zo tra kel bor min sul
ven dor pax lum rin tek gar nov sel mar fen hol jun kor lan pel quin ros tal wes
""".split()  # noqa: SIM905

COLUMNS: Final = """
amount price quantity qty revenue cost score weight height age hours rating distance volume tax points sales profit
units balance budget duration discount salary bonus visits clicks rooms pages calories width length depth speed stock
orders returns fees tip rent wage spend gain loss target seats votes goals miles
""".split()  # noqa: SIM905
KEY_COLUMNS: Final = """
item name product city country customer store region team category type color status department month player title
brand supplier project
""".split()  # noqa: SIM905
_PREFIXES: Final = "total unit net gross order average max base item monthly yearly list daily final".split()  # noqa: SIM905

EXTENSIONS: Final[dict[str, tuple[str, ...]]] = {
    "table": ("csv", "xlsx", "tsv"),
    "document": ("pdf", "docx", "txt", "md", "html"),
    "picture": ("png", "jpg"),
    "slides": ("pptx",),
    "json": ("json",),
    "archive": ("zip",),
}
TRAINED_STYLES: Final = (
    "word", "snake", "kebab", "camel", "numbered", "dated", "invented", "random", "camera", "spaced", "shouted",
)  # fmt: skip
UNSEEN_STYLES: Final = ("dotted_date", "copy_of", "final_version")


def is_held_out(word: str) -> bool:
    """Whether a word belongs to the held-out part (one in six, by CRC-32)."""
    return zlib.crc32(word.lower().encode()) % 6 == 0


@dataclass(frozen=True)
class NameSource:
    """Draws names of one split.

    Attributes:
        rng: Source of randomness.
        split: "train" draws no held-out word, "held_out" only those.
        unseen_styles: Draw file names only in styles that training never shows.
    """

    rng: Random
    split: Split = "train"
    unseen_styles: bool = False

    def _wanted(self, word: str) -> bool:
        return is_held_out(word) == (self.split == "held_out")

    def noun(self) -> str:
        """An English noun; in training, one in three is a blend of two, so that copying never relies on known words."""
        if self.split == "train" and self.rng.random() < _BLENDED:
            return self._blend()
        while not self._wanted(word := self.rng.choice(_NOUNS)):
            pass
        return word

    def _blend(self) -> str:
        while True:
            head, tail = self.rng.choice(_NOUNS), self.rng.choice(_NOUNS)
            word = head[: self.rng.randint(2, len(head) - 1)] + tail[self.rng.randint(1, len(tail) - 2) :]
            if word not in _NOUNS and self._wanted(word):
                return word

    def invented(self) -> str:
        """A pronounceable word that means nothing."""
        while not self._wanted(word := "".join(self.rng.choices(_SYLLABLES, k=self.rng.choice((2, 2, 3))))):
            pass
        return word

    def scrambled(self) -> str:
        """Random letters and digits, now and then with rarer characters."""
        pool = string.ascii_lowercase * 3 + string.digits
        if self.rng.random() < 0.3:  # noqa: PLR2004
            pool += string.ascii_uppercase * 2 + "().-_+&@'~!"
        while True:
            word = "".join(self.rng.choices(pool, k=self.rng.randint(3, 10))).strip("().-_+&@'~! ")
            if len(word) > 2 and self._wanted(word):  # noqa: PLR2004
                return word

    def word(self) -> str:
        """A noun, an invented word or, rarely, scrambled letters."""
        draw = self.rng.random()
        if draw < 0.5:  # noqa: PLR2004
            return self.noun()
        return self.invented() if draw < 0.85 else self.scrambled()  # noqa: PLR2004

    def person(self) -> str:
        """First and last name, invented."""
        return f"{self.invented().capitalize()} {self.invented().capitalize()}"

    def place(self) -> str:
        """A town, invented."""
        return self.invented().capitalize() + self.rng.choice(("", "", "ville", "burg", " Bay"))

    def number_column(self, taken: tuple[str, ...] = ()) -> str:
        """Name of a numeric column in one of the usual spellings."""
        return self._column(COLUMNS, taken)

    def key_column(self, taken: tuple[str, ...] = ()) -> str:
        """Name of a text column in one of the usual spellings."""
        return self._column(KEY_COLUMNS, taken)

    def _column(self, pool: list[str], taken: tuple[str, ...]) -> str:
        while True:
            draw = self.rng.random()
            base = self.rng.choice(pool) if draw < 0.75 else self.word()  # noqa: PLR2004
            if draw < 0.3:  # noqa: PLR2004
                base = f"{self.rng.choice(_PREFIXES)}_{base}"
            style = self.rng.choice(("as_is", "as_is", "title", "upper"))
            name = {"as_is": base, "title": base.replace("_", " ").title(), "upper": base.upper()}[style]
            if all(fold_column(name) != fold_column(other) for other in taken):
                return name

    def file(self, kind: str, taken: tuple[str, ...] = ()) -> str:
        """A file name of one kind ("table", "document", ...), unlike those taken."""
        while True:
            style = self.rng.choice(UNSEEN_STYLES if self.unseen_styles else TRAINED_STYLES)
            name = f"{self._stem(style)}.{self.rng.choice(EXTENSIONS[kind])}"
            if name.lower() not in {other.lower() for other in taken}:
                return name

    def _stem(self, style: str) -> str:  # noqa: C901, PLR0911, PLR0912  (one case a style)
        rng, word = self.rng, self.word
        match style:
            case "snake":
                return f"{word()}_{word()}"
            case "kebab":
                return f"{word()}-{word()}" + rng.choice(("", f"-{rng.randint(1, 31)}"))
            case "camel":
                return word().capitalize() + self.noun().capitalize()
            case "numbered":
                return f"{word()}{rng.choice(('', '_', '-'))}{rng.randint(1, 9999)}"
            case "dated":
                day = f"{rng.randint(1990, 2029)}-{rng.randint(1, 12):02}"
                return rng.choice((f"{day}_{word()}", f"{word()}_{day}"))
            case "invented":
                return self.invented() + rng.choice(("", f"_{self.invented()}"))
            case "random":
                return self.scrambled()
            case "camera":
                return f"{rng.choice(('IMG', 'DSC', 'scan', 'Scan', 'PXL', 'doc'))}_{rng.randint(0, 99999):04}"
            case "spaced":
                return f"{word().capitalize()} {word()}"
            case "shouted":
                return f"{self.noun().upper()}_{rng.randint(1, 99)}"
            case "dotted_date":
                return f"{rng.randint(1, 28):02}.{rng.randint(1, 12):02}.{rng.randint(1990, 2029)} {self.noun()}"
            case "copy_of":
                return f"Copy of {self.noun()} ({rng.randint(1, 9)})"
            case "final_version":
                return f"{self.noun()}_v{rng.randint(1, 9)}_FINAL"
            case _:
                return word()


def fold_column(name: str) -> str:
    """Column name with case and separators folded, as people mix them up."""
    return name.lower().replace("_", " ").replace("-", " ").strip()
