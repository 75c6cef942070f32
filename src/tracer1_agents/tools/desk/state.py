"""What a desk remembers: a JSON file in a hidden folder of the workspace, so that a copy of the folder is a copy of it.

    {"calls": 9, "made": 0, "fault": 0, "units": 5, "register": {"k4": 31},
     "offers": {"oak": {"slots": [9, 11]}, "screen": {"slots": [9], "rooms": ["elm"]}},
     "jobs": [], "sealed": [], "reservations": {}}

Whoever sets a task up writes the file; every key may be left out. Hidden files are not listed to the planner, and no
tool opens them.
"""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tracer1_agents.errors import ConfigurationError
from tracer1_agents.tools.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

FOLDER: Final = ".desk"
FILE: Final = "state.json"


class _Plain(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Offer(_Plain):
    """What can be reserved.

    Attributes:
        slots: Hours at which it is free.
        rooms: Rooms it can be used in; empty where it needs none.
    """

    slots: list[int]
    rooms: list[str] = []


class Job(_Plain):
    """A conversion under way.

    Attributes:
        output: Name of the file to come, as the workspace lists it.
        due: It is there once so many calls were made.
    """

    output: str
    due: int


class DeskState(_Plain):
    """The whole of it.

    Attributes:
        calls: Tool calls allowed in the episode; None for no limit.
        made: Tool calls made; those that timed out are not counted.
        fault: Number of the call that times out once; 0 for none.
        units: Units left in the register.
        register: Its entries.
        offers: What can be reserved, by name.
        jobs: Conversions under way.
        sealed: Names of sealed archives, as the workspace lists them.
        reservations: Hour by name.
    """

    calls: int | None = Field(None, ge=0)
    made: int = Field(0, ge=0)
    fault: int = Field(0, ge=0)
    units: int = Field(0, ge=0)
    register_entries: dict[str, int] = Field(default_factory=dict, alias="register")
    offers: dict[str, Offer] = {}
    jobs: list[Job] = []
    sealed: list[str] = []
    reservations: dict[str, int] = {}


def has_desk(folder: Path) -> bool:
    """Whether a workspace folder was set up with a desk."""
    return (folder / FOLDER / FILE).is_file()


class DeskStore:
    """Reads and writes the state of one workspace.

    Args:
        workspace: Whose desk; without a state file the desk is empty and without limits.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.folder = workspace.root / FOLDER

    def read(self) -> DeskState:
        """The state as it stands.

        Raises:
            ConfigurationError: The file does not fit.
        """
        path = self.folder / FILE
        try:
            return DeskState.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return DeskState()
        except ValidationError as error:
            msg = f"{FOLDER}/{FILE} is not the state of a desk ({error.errors()[0]['msg']}); set the task up again"
            raise ConfigurationError(msg) from None

    def pending(self, output: str) -> Path:
        """Where the result of a conversion waits; in a folder of its own, since a result may be called `state.json`."""
        return self.folder / "pending" / output

    def write(self, state: DeskState) -> None:
        """Replace the state; a reader sees the old one or the new one, never a part."""
        self.folder.mkdir(exist_ok=True)
        fresh = self.folder / f"{FILE}.new"
        fresh.write_text(state.model_dump_json(by_alias=True, exclude_defaults=True), encoding="utf-8")
        fresh.replace(self.folder / FILE)


def final_state(folder: Path) -> dict[str, Any]:
    """What an episode left behind, as plain JSON.

    Returns:
        "archives": names in each sealed archive, sorted, read from the archive itself; "reservations": hour by name.
    """
    state = DeskStore(Workspace(folder)).read()
    archives = {}
    for name in sorted(state.sealed):
        with zipfile.ZipFile(folder / name) as opened:
            archives[name] = sorted(opened.namelist())
    return {"archives": archives, "reservations": dict(sorted(state.reservations.items()))}


def is_left_as(folder: Path, expected: dict[str, Any]) -> bool:
    """Whether an episode left behind what it should have.

    Args:
        folder: Of the episode.
        expected: As `final_state` gives it.

    Returns:
        False also where the desk's own files no longer can be read: only the episode's code can have spoiled them.
    """
    try:
        return final_state(folder) == expected
    except (ConfigurationError, OSError, zipfile.BadZipFile):
        return False
