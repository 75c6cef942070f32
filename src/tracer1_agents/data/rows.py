"""Rows of Parquet files as JSON values, a few at a time.

Data sets are published as Parquet with their pictures inside, as ``{"bytes", "path"}``. So a batch is small, and
whoever reads a row takes what it needs of a picture and lets the bytes go. pyarrow comes with the extra "train".
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BATCH: Final = 8  # rows: full-page screenshots take megabytes each


def read_rows(path: Path, columns: tuple[str, ...] | None = None) -> Iterator[tuple[int, dict[str, Any]] | DataError]:
    """Rows with their numbers from 1; damage is the last item, since nothing can be read behind it.

    Args:
        path: The file.
        columns: The ones to read, None: all. Those that the file lacks are left out.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    pyarrow = _pyarrow()
    number = 0
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            there = [name for name in columns if name in file.schema_arrow.names] if columns is not None else None
            for batch in file.iter_batches(batch_size=_BATCH, columns=there):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        problem = f"not readable as Parquet: {error!s:.200}; cut off or damaged?"
        yield DataError(problem, path=path, line=number + 1)


def _pyarrow() -> Any:
    try:
        import_module("pyarrow.parquet")
        return import_module("pyarrow")
    except ImportError as error:
        feature = "reading Parquet files"
        raise MissingExtraError(feature, "train") from error
