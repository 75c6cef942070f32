"""The attack table against bubblewrap, started by root and by an ordinary user."""

from __future__ import annotations

import json
import os
import platform
import re
import socket
import traceback
from dataclasses import asdict, replace

import pytest
from attack_table import ATTACKS, Attack

from tracer1_agents.sandboxes.base import Limits, RunResult
from tracer1_agents.sandboxes.bubblewrap import BubblewrapSandbox

TOKEN = "hunter2-4c1d"  # noqa: S105  (what the attacks look for)
NOBODY = 65534
LIMITS = Limits(total_memory_bytes=600 << 20, disk_bytes=64 << 20, output_bytes=50_000, inodes=5000)
NUMBERS = {
    "x86_64": {"clone": 56, "bpf": 321, "keyctl": 250, "perf": 298},
    "aarch64": {"clone": 220, "bpf": 280, "keyctl": 219, "perf": 241},
}

pytestmark = pytest.mark.bwrap


@pytest.fixture(scope="module")
def sandbox():
    found = BubblewrapSandbox()
    probe = found.probe()
    if not probe.ok:
        pytest.skip(f"bubblewrap does not work here: {probe.reason}")
    return found


@pytest.fixture(scope="module")
def prey(tmp_path_factory):
    """What the host has that the attacks are after: a secret file, an environment, sockets that answer."""
    folder = tmp_path_factory.mktemp("prey")
    secret = folder / "secret.txt"
    secret.write_text(TOKEN)
    abstract = f"\0tracer1-{os.getpid()}"
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX) as hidden,
        socket.socket(socket.AF_UNIX) as visible,
        pytest.MonkeyPatch.context() as patch,
    ):
        hidden.bind(abstract)
        hidden.listen()
        visible.bind(str(folder / "socket"))
        visible.listen()
        patch.setenv("MY_SECRET_TOKEN", TOKEN)
        yield {
            "secret": str(secret),
            "token": TOKEN,
            "port": tcp.getsockname()[1],
            "abstract": abstract,
            "socket_path": str(folder / "socket"),
            "host_pid": os.getpid(),
            **NUMBERS[platform.machine()],
        }


def fill(text, prey):
    """Replace `{name}` and `{name!r}` of the prey; all other braces are the attack's own."""

    def value(match):
        return repr(prey[match["name"]]) if match["as_repr"] else str(prey[match["name"]])

    return re.sub(rf"\{{(?P<name>{'|'.join(prey)})(?P<as_repr>!r)?\}}", value, text)


def as_user(user, work):
    """Run in a forked child as another user, None as this one."""
    if user is None:
        return work()
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
            os.write(writable, json.dumps(asdict(work())).encode())
        except BaseException:  # noqa: BLE001  (pytest lives in the parent)
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(writable)
    with os.fdopen(readable, "rb") as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    assert text, "the forked test process failed; its traceback is in the captured output"
    return RunResult(**json.loads(text))


IDENTITIES = [None, NOBODY] if os.geteuid() == 0 else [None]


@pytest.mark.parametrize("user", IDENTITIES, ids=lambda user: f"uid {os.geteuid() if user is None else user}")
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_attack_is_stopped(sandbox, prey, attack: Attack, user):
    attack = replace(attack, code=fill(attack.code, prey))

    def work():
        with sandbox.open(limits=LIMITS) as session:
            return session.run(attack.code, timeout=attack.timeout)

    result = as_user(user, work)
    seen = f"{result.stdout}{result.error or ''}"
    assert "BREACH" not in seen, seen[:2000]
    assert re.search(attack.stopped, seen), seen[:2000]
    assert result.timed_out is attack.timed_out
    if attack.state_lost:
        assert result.state_lost
    assert len(result.stdout) <= LIMITS.output_bytes
