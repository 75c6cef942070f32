"""Rows kept as references: equal to what was added, small, and hashed without being built."""

import pickle
import tracemalloc

import pytest

pytest.importorskip("torch", reason="torch is not installed")

from training_cases import pictured, trajectory

from tracer1_agents.data.store import write_trajectories
from tracer1_agents.errors import TrainingError
from tracer1_agents.training import row_store
from tracer1_agents.training.mixture import MixtureConfig, load_mixture
from tracer1_agents.training.row_store import RowStore
from tracer1_agents.training.rows import PromptOptions, rows_of

pytestmark = pytest.mark.torch


def plain(row):
    """Everything a row is made of; grammars cannot be compared, what they write can."""
    return {**vars(row), "grammar": row.grammar.name, "reply": row.reply}


def same(rows, others):
    return [plain(row) for row in rows] == [plain(row) for row in others]


def stored(rows):
    store = RowStore()
    for row in rows:
        store.add(row)
    return store


@pytest.mark.parametrize("points", [True, False])
@pytest.mark.parametrize("profile", ["compact", "qwen-tool-call"])
def test_what_is_built_again_is_what_was_added(tmp_path, monkeypatch, profile, points):
    monkeypatch.setattr(row_store, "_KEPT_TRAJECTORIES", 1)
    monkeypatch.setattr(row_store, "_KEPT_ROWS", 1)
    records = [trajectory(0), pictured(tmp_path, "a"), trajectory(1)]
    options = PromptOptions(profile=profile, horizon=2, history_window=1, platform="computer", points=points)
    rows = [row for number, record in enumerate(records) for row in rows_of(record, options, source=f"s{number}")]
    store = stored(rows)
    assert len(store) == len(rows) == 10
    for at in (7, 0, 9, 3, 4, 0):  # in no order
        assert plain(store[at]) == plain(rows[at])
    assert same(store, rows)
    assert plain(store[-1]) == plain(rows[-1])
    assert same(store[2:6:2], rows[2:6:2])
    with pytest.raises(IndexError):
        store[10]


def test_a_loaded_mixture_has_the_rows_of_its_files_and_of_the_generator(tmp_path):
    records = [trajectory(number) for number in range(3)]
    write_trajectories(tmp_path / "a.jsonl", records)
    sources = [
        {"reader": "store", "path": str(tmp_path / "a.jsonl"), "platform": "mobile", "filter": {"kinds": ["click"]}},
        {"reader": "taskgen", "count": 3},
    ]
    mixture = load_mixture(MixtureConfig.model_validate({"horizon": 2, "sources": sources}))
    options = PromptOptions(horizon=2, platform="mobile", max_pixels=1_258_291)
    clicks = [row for one in records for row in rows_of(one, options, source="store") if row.number == 2]
    assert same(mixture.rows[:3], clicks)
    assert [row.generated is not None for row in mixture.rows] == [False] * 3 + [True] * 3
    assert mixture.rows[4] is mixture.rows[4]
    assert {name: row.key for name, row in mixture.first_rows.items()} == {
        "store": "store/0/2",
        "taskgen": mixture.rows[3].key,
    }
    assert mixture.store.kinds["store", "click"] == 3
    assert mixture.store.examples["store", "click"] == 0


def test_the_digest_tells_rows_and_their_order():
    rows = list(rows_of(trajectory(), PromptOptions(horizon=2)))
    assert stored(rows).digest() == stored(list(rows)).digest()
    assert stored(rows).digest() != stored(rows[::-1]).digest()
    assert stored(rows).digest() != stored(rows[:-1]).digest()


def test_pickling_is_for_hashing_alone():
    rows = list(rows_of(trajectory(), PromptOptions(horizon=2)))
    assert pickle.dumps(stored(rows)) == pickle.dumps(stored(rows))
    assert pickle.dumps(stored(rows)) != pickle.dumps(stored(rows[:1]))
    with pytest.raises(TypeError, match="each loads the mixture for itself"):
        pickle.loads(pickle.dumps(stored(rows)))  # noqa: S301  (written here)


def test_a_row_takes_few_bytes():
    count = 800
    options = PromptOptions(horizon=2)
    store = stored(rows_of(trajectory(0), options))
    tracemalloc.start()
    for number in range(1, count + 1):
        for row in rows_of(trajectory(number), options):
            store.add(row)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    rows = len(store) - 4
    assert rows == 4 * count
    assert kept / rows < 200


def test_rows_that_find_no_room_are_told(monkeypatch):
    """/dev/full takes nothing; a buffer does, until it is emptied."""
    monkeypatch.setattr(row_store.tempfile, "TemporaryFile", lambda **_: open("/dev/full", "w+b", buffering=0))  # noqa: PTH123, SIM115
    with pytest.raises(TrainingError, match=r"the rows could not be written: .*No space left.* TMPDIR"):
        stored(rows_of(trajectory(), PromptOptions(horizon=2, platform="mobile")))
