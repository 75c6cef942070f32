"""The doctor against made-up machines."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tracer1_agents import doctor
from tracer1_agents.doctor import State, Surroundings, examine, render
from tracer1_agents.errors import MissingExtraError
from tracer1_agents.sandboxes.base import Availability, Capabilities
from tracer1_agents.serving.local import write_checksums
from tracer1_agents.serving.tiny import SHIPPED
from tracer1_agents.tools.gta import gta_toolbox
from tracer1_agents.tools.toolbox import default_toolbox

REQUIREMENTS = [
    "pydantic<3,>=2.11",
    "typing-extensions>=4.12; python_version >= '3'",
    "rich>=13; extra == 'agents'",
    "pillow>=11; extra == 'agents'",
    "tracer1-agents[local]; extra == 'train'",
    "trl>=1.16; extra == 'train'",
    "inspect-ai>=0.3; extra == 'eval'",
]
EVERYTHING = {
    "pydantic": "2.14.3",
    "typing-extensions": "4.16.0",
    "rich": "15.0.0",
    "pillow": "13.0.0",
    "trl": "1.16.0",
    "inspect-ai": "0.3.285",
    **dict.fromkeys(("pypdf", "python-docx", "python-pptx", "openpyxl", "beautifulsoup4", "sympy", "matplotlib"), "9"),
}
PROGRAMS = ("bwrap", "tesseract", "chromium", "deno")


class FakeSandbox:
    def __init__(self, name, *, ok):
        self.name, self.ok = name, ok
        self.capabilities = Capabilities(packages="the standard library", subprocesses=False)

    def probe(self):
        install = "install it"
        return Availability(ok=True) if self.ok else Availability(ok=False, reason=f"gone; {install}", install=install)


@pytest.fixture
def planners(tmp_path):
    for name in SHIPPED:
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}", encoding="utf-8")
        write_checksums(tmp_path / name)
    return tmp_path


def machine(planners, *, versions=EVERYTHING, programs=PROGRAMS, sandbox=True, **others):
    return Surroundings(
        version=versions.get,
        requirements=others.pop("requirements", REQUIREMENTS),
        which=lambda name: f"/bin/{name}" if name in programs else None,
        sandboxes=[lambda: FakeSandbox("first", ok=False), lambda: FakeSandbox("second", ok=sandbox)],
        docker=lambda: FakeSandbox("docker", ok=others.get("docker", False)),
        environment=others.pop("environment", {}),
        devices=others.pop("devices", lambda: ["cuda:0 (H200, 139 GiB)", "cpu (2 threads)"]),
        planners=planners,
        system=others.pop("system", "linux"),
    )


def find(findings, name):
    (found,) = [finding for finding in findings if name in finding.name.split(", ")]
    return found


def find_tool(findings, name):
    return find([finding for finding in findings if finding.section in {"tool", "gta"}], name)


def test_a_machine_with_everything(planners):
    findings = examine(machine(planners))
    wrong = {finding.name for finding in findings if finding.state in {State.BROKEN, State.PARTLY, State.MISSING}}
    assert wrong == {"first"}  # the sandbox that is made up to fail
    assert find(findings, "agents").found == "rich 15.0.0, pillow 13.0.0"
    assert find(findings, "torch").found == "cuda:0 (H200, 139 GiB), cpu (2 threads)"
    assert find(findings, "bwrap").found == "/bin/bwrap"
    assert find_tool(findings, "python") == doctor.Finding(
        "tool", "python", State.OK, "in second, once it is handed in"
    )
    assert find(findings, "second").state is State.OK
    assert find(findings, "visualizer").state is State.OFF
    assert find(findings, "tracer1-tiny").found == "every file matches its checksum"


def test_missing_and_old_distributions_name_the_extra(planners):
    versions = {**EVERYTHING, "pillow": "9.5", "trl": None}
    findings = examine(machine(planners, versions=versions))
    old = find(findings, "agents")
    assert (old.state, old.found) == (State.PARTLY, "needs pillow >=11 (found 9.5)")
    assert old.fix == 'pip install "tracer1-agents[agents]"'
    missing = find(findings, "train")
    assert (missing.state, missing.found) == (State.MISSING, "needs trl")


def test_missing_programs_name_their_command(planners):
    debian = examine(machine(planners, programs=()))
    assert [(item.name, item.fix) for item in debian if item.section == "program"] == [
        ("bwrap", "apt-get install bubblewrap"),
        ("tesseract", "apt-get install tesseract-ocr"),
        ("chromium", "apt-get install chromium"),
        ("deno", "pip install deno"),
    ]
    ocr = find(debian, "ocr")
    assert (ocr.state, ocr.found) == (State.MISSING, "needs the program tesseract")
    mac = examine(machine(planners, programs=(), system="darwin"))
    assert find(mac, "tesseract").fix == "brew install tesseract"


def test_a_program_under_another_name_counts(planners):
    findings = examine(machine(planners, programs=("google-chrome",)))
    assert find(findings, "chromium").found == "/bin/google-chrome"


def test_tools_without_their_libraries(planners):
    versions = {name: version for name, version in EVERYTHING.items() if name not in {"pypdf", "openpyxl", "pillow"}}
    findings = examine(machine(planners, versions=versions))
    reader = find(findings, "inspect_file_as_text")
    assert (reader.state, reader.found) == (State.PARTLY, "without pdf, xlsx, images files")
    assert find(findings, "table_join").found == "without xlsx files"
    assert find(findings, "ocr").found == "needs pillow"
    assert find(findings, "calculator").state is State.OK


def test_code_is_off_without_a_sandbox(planners):
    findings = examine(machine(planners, sandbox=False))
    assert find_tool(findings, "python").state is State.MISSING
    first = find(findings, "first")
    assert (first.found, first.fix) == ("gone", "install it")


@pytest.mark.parametrize(
    ("spoil", "state", "says"),
    [
        (lambda folder: (folder / "config.json").unlink(), State.MISSING, "not in this installation"),
        (lambda folder: (folder / "SHA256SUMS").unlink(), State.BROKEN, "checksums are missing"),
        (lambda folder: (folder / "config.json").write_text("[]"), State.BROKEN, "does not match its checksum"),
    ],
)
@pytest.mark.parametrize("name", SHIPPED)
def test_the_planners_that_ship(planners, name, spoil, state, says):
    spoil(planners / name)
    found = find(examine(machine(planners)), name)
    assert found.state is state
    assert says in found.found
    assert found.fix


def raises(error):
    def devices():
        raise error

    return devices


def test_torch_missing_or_broken(planners):
    missing = find(examine(machine(planners, devices=raises(MissingExtraError("models", "local")))), "torch")
    assert (missing.state, missing.fix) == (State.MISSING, 'pip install "tracer1-agents[local]"')
    broken = find(examine(machine(planners, devices=raises(OSError("libcudart.so.13: not found")))), "torch")
    assert (broken.state, broken.found) == (State.BROKEN, "does not load: libcudart.so.13: not found")


def test_a_source_tree_that_is_not_installed(planners):
    findings = examine(machine(planners, requirements=[]))
    assert find(findings, "tracer1-agents").state is State.PARTLY
    assert not [item for item in findings if item.section == "extra"]


def test_the_report_has_every_line_and_its_command(planners):
    findings = examine(machine(planners, programs=()))
    text = render(findings)
    assert text.startswith("package\n  ok       python: ")
    assert "\nsandboxes\n" in text
    assert "  missing  tesseract: not on the path; for the tool ocr\n" in text
    assert "           to get it: apt-get install tesseract-ocr\n" in text
    assert max(map(len, text.splitlines())) <= 100
    joined = " ".join(text.split())
    assert all(finding.name in joined for finding in findings)


def test_every_extra_is_explained():
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(doctor.EXTRAS) == set(project["optional-dependencies"]) - {"all", "dev", "docs"}


def test_the_tools_that_the_doctor_calls_live_are_those_that_are_offered(tmp_path):
    """On this machine, with nothing handed in."""
    findings = list(doctor._tools(Surroundings(), []))
    for section, tools in (("tool", default_toolbox(tmp_path)), ("gta", gta_toolbox(tmp_path))):
        live = {
            name
            for finding in findings
            if finding.section == section and finding.state in {State.OK, State.PARTLY}
            for name in finding.name.split(", ")
        }
        assert live == {tool.name for tool in tools}


def test_what_is_off_says_what_it_needs(planners):
    findings = examine(machine(planners))
    assert find(findings, "visualizer").found == "until you hand in a vision model"
    assert find(findings, "navigational_web_search").found == "until you hand in a web backend that searches"
    faces = find(findings, "facedetection")
    assert faces.found == "until you hand in a face detector or a vision model, or install opencv-python-headless"
    assert faces.fix == 'pip install "tracer1-agents[vision]"'
    opencv = examine(machine(planners, versions={**EVERYTHING, "opencv-python-headless": "4.14"}))
    assert find(opencv, "facedetection").found == "live, by opencv-python-headless"
    assert find(findings, "inspect_file_as_text").found == "live; sound with a speech model"
    assert find(findings, "TextToImage").found == "until you hand in an image generator"
    assert find(findings, "Plot").found == "in second, once it is handed in"


@pytest.mark.parametrize(
    ("programs", "works", "state"),
    [((), False, State.OFF), (("docker",), False, State.MISSING), (("docker",), True, State.OK)],
)
def test_docker_is_tried_where_its_program_is(planners, programs, works, state):
    found = find(examine(machine(planners, programs=programs, docker=works)), "docker")
    assert found.state is state


@pytest.mark.parametrize(
    ("environment", "state", "said"),
    [
        ({}, State.OFF, "until one of E2B_API_KEY"),
        ({"E2B_API_KEY": ""}, State.OFF, "until one of E2B_API_KEY"),
        ({"E2B_API_KEY": "secret"}, State.PARTLY, "E2B_API_KEY set; not tried"),
    ],
)
def test_e2b_is_not_tried_since_it_may_cost_money(planners, environment, state, said):
    versions = {**EVERYTHING, "e2b-code-interpreter": "2.0"}
    found = find(
        [
            item
            for item in examine(machine(planners, versions=versions, environment=environment))
            if item.section == "sandbox"
        ],
        "e2b",
    )
    assert (found.state, said in found.found, "secret" in found.found) == (state, True, False)


def test_e2b_without_its_sdk_says_what_to_install(planners):
    versions = {key: value for key, value in EVERYTHING.items() if key != "e2b-code-interpreter"}
    found = [
        item
        for item in examine(machine(planners, versions=versions))
        if (item.section, item.name) == ("sandbox", "e2b")
    ]
    assert [(item.state, item.fix) for item in found] == [(State.OFF, 'pip install "tracer1-agents[e2b]"')]
