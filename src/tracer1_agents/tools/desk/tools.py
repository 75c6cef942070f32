"""The desk's tools: what a planner calls, over `state.py` and `conversion.py`.

Each of them commits: a conversion is there two calls later and not before, an archive cannot be opened again, a look
into the register uses it up, a reservation stands.
"""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field

from tracer1_agents.errors import ToolError
from tracer1_agents.tools.definition import Output, make_tool
from tracer1_agents.tools.desk.conversion import convert, converted_name
from tracer1_agents.tools.desk.state import DeskState, DeskStore, Job, Offer
from tracer1_agents.tools.formatting import short

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_core.tools import BaseTool

    from tracer1_agents.tools.workspace import Workspace

CONVERSION_CALLS: Final = 2  # other calls that must be made before a result is there
PAGE_UNITS: Final = 2  # a page of the register costs as much as two entries
_SEALING_TIME: Final = (1980, 1, 1, 0, 0, 0)  # the same files give the same bytes


def desk_tools(workspace: Workspace) -> list[BaseTool]:
    """`convert_file`, `archive_files`, `register_lookup`, `register_page`, `list_offers` and `reserve`."""
    store = DeskStore(workspace)
    return [*_file_tools(workspace, store), *_register_tools(store), *_reservation_tools(store)]


def _file_tools(workspace: Workspace, store: DeskStore) -> list[BaseTool]:
    def convert_file(
        file_path: Annotated[str, Field(description='Name of a file, for example "sales.json"')],
        to: Annotated[str, Field(description="csv or json for tables, csv for JSON, txt for documents")],
    ) -> Output:
        """Start to convert a file; the result is there after two more tool calls."""
        state = store.read()
        content = convert(workspace, file_path, to)
        output = converted_name(workspace.listed_name(file_path) or file_path, to)
        if workspace.contains(output) or any(job.output == output for job in state.jobs):
            msg = f'"{short(output)}" is there or on its way'
            raise ToolError(msg)
        store.pending(output).parent.mkdir(parents=True, exist_ok=True)
        workspace.write(store.pending(output), content)
        state.jobs.append(Job(output=output, due=state.made + CONVERSION_CALLS))
        store.write(state)
        return f"{output} will be ready after {CONVERSION_CALLS} more calls", output

    def archive_files(
        archive: Annotated[str, Field(description='A new .zip name, for example "box.zip"')],
        files: Annotated[str, Field(description='Names with commas between, for example "a.txt, b.txt"')],
    ) -> Output:
        """Pack files into an archive and take them away; it is sealed then and nothing in it can be read again."""
        state = store.read()
        paths = _to_pack(workspace, state, files)
        target = workspace.output(archive, (".zip",))
        if target.exists():
            msg = f'"{short(archive)}" is there already; an archive takes files once'
            raise ToolError(msg)
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as opened:
            for name, path in paths.items():
                opened.writestr(zipfile.ZipInfo(name, _SEALING_TIME), path.read_bytes())
        workspace.write(target, packed.getvalue())
        sealed = target.relative_to(workspace.root).as_posix()
        state.sealed.append(sealed)
        store.write(state)  # before the files go: what is packed is sealed, whatever fails after this
        for path in paths.values():
            path.unlink()
        return f"sealed in {sealed}: {', '.join(paths)}", list(paths)

    return [make_tool(convert_file), make_tool(archive_files)]


def _to_pack(workspace: Workspace, state: DeskState, files: str) -> dict[str, Path]:
    """The files that a list names, each once, by the names that the workspace lists, sorted."""
    found = [workspace.file(name) for name in sorted({name.strip() for name in files.split(",") if name.strip()})]
    if not found:
        msg = "files must name at least one file"
        raise ToolError(msg)
    paths = {path.relative_to(workspace.root).as_posix(): path for path in sorted(found)}
    for name in paths:
        if name in state.sealed:
            msg = f'"{short(name)}" is sealed'
            raise ToolError(msg)
    return paths


def _register_tools(store: DeskStore) -> list[BaseTool]:
    def pay(state: DeskState, units: int) -> None:
        if state.units < units:
            msg = f"the register has {state.units} units left and this takes {units}"
            raise ToolError(msg)
        state.units -= units
        store.write(state)

    def register_lookup(key: Annotated[str, Field(description='One entry, for example "k4"')]) -> Output:
        """Look up one entry of the register; takes one unit."""
        state = store.read()
        pay(state, 1)
        if key not in state.register_entries:
            msg = f'the register has no entry "{short(key, 40)}"'
            raise ToolError(msg)
        return f"{key} {state.register_entries[key]}", state.register_entries[key]

    def register_page(letter: Annotated[str, Field(description="First letter of the entries")]) -> Output:
        """Look at all entries of the register that begin with a letter; takes two units."""
        state = store.read()
        pay(state, PAGE_UNITS)
        found = {key: state.register_entries[key] for key in sorted(state.register_entries) if key[:1] == letter}
        if not found:
            msg = f'the register has no page "{short(letter, 40)}"'
            raise ToolError(msg)
        return ", ".join(f"{key} {value}" for key, value in found.items()), found

    return [make_tool(register_lookup), make_tool(register_page)]


def _reservation_tools(store: DeskStore) -> list[BaseTool]:
    def list_offers(item: Annotated[str, Field(description="A room, a person or a thing")]) -> Output:
        """Tell at which hours something is free, and in which rooms it can be used where that matters."""
        offer = _offer(store.read(), item)
        where = f" in {', '.join(offer.rooms)}" if offer.rooms else ""
        return f"{item} {', '.join(map(str, offer.slots))}{where}", offer.model_dump()

    def reserve(
        item: Annotated[str, Field(description="A room, a person or a thing")],
        slot: Annotated[int, Field(description="An hour at which it is free")],
    ) -> Output:
        """Reserve something for an hour; a reservation cannot be changed or cancelled."""
        state = store.read()
        problem = _problem(state, item, slot)
        if problem:
            raise ToolError(problem)
        state.reservations[item] = slot
        store.write(state)
        return f"reserved {item} at {slot}", {item: slot}

    return [make_tool(list_offers), make_tool(reserve)]


def _offer(state: DeskState, item: str) -> Offer:
    if item not in state.offers:
        msg = f'nothing called "{short(item, 40)}" can be reserved'
        raise ToolError(msg)
    return state.offers[item]


def _problem(state: DeskState, item: str, slot: int) -> str:
    """Why something cannot be reserved; empty where it can."""
    offer = _offer(state, item)
    if item in state.reservations:
        return f"{item} is reserved at {state.reservations[item]} already"
    if slot not in offer.slots:
        return f"{item} is not free at {slot}"
    if offer.rooms and not any(state.reservations.get(room) == slot for room in offer.rooms):
        return f"no room for {item} is reserved at {slot}"
    return ""
