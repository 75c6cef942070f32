"""The launch files are what their programs read. None of them was run on a GPU."""

import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest
import yaml

pytest.importorskip("trl", reason="trl is not installed (extra train)")

from accelerate.commands.config.config_args import ClusterConfig, load_config_from_file
from accelerate.commands.launch import launch_command_parser

from tracer1_agents.errors import ConfigurationError
from tracer1_agents.training.config import load_config
from tracer1_agents.training.refusals import check_engine
from tracer1_agents.training.stage2 import Stage2Config

pytestmark = pytest.mark.torch
LAUNCH = files("tracer1_agents") / "assets" / "launch"
SCRIPTS = Path(__file__).parents[3] / "scripts"
SKY = SCRIPTS / "skypilot_stage2.yaml"
BASH = shutil.which("bash")


@pytest.mark.parametrize(
    ("name", "kind", "machines", "processes"),
    [
        ("single_gpu", "NO", 1, 1),
        ("ddp", "MULTI_GPU", 1, 8),
        ("fsdp2", "FSDP", 1, 8),
        ("fsdp2_two_nodes", "FSDP", 2, 16),
    ],
)
def test_accelerate_reads_its_configs(name, kind, machines, processes):
    config = load_config_from_file(str(LAUNCH / f"{name}.yaml"))
    assert isinstance(config, ClusterConfig)
    assert (config.distributed_type.value, config.num_machines, config.num_processes) == (kind, machines, processes)
    assert config.mixed_precision == "no"  # trainer.bf16 decides
    known = vars(launch_command_parser().parse_args(["--cpu", "script.py"]))
    assert set(config.fsdp_config) <= set(known)
    assert bool(config.fsdp_config) == (kind == "FSDP")
    assert config.fsdp_config.get("fsdp_version", 2) == 2


def test_every_launch_file_says_that_no_gpu_was_used():
    texts = [path.read_text(encoding="utf-8") for path in LAUNCH.iterdir()]
    texts += [(SCRIPTS / name).read_text(encoding="utf-8") for name in ("slurm_stage2.sh", "skypilot_stage2.yaml")]
    assert len(texts) == 6
    assert all("Not run on GPUs by" in text for text in texts)


def commands():
    sky = yaml.safe_load(SKY.read_text(encoding="utf-8"))
    return [(SCRIPTS / "slurm_stage2.sh").read_text(encoding="utf-8"), sky["setup"], sky["run"]]


@pytest.mark.skipif(BASH is None, reason="bash is not installed")
@pytest.mark.parametrize("at", range(3))
def test_bash_reads_the_scripts(at):
    done = subprocess.run(  # noqa: S603
        [BASH, "-n"], input=commands()[at], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("at", [0, 2])
def test_the_scripts_ask_for_options_that_go_together(at):
    text = commands()[at]
    assert 'files("tracer1_agents") / "assets/launch"' in text
    assert "$launch/$LAUNCH.yaml" in text
    named = set(re.findall(r"LAUNCH(?:=|: |:-)(\w+)", "\n".join(commands()) + SKY.read_text(encoding="utf-8")))
    assert named == {"ddp", "fsdp2_two_nodes"}
    assert all((LAUNCH / f"{name}.yaml").is_file() for name in named)
    overrides = re.findall(r'--set "?([\w.]+=[^\s"]+)', text)
    config = load_config(Stage2Config, "tiny/stage2", overrides)
    check_engine(config)
    assert (config.rollout.way, config.rollout.engine, config.rollout.vllm_mode) == ("replay", "vllm", "server")
    assert config.rollout.vllm_server_url.startswith("http://$")


def test_a_sampler_that_needs_whole_weights_is_refused_where_they_are_spread(monkeypatch):
    config = load_config(Stage2Config, "tiny/stage2")
    check_engine(config)
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(ConfigurationError, match=r"use rollout\.engine: vllm"):
        check_engine(config)
