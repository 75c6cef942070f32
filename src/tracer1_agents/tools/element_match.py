"""Which element of a screen a step instruction means, by its words alone.

In order: the id it names, as in "click [12]"; the text it quotes first; the words it shares with names and values.
Nothing is guessed: no element that fits, or several that fit as well, is a `ToolError` that says so. Which of several
may be said ("the second Edit", "the last Edit"), counted in reading order.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Final, NamedTuple

from tracer1_agents.actions.match import fold
from tracer1_agents.errors import ToolError
from tracer1_agents.tools.formatting import short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer1_agents.actions.elements import Element

_ENOUGH: Final = 0.5  # ours; half of the words must be shared
_ALIKE: Final = 0.8  # ours; quoted text and a label that recognition misread by a letter or two
_ROLE_BONUS: Final = 0.2  # ours; tells a button from the text beside it
_LESS_FOR_VALUES: Final = 0.9  # a label says more of an element than what it holds
_SAME: Final = 0.02  # closer scores are equal
_HIGHEST: Final = 2.0

_IDS: Final = (  # the surest way to name one first: a label may hold "#3", as in "Tab #3 [7]"
    re.compile(r"\[([^\s\[\]]+)\]"),
    re.compile(r"#(\w+)|\belement (?:number )?(\d+)\b", re.IGNORECASE),
)
_QUOTED: Final = re.compile(r"\"([^\"]+)\"|\u201c([^\u201d]+)\u201d|\u2018([^\u2019]+)\u2019|(?<!\w)'([^']+)'(?!\w)")
_WORD: Final = re.compile(r"\w+", re.UNICODE)
_ORDINALS: Final = {
    "first": 0,
    "1st": 0,
    "second": 1,
    "2nd": 1,
    "third": 2,
    "3rd": 2,
    "fourth": 3,
    "4th": 3,
    "last": -1,
}
_EMPTY: Final = frozenset(  # words that say nothing of a label: verbs of actions, kinds of elements, small words
    """a an and at button by choose click double field for from go icon in input into it link menu named of on onto open
    option or press right select tab tap text that the then this to type use with""".split()  # noqa: SIM905  (a list of words)
)
# what instructions call an element, and what accessibility trees call it
_ROLES: Final = {
    "button": {"button", "push-button", "pushbutton", "imagebutton"},
    "link": {"link"},
    "checkbox": {"checkbox", "check-box", "switch"},
    "box": {"checkbox", "textbox", "searchbox", "combobox", "edittext", "entry"},
    "field": {"textbox", "searchbox", "password", "edittext", "entry", "combobox", "spinbutton"},
    "input": {"textbox", "searchbox", "password", "edittext", "entry"},
    "tab": {"tab", "page-tab"},
    "menu": {"menu", "menuitem", "menubar"},
    "option": {"option", "menuitem", "radio"},
    "icon": {"img", "image", "button", "imageview"},
    "list": {"listbox", "combobox", "list"},
}


class _Wanted(NamedTuple):
    """What an instruction says of its target."""

    quoted: str
    words: frozenset[str]
    roles: frozenset[str]


def find_element(words: str, elements: Sequence[Element]) -> Element:
    """The element that `words` mean.

    Args:
        words: A step instruction, or the part of it that names one target.
        elements: What is on the screen.

    Raises:
        ToolError: There are no elements, none fits, or several fit as well.
    """
    if not elements:
        msg = "no elements of the screen are known; is the screen empty, or did its text not come along?"
        raise ToolError(msg)
    if named := _named(words, elements):
        return named
    wanted = _wanted(words)
    scored = [(_score(wanted, element), element) for element in elements]
    best = max(score for score, _ in scored)
    if best < _ENOUGH:
        nearest = max(scored, key=lambda item: item[0])[1]
        label = f'{nearest.role} "{short(nearest.name, 60)}"'
        msg = f'nothing on the screen fits "{short(words, 120)}"; the nearest is {label}'
        raise ToolError(msg)
    fitting = _apart([element for score, element in scored if score >= best - _SAME])
    if len(fitting) == 1:
        return fitting[0]
    ordinal = next((_ORDINALS[word] for word in _WORD.findall(words.casefold()) if word in _ORDINALS), None)
    if ordinal is None or ordinal >= len(fitting):
        listed = ", ".join(f'[{element.id}] {element.role} "{short(element.name, 40)}"' for element in fitting[:4])
        msg = f'{len(fitting)} elements fit "{short(words, 120)}": {listed}; name one by its id, or say which'
        raise ToolError(msg)
    return fitting[ordinal]


def two_targets(instruction: str) -> tuple[str, str]:
    """The parts of a drag's instruction that name its two ends.

    Raises:
        ToolError: It does not name two.
    """
    quoted = [match.group() for match in _QUOTED.finditer(instruction)]
    if len(quoted) == 2:  # noqa: PLR2004  (two ends)
        return quoted[0], quoted[1]
    ends = re.split(r"\b(?:onto|into|past|to)\b", instruction, maxsplit=1, flags=re.IGNORECASE)
    if len(ends) == 2 and all(_WORD.search(end) for end in ends):  # noqa: PLR2004
        return ends[0], ends[1]
    msg = 'a drag needs an instruction that names both ends, as in: drag "a" to "b"'
    raise ToolError(msg)


def _named(words: str, elements: Sequence[Element]) -> Element | None:
    ids = {element.id: element for element in elements}
    for form in _IDS:
        for match in form.finditer(words):
            name = next(group for group in match.groups() if group)
            if name in ids:
                return ids[name]
    return None


def _wanted(words: str) -> _Wanted:
    match = _QUOTED.search(words)
    quoted = fold(next(group for group in match.groups() if group)) if match else ""
    tokens = _WORD.findall(fold(words))
    roles = frozenset(role for token in tokens for role in _ROLES.get(token, ()))
    return _Wanted(quoted, frozenset(tokens) - _EMPTY - _ORDINALS.keys(), roles)


def _score(wanted: _Wanted, element: Element) -> float:
    """0 to 2, with up to `_ROLE_BONUS` on top."""
    name, value = fold(element.name), fold(element.value)
    labels = [(name, 1.0), (value, _LESS_FOR_VALUES)]
    if wanted.quoted:
        score = _HIGHEST * max(_likeness(wanted.quoted, label) * weight for label, weight in labels)
    else:
        score = max(_overlap(wanted.words, label) * weight for label, weight in labels)
    if score and element.role.casefold() in wanted.roles:
        score += _ROLE_BONUS
    return score


def _likeness(text: str, label: str) -> float:
    """1 for the same text, less for a label that holds it or is spelt nearly so, else 0."""
    if not label:
        return 0.0
    if text == label:
        return 1.0
    if re.search(rf"(?<!\w){re.escape(text)}(?!\w)", label):
        return 0.5 + 0.4 * len(text) / len(label)
    ratio = SequenceMatcher(None, text, label, autojunk=False).ratio()
    return ratio * 0.9 if ratio >= _ALIKE else 0.0


def _overlap(words: frozenset[str], label: str) -> float:
    """F1 of the words, those that say nothing left out."""
    tokens = frozenset(_WORD.findall(label)) - _EMPTY or frozenset(_WORD.findall(label))
    shared = len(words & tokens)
    return 2 * shared / (len(words) + len(tokens)) if shared else 0.0


def _apart(elements: list[Element]) -> list[Element]:
    """In reading order, without those that lie in another one of the same name (a label inside its button)."""
    kept: list[Element] = []
    for element in sorted(elements, key=lambda one: (one.box[2] - one.box[0]) * (one.box[3] - one.box[1])):
        if not any(_inside(smaller, element) for smaller in kept):
            kept.append(element)
    return sorted(kept, key=lambda one: (one.box[1], one.box[0]))


def _inside(one: Element, other: Element) -> bool:
    (left, top, right, bottom), (wider, higher, beyond, below) = one.box, other.box
    return wider <= left and higher <= top and right <= beyond and bottom <= below
