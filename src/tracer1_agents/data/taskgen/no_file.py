"""Families without a file: arithmetic, equations, facts from the search corpus, lines of code; two steps each."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from tracer1_agents.data.taskgen.contents import Passage, number
from tracer1_agents.data.taskgen.draft import Later, Task
from tracer1_agents.data.taskgen.pieces import SIGNS, amount

if TYPE_CHECKING:
    from tracer1_agents.data.taskgen.draft import Draft


def arithmetic(draft: Draft) -> Task:
    """Calculator -> finish."""
    rng = draft.rng
    if rng.random() < 0.3:  # noqa: PLR2004
        share, whole = rng.randint(1, 99), rng.randint(2, 9999)
        expression, value = f"{share} / 100 * {whole}", Fraction(share * whole, 100)
        words = rng.choice((f"{share}% of {whole}", f"{share} percent of {whole}"))
    else:
        sign = rng.choice(list(SIGNS))
        a, b = amount(draft), amount(draft)
        expression, word = f"{number(a)} {sign} {number(b)}", rng.choice((sign, *SIGNS[sign]))
        value = {"+": Fraction(a) + Fraction(b), "-": Fraction(a) - Fraction(b), "*": Fraction(a) * Fraction(b)}[sign]
        words = f"{number(a)} {word} {number(b)}"
        if word == "added to":
            expression = f"{number(a)} + {number(b)}"
    question = draft.say(
        ("What is {w}?", "Compute {w}.", "How much is {w}?", "Work out {w}.", "Calculate {w}, please."),
        ("Give me the value of {w}.", "{w} equals what?"),
        w=words,
    )
    step = draft.call("calculator", "Compute it", number(value), expression=expression)
    draft.finish(Later(step, number(value)), "Report the number")
    return Task("arithmetic", question, number(value), None, tuple(draft.steps))


def equation(draft: Draft) -> Task:
    """Solver -> finish; quadratics ask for one of the two roots."""
    rng = draft.rng
    times, power = rng.choice((("*", "**"), ("", "^")))
    if rng.random() < 0.5:  # noqa: PLR2004
        a, x = rng.randint(2, 20), rng.randint(-30, 60)
        b = rng.randint(1, 99)
        text, result, answer, which = f"{a}{times}x + {b} = {a * x + b}", f"x = {x}", str(x), ""
    else:
        low, high = sorted(rng.sample(range(1, 30), 2))
        text = f"x{power}2 - {low + high}{times}x + {low * high} = 0"
        result = f"x = {low}, x = {high}"
        which, answer = rng.choice((("larger", str(high)), ("smaller", str(low))))
    if which:
        question = draft.say(
            ("What is the {s} solution of {e}?", "Solve {e} and give the {s} root.", "Find the {s} x with {e}."),
            ("{e}: which x is the {s} one that fits?",),
            s=which,
            e=text,
        )
    else:
        question = draft.say(
            ("Solve {e} for x.", "What is x if {e}?", "Find x such that {e}.", "For which x is {e}?"),
            ("Determine the unknown x in {e}.", "{e}. What does x have to be?"),
            e=text,
        )
    step = draft.call("solver", "Solve the equation", result, equation=text)
    draft.finish(Later(step, answer), "Report the solution")
    return Task("equation", question, answer, None, tuple(draft.steps))


def search_fact(draft: Draft) -> Task:
    """Search -> finish."""
    passage, label, value = person_passage(draft)
    question = draft.say(
        (
            "What is the {l} of {p}?",
            "Find the {l} of {p}.",
            "Search for {p}: what is the {l}?",
            "Tell me the {l} of {p}.",
        ),
        ("I am looking for the {l} of {p}.", "{p}: {l}?"),
        l=label,
        p=passage.title,
    )
    step = draft.call("ask_search_agent", "Search for it", passage.answer, query=f"{passage.title} {label}")
    draft.finish(Later(step, value), f"Report the {label}")
    return Task("search_fact", question, value, None, tuple(draft.steps), (passage,))


def person_passage(draft: Draft) -> tuple[Passage, str, str]:
    """A person in the search corpus, the label asked for, and its value."""
    rng, names = draft.rng, draft.names
    facts = {
        "birth year": str(rng.randint(1880, 2004)),
        "home town": names.place(),
        "profession": rng.choice(("painter", "chemist", "pilot", "teacher", "surgeon", "baker", "singer", "judge")),
    }
    order = list(facts)
    rng.shuffle(order)
    text = "; ".join(f"{label} {facts[label]}" for label in order)
    label = rng.choice(order)
    return Passage(names.person(), text), label, facts[label]


def code_words(draft: Draft) -> Task:
    """Code -> finish: small jobs on text or numbers that a block of Python does best."""
    rng, names = draft.rng, draft.names
    word = names.word()
    numbers = [rng.randint(1, 999) for _ in range(rng.randint(4, 8))]
    listed, at = ", ".join(map(str, numbers)), rng.randint(2, 4)
    ordinal = {2: "second", 3: "third", 4: "fourth"}[at]
    jobs = {
        "reverse": ("the letters of {w} in reverse order", f'print("{word}"[::-1])', word[::-1]),
        "length": ("the number of characters in {w}", f'print(len("{word}"))', str(len(word))),
        "upper": ("{w} in capital letters", f'print("{word}".upper())', word.upper()),
        "squares": ("the sum of the squares of {n}", f"print(sum(x * x for x in [{listed}]))", _squares(numbers)),
        "nth": (f"the {ordinal} largest of {{n}}", f"print(sorted([{listed}])[-{at}])", str(sorted(numbers)[-at])),
        "span": ("the largest of {n} minus the smallest", f"print(max([{listed}]) - min([{listed}]))", _span(numbers)),
    }
    job, source, answer = jobs[rng.choice(list(jobs))]
    question = draft.say(
        ("What is {j}?", "Give {j}.", "Find {j}.", "Work out {j}.", "Tell me {j}."),
        ("I want to know {j}.", "Please determine {j}."),
        j=job.replace("{w}", word).replace("{n}", listed),
    )
    step = draft.call("code", "Run a line of Python", answer, source=source)
    draft.finish(Later(step, answer), "Report what was printed")
    return Task("code_words", question, answer, None, tuple(draft.steps))


def _squares(numbers: list[int]) -> str:
    return str(sum(value * value for value in numbers))


def _span(numbers: list[int]) -> str:
    return str(max(numbers) - min(numbers))
