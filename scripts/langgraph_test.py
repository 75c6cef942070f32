"""Serves the agent by `langgraph dev` and talks to it over HTTP as a client would: schemas, a run, approval, an edit.

    make serve-test

Runs with the server's own environment (`.venv-langgraph`): its pins differ from those of the tests. No account, no key.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[1]
TASK = {"instruction": "What does cake cost?"}


def check(right: bool, what: str, got: Any = "") -> None:  # noqa: FBT001  (a statement of fact)
    """Print what holds; end where something does not."""
    print(f"{'ok    ' if right else 'FAILED'}  {what}", flush=True)
    if not right:
        sys.exit(f"got: {str(got)[:2000]}")


def talk(client: httpx.Client) -> None:
    """Everything that is tried."""
    (assistant,) = client.post("/assistants/search", json={}).json()
    check(assistant["graph_id"] == "tracer1", "the graph is served under its name", assistant)
    schemas = client.get(f"/assistants/{assistant['assistant_id']}/schemas").json()
    context = schemas.get("context_schema") or {}
    wanted = {"horizon", "max_steps", "approve_plan", "commitment"}
    check(
        wanted <= set(context.get("properties", {})), "its context schema names horizon, budgets and approval", context
    )
    check("policy" not in context.get("properties", {}), "and nothing that cannot be sent", context)

    done = run(client, new_thread(client), input=TASK)
    check((done["status"], done["answer"]) == ("finished", "5"), "a run ends with its answer", done)
    check([len(step["forecast"]) for step in done["forecast_log"]] == [2, 1], "its forecasts are in the result", done)
    short = run(client, new_thread(client), input=TASK, context={"horizon": 1})
    check(len(short["forecast_log"][0]["forecast"]) == 1, "a run's context is heeded", short)

    thread = new_thread(client)
    stopped = run(client, thread, input=TASK, context={"approve_plan": True})
    check(bool(stopped.get("__interrupt__")), "approve_plan stops the run before the first action", stopped)
    state = client.get(f"/threads/{thread}/state").json()
    (interrupt,) = state["tasks"][0]["interrupts"]
    check(len(interrupt["value"]["pairs"]) == 2, "the interrupt shows the forecast", interrupt)  # noqa: PLR2004
    check("decision" in interrupt["response_schema"]["properties"], "and says what reply it takes", interrupt)
    wrong = client.post(
        f"/threads/{thread}/runs/wait", json={**base({"approve_plan": True}), "command": {"resume": {"decision": "hm"}}}
    )
    state = client.get(f"/threads/{thread}/state").json()
    check(
        bool(state["tasks"] and state["tasks"][0]["interrupts"]), "an invalid reply can be answered again", wrong.text
    )
    edit = {"action": {"kind": "tool", "name": "price_of", "arguments": {"item": "tea"}}, "instruction": "Tea instead"}
    run(client, thread, command={"resume": {"decision": "edit", "pairs": [edit]}}, context={"approve_plan": True})
    ended = run(client, thread, command={"resume": {"decision": "approve"}}, context={"approve_plan": True})
    check(ended["forecast_log"][0]["execution"]["text"] == "3", "an edited forecast runs", ended)
    check(ended["status"] == "finished", "and the run comes to its end", ended)


def base(context: dict[str, Any] | None) -> dict[str, Any]:
    """What every run is asked with."""
    return {"assistant_id": "tracer1", "context": context or {}}


def new_thread(client: httpx.Client) -> str:
    """A thread of its own."""
    return str(client.post("/threads", json={}).json()["thread_id"])


def run(client: httpx.Client, thread: str, *, context: dict[str, Any] | None = None, **what: Any) -> Any:
    """Run to the end or the next interrupt."""
    reply = client.post(f"/threads/{thread}/runs/wait", json={**base(context), **what})
    check(reply.status_code == 200, f"the server answers ({', '.join(what)})", reply.text)  # noqa: PLR2004
    return reply.json()


def main() -> None:
    """Serve, talk, stop."""
    program = Path(sys.executable).with_name("langgraph")
    if not program.exists():
        sys.exit(f"{program} is missing; run this by `make serve-test`")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "TRACER1_MODEL": "scripted", "LANGSMITH_TRACING": "false"}
    folder = Path(tempfile.mkdtemp())  # the server keeps its state beside the config
    shutil.copy(ROOT / "langgraph.json", folder)
    for name in ("examples", "src", "pyproject.toml", "README.md", "LICENSE"):
        (folder / name).symlink_to(ROOT / name)
    command = [str(program), "dev", "--no-browser", "--no-reload", "--port", str(port)]
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)  # noqa: S603
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
            wait_for(client, server, folder / "server.log")
            talk(client)
    finally:
        server.terminate()
        server.wait(30)
        shutil.rmtree(folder)


def wait_for(client: httpx.Client, server: subprocess.Popen[bytes], log: Path) -> None:
    """Until the server answers."""
    for _ in range(240):
        if server.poll() is not None:
            sys.exit(f"langgraph dev ended with {server.returncode}:\n{log.read_text()[-3000:]}")
        try:
            if client.get("/ok").status_code == 200:  # noqa: PLR2004
                return
        except httpx.TransportError:
            time.sleep(0.5)
    sys.exit(f"langgraph dev did not come up within two minutes:\n{log.read_text()[-3000:]}")


if __name__ == "__main__":
    main()
