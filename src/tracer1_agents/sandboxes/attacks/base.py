"""An attack: code that prints BREACH where it succeeds, and the reason that must be seen where it does not.

`stopped` is looked for in what came back (output, then error), so that an attack with a typo in it does not count as
one that was stopped. Braces with a name of the prey (`{secret!r}`, `{port}`) are filled in before the run.
"""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent
from typing import Any, Final

BREACH: Final = "BREACH"
LIBC: Final = "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"
_REPORT: Final = "\nprint('BREACH' if result >= 0 else os.strerror(ctypes.get_errno()))\n"


@dataclass(frozen=True, slots=True)
class Attack:
    """One snippet.

    Attributes:
        name: Short, unique.
        code: Python source with places for prey.
        stopped: Pattern of what must come back.
        timeout: Seconds it gets.
        timed_out: Whether the time-out is what ends it.
        state_lost: Whether the interpreter must be gone afterwards.
        spoils: Whether it may leave the session unfit for the next attack.
    """

    name: str
    code: str
    stopped: str
    timeout: float = 10.0
    timed_out: bool = False
    state_lost: bool = False
    spoils: bool = False


def attack(name: str, code: str, stopped: str, **more: Any) -> Attack:
    """An attack whose code is written indented; `more` as in `Attack`."""
    return Attack(name, dedent(code).strip() + "\n", stopped, **more)


def syscall(name: str, call: str, stopped: str = "Operation not permitted") -> Attack:
    """An attack that is one C library call; it succeeds where the result is not negative."""
    return Attack(name, f"{LIBC}result = {call}{_REPORT}", stopped)
