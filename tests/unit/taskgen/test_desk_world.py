"""Desk tasks: real tools say what references say, early choices matter, dials do what they say, splits do not meet."""

from __future__ import annotations

import random
import re
from itertools import islice

import pytest
from desk_helpers import COMMITTING, NOTHING, QUIET, WILD, at_work, calls, carry_out, tempting

from tracer1_agents.data.taskgen import names, pieces
from tracer1_agents.data.taskgen.desk import families as desk
from tracer1_agents.data.taskgen.desk.families import FAMILIES, LONG, UNSEEN, WORLD1, make_world_task
from tracer1_agents.data.taskgen.desk.names import SYNONYMS
from tracer1_agents.data.taskgen.desk.options import WorldOptions
from tracer1_agents.data.taskgen.desk.stats import lengths, share_long
from tracer1_agents.data.taskgen.mishaps import mishap
from tracer1_agents.data.taskgen.windows import WindowOptions, cut_window, stream_windows
from tracer1_agents.tools.desk import final_state

DISTURBED = WorldOptions(predictable=0.4, disturbed=1.0)


def make(family, seed, options=QUIET, **split):
    return make_world_task(family, seed, options, **split)


def words_of(text):
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", text)}


def text_of(window):
    return "\n".join(message.text for message in window.messages) + "\n" + window.reply


class TestReferences:
    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize("family", FAMILIES)
    def test_the_tools_say_what_the_reference_says(self, family, seed, folder):
        """Parity of every text, the fault where one is due, and the state left behind."""
        held_out = {"split": "held_out", "unseen_styles": seed == 1, "unseen_phrases": seed == 2}
        task = make(family, f"parity/{seed}", WILD, **held_out)
        faults = 0
        with at_work(task, folder) as executor:
            for action, result in calls(task):
                said = carry_out(executor, [action])[0]
                if said == f"error: {action.name} failed: TimeoutError: no answer within 30 seconds":
                    faults += 1
                    said = carry_out(executor, [action])[0]
                assert said == result, action
        if task.desk:
            assert faults == bool(task.desk.fault)
            assert final_state(folder) == task.desk.expected()

    @pytest.mark.parametrize("family", sorted(set(COMMITTING)))
    def test_the_budget_is_the_reference_and_one(self, family):
        task = make(family, 3)
        assert task.desk.calls == len(task.steps)
        assert f" {task.desk.calls} calls" in task.question
        strict = make(family, 3, WorldOptions(disturbed=0.0, slack=0))
        assert strict.desk.calls == len(strict.steps) - 1

    def test_lengths(self):
        found = lengths(WORLD1, 340, WorldOptions())
        assert share_long(found) >= 0.4
        assert len(LONG) >= 3
        for name in LONG:
            assert all(12 <= steps <= 20 for steps in found[name])
        assert min(lengths(["pack_chain"], 20, WorldOptions())["pack_chain"]) >= 12


class TestCommitment:
    @pytest.mark.parametrize("family", COMMITTING)
    def test_the_tempting_choice_fails(self, family, tmp_path):
        """The rest of the reference, with patience, no longer does the job: nothing that is done can be undone.

        What fails is the very thing that was needed: a sealed file cannot be read, the calls are used up before the
        converted table was, the register is closed, an hour is taken.
        """
        spoiled = 0
        for seed in range(4):
            task = make(family, f"tempting/{seed}")
            for number, actions in enumerate(tempting(task)):
                folder = tmp_path / f"{seed}-{number}"
                folder.mkdir()
                with at_work(task, folder) as executor:
                    said = carry_out(executor, actions, patience=3)
                lost = [text for text in said if re.search("no file|used up|units left|not free|already", text)]
                # every call is needed and one was never answered, or something is reserved that should not be
                assert lost or final_state(folder) != task.desk.expected(), said
                spoiled += 1
        assert spoiled >= 2  # not every task of pack_one asks for a packed file

    def test_the_right_first_step_hangs_on_what_is_asked(self):
        """The same kind of chore begins differently: packing is put off only where a packed file is asked for."""
        first = {make("pack_one", seed, WorldOptions(predictable=1.0)).steps[0].name for seed in range(30)}
        assert first == {"archive_files", "inspect_file_as_text"}
        first = {make("register_sum", seed, WorldOptions(predictable=1.0)).steps[0].name for seed in range(30)}
        assert first == {"register_page", "register_lookup"}


