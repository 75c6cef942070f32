"""Which prompt profile a model gets when none is named."""

from pathlib import Path

import pytest

from tracer1_agents.graphs.build import _name_of
from tracer1_agents.planner.profiles import profile_for
from tracer1_agents.testing import ScriptedModel


@pytest.mark.parametrize(
    ("folder", "profile"),
    [
        ("tracer1-tiny/UI-TARS-7B", "ui-tars"),
        ("tracer1/my-model", "generic"),
        ("x/tracer1-tiny", "compact"),
        ("x/tracer1-gui-tiny", "compact-screen"),
    ],
)
def test_a_folder_is_known_by_its_own_name(tmp_path, folder, profile):
    path = tmp_path / folder
    path.mkdir(parents=True)
    assert profile_for(_name_of(path)) == profile
    assert profile_for(_name_of(str(path))) == profile


def test_hub_names_keep_their_owner():
    assert _name_of("ByteDance-Seed/UI-TARS-1.5-7B") == "ByteDance-Seed/UI-TARS-1.5-7B"
    assert _name_of(ScriptedModel(script=["x"], model="qwen3-vl-8b")) == "qwen3-vl-8b"
    assert not Path("ByteDance-Seed").exists()
