"""Key/value caches of rows that join and leave, with spare columns: a new token is written beside what is held.

A cache of transformers copies all that it holds for every token, and again when rows are put together (ours).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from transformers.cache_utils import Cache, DynamicLayer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import torch

_SPARE_COLUMNS: Final = 64  # tokens until the next copy; ours


class SpareLayer(DynamicLayer):
    """A layer's keys and values, at the front of memory that holds a few columns more.

    Args:
        keys: float (rows, heads, columns, head size) each, one below the other once padded on the left to `columns`.
        values: The same.
        columns: Columns of the widest.
    """

    def __init__(self, keys: Sequence[torch.Tensor], values: Sequence[torch.Tensor], columns: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.lazy_initialization(keys[0], values[0])
        self._hold(keys, values, columns)

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write new columns behind those that are held.

        Returns:
            All keys, all values: views of the layer's memory.
        """
        start = self.get_seq_length()
        end = start + key_states.shape[-2]
        if end > self._rooms[0].shape[-2]:
            keys, values = (room[:, :, :start] for room in self._rooms)
            self._hold([keys], [values], start, spare=end - start + _SPARE_COLUMNS)
        for room, new in zip(self._rooms, (key_states, value_states), strict=True):
            room[:, :, start:end] = new
        return self._show(end)

    def _hold(
        self, keys: Sequence[torch.Tensor], values: Sequence[torch.Tensor], columns: int, spare: int = _SPARE_COLUMNS
    ) -> None:
        self._rooms = _room(keys, columns, spare), _room(values, columns, spare)
        self._show(columns)

    def _show(self, columns: int) -> tuple[torch.Tensor, torch.Tensor]:
        keys, values = (room[:, :, :columns] for room in self._rooms)
        self.keys, self.values = keys, values
        return keys, values


def joined(caches: Sequence[Cache], columns: int) -> Cache:
    """The rows of several caches, one below the other, padded on the left to `columns`."""
    made: list[Any] = []
    for layers in zip(*map(_pairs, caches), strict=True):
        keys, values = zip(*layers, strict=True)
        made.append(SpareLayer(keys, values, columns))
    return Cache(made)


def chosen(cache: Cache, rows: torch.Tensor, left: int) -> Cache:
    """Some rows of a cache, without its first `left` columns."""
    made: list[Any] = []
    for keys, values in _pairs(cache):
        at = rows.to(keys.device)
        made.append(SpareLayer([keys[at, :, left:]], [values[at, :, left:]], keys.shape[-2] - left))
    return Cache(made)


def _pairs(cache: Cache) -> Iterable[tuple[torch.Tensor, torch.Tensor]]:
    layers: list[Any] = cache.layers
    return ((layer.keys, layer.values) for layer in layers)


def _room(parts: Sequence[torch.Tensor], columns: int, spare: int) -> torch.Tensor:
    """Parts below each other; what pads them is zero, what is spare holds anything."""
    first = parts[0]
    room = first.new_empty(sum(len(part) for part in parts), first.shape[1], columns + spare, first.shape[3])
    start = 0
    for part in parts:
        missing, end = columns - part.shape[-2], start + len(part)
        room[start:end, :, :missing] = 0
        room[start:end, :, missing:columns] = part
        start = end
    return room