class TestDials:
    @pytest.mark.parametrize("family", COMMITTING)
    def test_predictable(self, family):
        for seed in range(8):
            told, found = (make(family, seed, WorldOptions(predictable=p, disturbed=0.0)) for p in (1.0, 0.0))
            assert told.answer == found.answer  # the same task otherwise
            assert told.desk.expected() == found.desk.expected()
            assert not [step for step in told.steps if step.instruction == "Read the note"]
            notes = [step for step in found.steps if step.instruction == "Read the note"]
            # in the register, what a note tells comes first, and a first page is added up where a first entry is not
            further = len(found.steps) - len(told.steps) - len(notes)
            assert further in ({0, 1} if family == "register_rounds" else {0})
            for note in notes:
                assert note.result not in found.question
                assert all(name in told.question for name in note.result.strip('"').split(","))

    @pytest.mark.parametrize("family", FAMILIES)
    def test_disturbed(self, family):
        for seed in range(6):
            quiet, disturbed = make(family, seed), make(family, seed, WorldOptions(disturbed=1.0))
            assert quiet.answer == disturbed.answer
            assert not (quiet.desk and quiet.desk.fault)
            assert not words_of(quiet.question) & set(SYNONYMS)
            renamed = bool(words_of(disturbed.question) & set(SYNONYMS))
            assert renamed != bool(disturbed.desk.fault)
            assert disturbed.desk.fault < len(disturbed.steps)

    def test_a_renamed_column_is_known_from_the_list_only(self):
        tasks = [make("convert_one", seed, WorldOptions(disturbed=1.0)) for seed in range(20)]
        renamed = [task for task in tasks if not task.desk.fault]
        assert 3 < len(renamed) < 17
        for task in renamed:
            for number, step in enumerate(task.steps):
                if step.name == "table_aggregate":
                    column = step.action(number).arguments["column"]
                    assert column not in task.question
                    assert column in task.steps[number - 1].result

    def test_bad_dials(self):
        for bad in ({"predictable": 1.1}, {"disturbed": -0.1}, {"slack": 2}, {"predict": 1}):
            with pytest.raises(ValueError):
                WorldOptions(**bad)


class TestHeldOut:
    def test_families_and_compositions(self):
        assert not set(desk.TRAINED) & set(UNSEEN)
        assert not set(desk.TRAINED_PAIRS) & set(desk.NEW_PAIRS)
        tools = {"pack": "archive_files", "convert": "convert_file", "book": "reserve"}
        for seed in range(60):
            used = {
                name for name, tool in tools.items() if tool in {step.name for step in make("two_jobs", seed).steps}
            }
            used |= {"register"} if any("register" in step.name for step in make("two_jobs", seed).steps) else set()
            assert tuple(sorted(used)) in {tuple(sorted(pair)) for pair in desk.TRAINED_PAIRS}
        seen = {window.family for window in islice(stream_windows(1, WindowOptions(world=WILD)), 300)}
        assert seen == set(desk.TRAINED)

    def test_words(self):
        shared = words_of(" ".join([*names.COLUMNS, *names.KEY_COLUMNS, *pieces.FACT_LABELS, *SYNONYMS]))
        held_out = {word for word in names._NOUNS if names.is_held_out(word)} - shared - {"archive", "pilot"}
        for window in islice(stream_windows(3, WindowOptions(mishap_rate=0.0, world=WILD)), 800):
            assert not words_of(text_of(window)) & held_out

    def test_styles_and_phrases(self):
        styled = re.compile(r"Copy of |_FINAL\.|\d\d\.\d\d\.\d{4} ")
        for family in COMMITTING:
            for seed in range(5):
                assert not styled.search(make(family, seed).question)
                plain, other = make(family, seed).question, make(family, seed, unseen_phrases=True).question
                assert plain != other or family in {"room_choice", "pack_chain"}
        assert all(styled.search(make("pack_one", seed, unseen_styles=True).question) for seed in range(5))
        new = re.compile(
            r"I want to know|Use \d+ calls or fewer|Store|Bring together|Taking|How much is|Find an hour for both"
        )
        for window in islice(stream_windows(5, WindowOptions(world=WILD)), 400):
            assert not new.search(window.task.question)


class TestWindows:
    @pytest.mark.parametrize("family", FAMILIES)
    def test_everything_needed_stands_in_the_prompt(self, family):
        rng, options = random.Random(1), WindowOptions(mishap_rate=0.0, world=DISTURBED)
        for seed in range(5):
            task = make(family, seed, DISTURBED)
            for step in range(1, len(task.steps) + 1):
                assert cut_window(task, step, rng, options) is not None, (family, seed, step)

    def test_a_fault_is_shown_once_and_then_the_call_is_made_again(self):
        task = next(task for seed in range(50) if (task := make("book_day", seed, DISTURBED)).desk.fault > 2)
        at, options = task.desk.fault, WindowOptions(mishap_rate=0.0, world=DISTURBED)
        cut = [cut_window(task, at, random.Random(seed), options) for seed in range(20)]
        late = [window for window in cut if "TimeoutError" in window.messages[0].text]
        assert 3 < len(late) < 17
        assert all(window.pairs[0][0] == task.steps[at - 1].action(at - 1) for window in cut)
        assert all(window.number == at + (window in late) for window in cut)
        after = cut_window(task, at + 1, random.Random(0), options)
        assert after.messages[0].text.count("TimeoutError") == 1

    def test_no_more_slips_than_the_budget_allows(self):
        options = WindowOptions(mishap_rate=0.9, world=QUIET)
        task = make("pack_rounds", 1)
        for seed in range(20):
            window = cut_window(task, 5, random.Random(seed), options)
            assert window is None or window.number <= 6

    @pytest.mark.parametrize("family", COMMITTING)
    def test_slips_are_worded_as_the_tools_word_them(self, family, folder):
        task, rng = make(family, "slips"), random.Random(family)
        with at_work(task, folder) as executor:
            for number, (action, _) in enumerate(calls(task), 1):
                failed = mishap(task, action, number, rng)
                if "TimeoutError" not in failed[1] and "  " not in failed[1]:
                    assert carry_out(executor, [failed[0]]) == [failed[1]]
                    break  # its call is the one to spare
                executor.execute(action, "", NOTHING)
