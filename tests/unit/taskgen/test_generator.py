"""Tasks are reproducible, held-out words stay out, references can be read back, and gold is computed exactly."""

from __future__ import annotations

import json
import random
import re
from decimal import Decimal
from fractions import Fraction
from itertools import islice

import pytest

from tracer1_agents.actions.grammars.canonical import CanonicalGrammar
from tracer1_agents.actions.space import Finish, Result, ToolCall, pending_results
from tracer1_agents.data.taskgen import names, pieces
from tracer1_agents.data.taskgen.bundle import BundlePlan, write_bundle
from tracer1_agents.data.taskgen.contents import Table, aggregate, number
from tracer1_agents.data.taskgen.draft import DraftStep, Later
from tracer1_agents.data.taskgen.families import FAMILIES, TRAINED, UNSEEN, make_task
from tracer1_agents.data.taskgen.mishaps import mistype
from tracer1_agents.data.taskgen.windows import WindowOptions, cut_window, stream_windows
from tracer1_agents.data.taskgen.write import write_file
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.planner.forecast import read_forecast
from tracer1_agents.rewards.answers import gaia_match


def words_of(text):
    """Words, camel case taken apart, lower case."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", text)}


def text_of(window):
    return "\n".join(message.text for message in window.messages) + "\n" + window.reply


class TestReproducible:
    @pytest.mark.parametrize("family", FAMILIES)
    def test_tasks(self, family):
        assert make_task(family, 5) == make_task(family, 5)
        assert make_task(family, 5) != make_task(family, 6)
        if family not in {"arithmetic", "equation"}:  # there is no name in them
            assert make_task(family, 5) != make_task(family, 5, split="held_out")

    def test_windows(self):
        def first(seed):
            return list(islice(stream_windows(seed, WindowOptions()), 20))

        assert first(1) == first(1)
        assert first(1) != first(2)

    def test_files(self, tmp_path):
        for family in ("table_total", "document_fact", "json_value", "clue_chain", "join_tables"):
            task = make_task(family, 3)
            if task.attachment.name.endswith((".csv", ".tsv", ".txt", ".md", ".html", ".json", ".pdf", ".zip")):
                folders = tmp_path / family / "a", tmp_path / family / "b"
                for folder in folders:
                    folder.mkdir(parents=True)
                one, other = (write_file(task.attachment, folder).read_bytes() for folder in folders)
                if b".xlsx" not in one and b".docx" not in one:  # their zip members carry the time of writing
                    assert one == other

    def test_unseen_families_are_never_trained(self):
        assert not set(TRAINED) & set(UNSEEN)
        families = {window.family for window in islice(stream_windows(1, WindowOptions()), 300)}
        assert families == set(TRAINED)


class TestHeldOut:
    def test_held_out_words_never_name_anything_in_training(self):
        shared = words_of(" ".join([*names.COLUMNS, *names.KEY_COLUMNS, *pieces.FACT_LABELS])) | {"archive", "pilot"}
        held_out = {word for word in names._NOUNS if names.is_held_out(word)} - shared
        assert len(held_out) > 60
        for window in islice(stream_windows(3, WindowOptions(mishap_rate=0.0)), 2_000):
            assert not words_of(text_of(window)) & held_out

    def test_held_out_tasks_use_nothing_else(self):
        trained = {word for word in names._NOUNS if not names.is_held_out(word)}
        source = names.NameSource(random.Random(1), "held_out")
        drawn = {source.noun() for _ in range(500)}
        assert not drawn & trained
        assert all(names.is_held_out(source.invented()) for _ in range(200))

    def test_styles(self):
        def stems(unseen):
            source = names.NameSource(random.Random(2), "train", unseen)
            return {source.file("table") for _ in range(300)}

        unseen = re.compile(r"Copy of |_FINAL\.|^\d\d\.\d\d\.\d{4} ")
        assert all(unseen.search(name) for name in stems(unseen=True))
        assert not any(unseen.search(name) for name in stems(unseen=False))


class TestReferences:
    @pytest.mark.parametrize("family", FAMILIES)
    def test_can_be_written_and_read_back(self, family):
        grammar = CanonicalGrammar()
        for seed in range(6):
            task = make_task(family, seed)
            for seen in range(len(task.steps)):
                ahead = [(step.action(seen), step.instruction) for step in task.steps[seen:]]
                forecast = read_forecast(grammar.render(ahead), grammar=grammar, horizon=99, step=seen + 1)
                assert [(pair.action, pair.instruction) for pair in forecast.pairs] == ahead
                assert forecast.ok  # the first pair never waits for a result
                assert max((max(pending_results(action), default=0) for action, _ in ahead), default=0) <= len(
                    task.steps
                )

    @pytest.mark.parametrize("family", FAMILIES)
    def test_end_with_the_gold_answer(self, family):
        for seed in range(20):
            task = make_task(family, seed, split="held_out")
            reference = task.reference("x")
            assert reference.finished
            last = reference.steps[-1].action
            assert isinstance(last, Finish)
            assert last.answer == task.answer
            assert gaia_match(last.answer, task.answer)
            assert len(task.steps) <= 17

    def test_arguments_wait_for_results(self):
        step = DraftStep("t", {"a": Later(1, "x"), "e": (Later(1, "7"), " + ", Later(2, "8")), "n": 3}, "do", "y")
        assert step.action(0) == ToolCall(
            name="t", arguments={"a": Result(1), "e": "Result(step=1) + Result(step=2)", "n": 3}
        )
        assert step.action(1).arguments == {"a": "x", "e": "7 + Result(step=2)", "n": 3}
        assert step.action(2).arguments == {"a": "x", "e": "7 + 8", "n": 3}
        assert step.action(0, lambda number: number + 4).arguments["a"] == Result(5)
        assert step.taken_from_results() == ("x", "7", "8")


class TestGold:
    @pytest.mark.parametrize(
        ("cells", "operation", "printed"),
        [
            ([1, 2, 4], "sum", "7"),
            ([1, 2, 4], "mean", "2.333333"),
            ([Decimal("0.10"), Decimal("0.20")], "sum", "0.3"),  # exact, unlike floats
            ([Decimal("1.005"), 2], "mean", "1.5025"),
            ([3, 1, 2], "median", "2"),
            ([4, 1, 2, 3], "median", "2.5"),
            ([3, Decimal("-1.50")], "min", "-1.5"),
            ([3, Decimal("3.25")], "max", "3.25"),
            (["a", "b"], "count", "2"),
            ([2, 2, 3], "mean", "2.333333"),
            ([1, 1, 3], "mean", "1.666667"),
        ],
    )
    def test_aggregates(self, cells, operation, printed):
        assert number(aggregate(cells, operation)) == printed

    def test_unknown_aggregate(self):
        with pytest.raises(ValueError, match="operation 'mode' is not one of sum"):
            aggregate([1], "mode")

    @pytest.mark.parametrize(
        ("value", "printed"),
        [
            (Decimal("2.50"), "2.5"),
            (Decimal("100.00"), "100"),
            (Fraction(-1, 3), "-0.333333"),
            (Fraction(10**20, 1), "100000000000000000000"),
            (0, "0"),
            ("text", "text"),
            (Fraction(1, 2_000_000), "0"),  # half of the last decimal, rounded to even
        ],
    )
    def test_numbers(self, value, printed):
        assert number(value) == printed

    def test_tables(self):
        table = Table("t.csv", ("city", "qty"), (("Rome", 2), ("Oslo", Decimal("1.50")), ("Rome", 5)))
        assert table.header == "table, 3 rows, columns: city, qty"
        assert table.column("qty") == [2, Decimal("1.50"), 5]
        assert table.column("qty", ("city", "Rome")) == [2, 5]
        assert table.row_text(table.rows[1]) == "city: Oslo, qty: 1.5"


class TestWindows:
    def test_number_of_pairs_and_placeholders(self):
        options = WindowOptions(horizon=3, mishap_rate=0.0)
        task = make_task("running_total", 1)
        window = cut_window(task, 2, random.Random(1), options)
        assert len(window.pairs) == 3
        assert window.pairs[0][0] == task.steps[1].action(1)
        assert "1. inspect_file_as_text(" in window.messages[0].text

    def test_episode_numbers_count_mishaps(self):
        task = make_task("two_tables", 1)
        shifted = 0
        for seed in range(40):
            window = cut_window(task, 3, random.Random(seed), WindowOptions(mishap_rate=0.6))
            if window is None:
                continue
            failed = window.messages[0].text.count("-> error: ") + ("Now: error: " in window.messages[0].text)
            now = 3 + failed
            waiting = [step for action, _ in window.pairs for step in pending_results(action)]
            # the calculator, reference step 6, waits for steps 3 and 5
            assert max(waiting, default=now + 2) >= now
            calculator = next(action for action, _ in window.pairs if getattr(action, "name", "") == "calculator")
            assert pending_results(calculator) == (now, now + 2)
            shifted += failed > 0
        assert shifted > 5

    def test_a_first_pair_never_waits(self):
        for window in islice(stream_windows(9, WindowOptions(mishap_rate=0.3)), 300):
            assert pending_results(window.pairs[0][0]) == ()
            assert 1 <= len(window.pairs) <= 8

    def test_slips_change_one_letter(self):
        rng = random.Random(0)
        for _ in range(300):
            slipped = mistype("sales.csv", rng)
            assert abs(len(slipped) - 9) <= 1


def test_unknown_endings_are_refused(tmp_path):
    from tracer1_agents.data.taskgen.contents import Document  # noqa: PLC0415

    with pytest.raises(ConfigurationError, match="a document is txt, md, html, docx or pdf, not"):
        write_file(Document("a.rtf", ("x",)), tmp_path)


def test_traits_go_round_the_families_in_a_rotating_set(tmp_path):
    """In the shipped sets every trait falls on the same families; a rotating set deals it to all of them."""
    for rotating, families in ((False, 4), (True, 20)):
        folder = tmp_path / str(rotating)
        write_bundle(BundlePlan("rotation", 100, 0, rotating=rotating), folder)
        rows = [json.loads(line) for line in (folder / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]
        for trait in ("unseen_style", "unseen_phrase"):
            having = [row["Annotator Metadata"]["family"] for row in rows if row["Annotator Metadata"][trait]]
            assert len(having) == 20
            assert len(set(having)) == families
