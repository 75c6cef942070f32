"""AndroidControl: which layout a file has, which episodes of it are wanted, and the end that is appended.

Shards of the original release are known by their first bytes (GZIP); records of the conversions by a key that only one
of them has. A folder with shards in it is read as the original release, whatever else lies there.

The option `split` names a key of ``splits.json`` ("train", "validation", "test") or of ``test_subsplits.json``, which
come with the original release and list episode numbers; they are looked for beside the file and one folder above.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final

from tracer1_agents.data.readers.androidcontrol import gui_r1, infigui, original, ui_s1
from tracer1_agents.data.readers.base import ReaderOptions, RecordError, complete
from tracer1_agents.data.readers.images import ImageFinder
from tracer1_agents.data.readers.splits import members
from tracer1_agents.data.readers.streams import attempt, each_record
from tracer1_agents.data.readers.tf_example import parse_example
from tracer1_agents.data.readers.tfrecord import is_gzip, read_tfrecords
from tracer1_agents.data.records import source_files
from tracer1_agents.errors import DataError
from tracer1_agents.types import ReferenceTrajectory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tracer1_agents.data.readers.androidcontrol.episode import Episode
    from tracer1_agents.data.records import Record

LAYOUTS: Final[dict[str, Callable[[Record, ImageFinder, ReaderOptions], Episode]]] = {
    "steps": ui_s1.episode,
    "episode": infigui.episode,
    "gt_action": gui_r1.episode,
}
_SPLIT_FILES: Final = ("splits.json", "test_subsplits.json")
_Wanted = frozenset[str] | None


@dataclass(frozen=True)
class AndroidControlReader:
    """See the module. A `DataError` in a shard has the number of the record as its line."""

    name: ClassVar[str] = "androidcontrol"
    options: ReaderOptions = field(default_factory=ReaderOptions)

    def read(self, path: Path) -> Iterator[ReferenceTrajectory | DataError]:
        """See `Reader`."""
        wanted: _Wanted = None
        if self.options.split:
            folder = path if path.is_dir() else path.parent
            files = [place / name for place in (folder, folder.parent) for name in _SPLIT_FILES]
            wanted = members(path, files, self.options.split)
        if shards := _shards(path):
            for shard in shards:
                yield from self._shard(shard, wanted)
            return
        for file in source_files(path, (".jsonl", ".json", ".parquet"), tuple(LAYOUTS)):
            if file.name in _SPLIT_FILES:
                continue
            finder = ImageFinder(file, self.options.images, self.options.blobs)
            yield from each_record(file, partial(self._converted, finder, wanted), finder)

    def _shard(self, path: Path, wanted: _Wanted) -> Iterator[ReferenceTrajectory | DataError]:
        finder = ImageFinder(path, self.options.images, self.options.blobs)
        for item in read_tfrecords(path, verify=self.options.checksums):
            if isinstance(item, DataError):
                yield item
                continue
            yield from attempt(path, item[0], partial(self._original, finder, wanted, *item))
            yield from finder.problems()

    def _original(
        self, finder: ImageFinder, wanted: _Wanted, number: int, payload: bytes
    ) -> ReferenceTrajectory | None:
        features = parse_example(payload)
        if wanted is not None and original.identity(features) not in wanted:
            return None  # before its screenshots go anywhere
        episode = original.episode(number, features, finder, trees=self.options.trees)
        return self._completed(episode, f"record-{number}")

    def _converted(self, finder: ImageFinder, wanted: _Wanted, record: Record) -> ReferenceTrajectory | None:
        read = next((read for key, read in LAYOUTS.items() if key in record.value), None)
        if read is None:
            keys = ", ".join(f'"{key}"' for key in LAYOUTS)
            msg = f"none of the keys {keys} is there; there are: {', '.join(record.value) or 'none'}"
            raise RecordError(msg)
        episode = read(record, finder, self.options)
        if wanted is not None:
            if episode.id is None:
                msg = "the record does not say which episode it is, so that no split can be chosen"
                raise RecordError(msg)
            if episode.id not in wanted:
                return None
        return self._completed(episode, f"line-{record.line}")

    def _completed(self, episode: Episode, fallback: str) -> ReferenceTrajectory:
        trajectory = ReferenceTrajectory(
            id=episode.id or fallback,
            source=self.name,
            instruction=episode.goal,
            steps=episode.steps,
            metadata=episode.metadata,
        )
        return complete(trajectory, self.options, successful=episode.successful, last=episode.last)


def _shards(path: Path) -> list[Path]:
    """The GZIP files that a path means."""
    candidates = sorted(path.iterdir()) if path.is_dir() else [path]
    return [file for file in candidates if file.is_file() and is_gzip(file)]
