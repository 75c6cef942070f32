"""What users install: the wheel alone, without this repository, answers the first task with the planner inside it.

The environment is a new one that sees the installed libraries, but not the editable install of this package.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.torch]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    pytest.importorskip("build", reason="build is not installed (extra dev)")
    pytest.importorskip("hatchling", reason="hatchling is not installed (extra dev)")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Runs Python in a fresh environment with the wheel."""
    home = tmp_path_factory.mktemp("fresh")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home / "venv")], check=True)  # noqa: S603
    python = home / "venv" / "bin" / "python"
    place = subprocess.run(  # noqa: S603
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)  # what pip does with a pure wheel, scripts apart
    # the libraries of this environment; its own .pth files, and with them the editable install, are not followed
    Path(place, "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        return subprocess.run(  # noqa: S603
            [python, *arguments], cwd=home, env=environment, capture_output=True, text=True, check=False, timeout=600
        )

    where = run("-c", "import tracer1_agents; print(tracer1_agents.__file__)").stdout
    assert str(home) in where, where
    return run


def test_it_carries_what_it_needs_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    roots = {name.split("/")[0] for name in names}
    assert roots == {"tracer1_agents", next(root for root in roots if root.endswith(".dist-info"))}
    assert any(name.endswith("assets/tracer1-tiny/model.safetensors") for name in names)
    assert any(name.endswith("py.typed") for name in names)
    assert any("licenses/LICENSE" in name for name in names)
    assert not any("__pycache__" in name or name.endswith(".log") for name in names)


def test_its_metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))).decode()
    assert "License-Expression: Apache-2.0" in metadata
    extras = set(re.findall(r"^Provides-Extra: (\S+)", metadata, flags=re.MULTILINE))
    assert {"agents", "local", "tools", "train", "e2b", "browser", "eval", "mcp", "vllm", "all"} <= extras


def test_the_quick_start(installed):
    page = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    done = installed("-c", block)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith("16 finished"), done.stdout


def test_doctor(installed):
    done = installed("-c", "from tracer1_agents.cli import main; raise SystemExit(main(['doctor', '--json']))")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "tracer1-tiny" in json.dumps(json.loads(done.stdout))
