"""The readers by name, as `tracer1 data` and training configs take them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tracer1_agents.data.readers.agentnet import AgentNetReader
from tracer1_agents.data.readers.agenttrek import AgentTrekReader
from tracer1_agents.data.readers.androidcontrol import AndroidControlReader
from tracer1_agents.data.readers.base import ReaderOptions
from tracer1_agents.data.readers.gta import GtaReader
from tracer1_agents.data.readers.gui_odyssey import GuiOdysseyReader
from tracer1_agents.data.readers.mind2web import Mind2WebReader
from tracer1_agents.data.readers.miniwob import MiniWobReader
from tracer1_agents.data.readers.mm_traj import MmTrajReader
from tracer1_agents.data.registering import take_name
from tracer1_agents.data.store import StoreReader
from tracer1_agents.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracer1_agents.data.readers.base import Reader

READERS: Final[dict[str, Callable[[ReaderOptions], Reader]]] = {
    AgentNetReader.name: AgentNetReader,
    AgentTrekReader.name: AgentTrekReader,
    AndroidControlReader.name: AndroidControlReader,
    GtaReader.name: GtaReader,
    GuiOdysseyReader.name: GuiOdysseyReader,
    Mind2WebReader.name: Mind2WebReader,
    MiniWobReader.name: MiniWobReader,
    MmTrajReader.name: MmTrajReader,
    StoreReader.name: StoreReader,
}
_WITH_SPLITS: Final = frozenset({AndroidControlReader.name, GuiOdysseyReader.name})


def register_reader(name: str, make: Callable[[ReaderOptions], Reader]) -> None:
    """Have a format of your own read by name, in training configs and by `tracer1 data`.

    Args:
        name: Of the format.
        make: Builds a reader from its options, such as the reader's class.

    Raises:
        ConfigurationError: Another reader has the name, or generated tasks ("taskgen"), or `make` cannot be called.
    """
    if name == "taskgen":
        msg = "in a config, the reader taskgen stands for generated tasks; give yours another name"
        raise ConfigurationError(msg)
    take_name(READERS, "reader", name, make)


def reader_named(name: str, options: ReaderOptions | None = None) -> Reader:
    """The reader of a source format.

    Raises:
        ConfigurationError: There is none of this name, or a split is asked of a format that has no split files.
    """
    if name not in READERS:
        msg = f"there is no reader {name!r}; choose one of: {', '.join(READERS)}"
        raise ConfigurationError(msg)
    if options and options.split and name not in _WITH_SPLITS:
        msg = f"{name} has no files that define splits; name the file of the part you want instead of {options.split!r}"
        raise ConfigurationError(msg)
    return READERS[name](options or ReaderOptions())
