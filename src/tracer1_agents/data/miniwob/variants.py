"""More demonstrations from few: the same episodes with other words in the places where words only have to be copied.

A browser plays one or two episodes in a second, and a planner from random weights has to learn above all to copy:
names, passwords, labels. So a word that a task's instruction drew by lot is exchanged for another of the same length
and kind wherever it stands: instruction, observations, actions. A word is left as it is where that could make a lie of
the rest: when it belongs to the task's fixed wording, stands inside other words or in another case, has no letter, or
is typed without standing anywhere.
"""

from __future__ import annotations

import random
import re
import string
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.actions.space import dump_action, load_action

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tracer1_agents.types import ReferenceTrajectory

_WORD: Final = re.compile(r"[^\W_]+")
_FIXED_SHARE: Final = 0.15  # ours; a word in more of a task's instructions is its wording
_SHORTEST: Final = 2
_KNOWN_SHARE: Final = 0.5  # of new words are those of other demonstrations, the rest letters by lot
_KINDS: Final = (
    (str.isdigit, string.digits),
    (str.isupper, string.ascii_uppercase),
    (str.islower, string.ascii_lowercase),
)


def variants(trajectories: Sequence[ReferenceTrajectory], copies: int, seed: int) -> Iterator[ReferenceTrajectory]:
    """Copies with other words; a demonstration without a word to exchange gives none.

    Args:
        trajectories: Demonstrations; a task's wording is told from what all of its instructions have.
        copies: Of each.
        seed: Of the words.
    """
    drawn = random.Random(seed)  # noqa: S311  (words)
    fixed = _wordings(trajectories)
    free = {one.id: _free_words(one, fixed[one.metadata["task"]]) for one in trajectories}
    known: dict[str, list[str]] = defaultdict(list)
    for word in sorted({word for words in free.values() for word in words}):
        known[_shape(word)].append(word)
    for copy in range(1, copies + 1):
        for one in trajectories:
            if words := free[one.id]:
                yield exchanged(one, _new_words(words, one, known, drawn), f"{one.id}/{copy}")


def exchanged(trajectory: ReferenceTrajectory, words: Mapping[str, str], name: str) -> ReferenceTrajectory:
    """A trajectory with words exchanged, under another id.

    Args:
        trajectory: A demonstration.
        words: Old -> new.
        name: The new id.
    """
    pattern = re.compile(rf"(?<![^\W_])(?:{'|'.join(map(re.escape, words))})(?![^\W_])")

    def new(value: Any) -> Any:
        return pattern.sub(lambda match: words[match.group()], value) if isinstance(value, str) else value

    steps = tuple(
        step.model_copy(
            update={
                "observation": step.observation.model_copy(update={"text": new(step.observation.text)}),
                "instruction": new(step.instruction),
                "action": load_action(
                    {key: value if key == "kind" else new(value) for key, value in dump_action(step.action).items()}
                ),
            }
        )
        for step in trajectory.steps
    )
    return trajectory.model_copy(update={"id": name, "instruction": new(trajectory.instruction), "steps": steps})


def _wordings(trajectories: Iterable[ReferenceTrajectory]) -> dict[str, frozenset[str]]:
    """Of each task the words of its fixed wording."""
    said: dict[str, list[set[str]]] = defaultdict(list)
    for one in trajectories:
        said[one.metadata["task"]].append(set(_WORD.findall(one.instruction)))
    return {
        task: frozenset(
            word
            for word, count in Counter(w for words in all_ for w in words).items()
            if count > _FIXED_SHARE * len(all_)
        )
        for task, all_ in said.items()
    }


def _free_words(trajectory: ReferenceTrajectory, fixed: frozenset[str]) -> list[str]:
    """The words that may be exchanged, in their order."""
    seen = [trajectory.instruction, trajectory.steps[0].observation.text]
    typed = [str(dump_action(step.action).get("content", "")) for step in trajectory.steps]
    shown = set(_WORD.findall(" ".join(seen)))
    wanted = dict.fromkeys(
        word
        for word in _WORD.findall(" ".join([trajectory.instruction, *typed]))
        if word not in fixed and word in shown and len(word) >= _SHORTEST and not word.isnumeric()
    )
    text = _text(trajectory)
    counted, folded = Counter(_WORD.findall(text)), text.casefold()
    return [word for word in wanted if folded.count(word.casefold()) == counted[word]]


def _text(trajectory: ReferenceTrajectory) -> str:
    parts = [trajectory.instruction]
    for step in trajectory.steps:
        action = dump_action(step.action)
        parts += [step.observation.text, step.instruction]
        parts += [value for key, value in action.items() if key != "kind" and isinstance(value, str)]
    return "\n".join(parts)


def _shape(word: str) -> str:
    return "".join(str(next((at for at, (kind, _) in enumerate(_KINDS) if kind(letter)), 9)) for letter in word)


def _new_words(
    words: Sequence[str], trajectory: ReferenceTrajectory, known: Mapping[str, Sequence[str]], drawn: random.Random
) -> dict[str, str]:
    """A new word for each, of the same shape, that the trajectory has nowhere yet."""
    text = _text(trajectory).casefold()
    new: dict[str, str] = {}
    for word in words:
        for _ in range(9):
            choice = drawn.choice(known[_shape(word)]) if drawn.random() < _KNOWN_SHARE else _letters(word, drawn)
            if choice.casefold() not in text:
                new[word] = choice
                text += f"\n{choice.casefold()}"
                break
    return new or {words[0]: words[0]}


def _letters(word: str, drawn: random.Random) -> str:
    """As many letters and digits of the same kinds by lot; other scripts stay."""
    return "".join(
        next((drawn.choice(letters) for kind, letters in _KINDS if kind(letter) and letter.isascii()), letter)
        for letter in word
    )
