"""`tracer1 ground`: one grounding from the command line, drawn."""

from __future__ import annotations

import pytest
from PIL import Image

from tracer1_agents import cli
from tracer1_agents.testing import ScriptedServer, chat_completion

pytest.importorskip("langchain_openai")

RED = (255, 0, 0)


@pytest.fixture
def screenshot(tmp_path):
    path = tmp_path / "screen.png"
    Image.new("RGB", (560, 280), "white").save(path)
    return path


@pytest.fixture
def serve():
    servers = []

    def start(*replies):
        servers.append(ScriptedServer([chat_completion(reply) for reply in replies]))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def ground(*arguments):
    return cli.main(["ground", *map(str, arguments)])


def test_a_point_is_drawn_where_the_model_says(screenshot, tmp_path, serve, capsys):
    server = serve("Thought: There.\nAction: click(start_box='(500,250)')")
    out = tmp_path / "point.png"
    asked = ("click the search field", "--base-url", server.url, "--model", "UI-TARS-7B", "--out", out)
    assert ground(screenshot, *asked) == 0
    said = capsys.readouterr().out
    assert "screenshot  560 x 280 pixels" in said
    assert "reply       Thought: There. Action: click(start_box='(500,250)')" in said
    assert "point       280, 70 pixels (0.5000, 0.2500)" in said
    # the same numbers elsewhere: 500 of 560 pixels, and of the 1000 that are none of a ratio
    assert "the numbers 500, 250 read in each frame" in said
    assert "  pixels          500, 250 pixels" in said
    assert "  ratio           outside the screenshot" in said
    with Image.open(out) as picture:
        assert picture.getpixel((280, 70)) == RED
        assert picture.size == (560, 280)
    with Image.open(screenshot) as untouched:
        assert untouched.getpixel((280, 70)) == (255, 255, 255)
    (body, _) = server.asked[0]
    assert [message["role"] for message in body["messages"]] == ["user"]
    assert (body["model"], body["temperature"]) == ("UI-TARS-7B", 0)
    assert "click the search field" in str(body["messages"][0]["content"])


def test_another_frame_moves_it(screenshot, serve, capsys):
    server = serve("Action: click(point='<point>280 140</point>')")
    common = (screenshot, "x", "--base-url", server.url, "--model", "m", "--profile", "ui-tars")
    assert ground(*common, "--frame", "pixels") == 0
    assert "point       280, 140 pixels" in capsys.readouterr().out
    assert ground(*common) == 0
    assert "point       157, 39 pixels" in capsys.readouterr().out


def test_a_drag_and_a_whole_action(screenshot, tmp_path, serve, capsys):
    server = serve("Action: drag(start_box='(100,100)', end_box='(900,900)')", "Action: type(content='hello')")
    common = (screenshot, "x", "--base-url", server.url, "--model", "UI-TARS-7B")
    assert ground(*common, "--drag", "--out", tmp_path / "a.png") == 0
    assert capsys.readouterr().out.count("point  ") == 2
    assert ground(*common, "--whole-action", "--out", tmp_path / "b.png") == 0
    assert 'action      type(content="hello")' in capsys.readouterr().out
    assert not (tmp_path / "b.png").exists()


def test_nothing_found_is_code_1(screenshot, tmp_path, serve, capsys):
    server = serve("I do not see it.")
    common = ("x", "--base-url", server.url, "--model", "UI-TARS-7B", "--out", tmp_path / "a.png")
    assert ground(screenshot, *common) == 1
    assert "no place was found" in capsys.readouterr().out
    assert not (tmp_path / "a.png").exists()


def test_elements(screenshot, tmp_path, capsys):
    listed = tmp_path / "elements.txt"
    listed.write_text('[1] button "OK" (0, 0, 56, 28)\n[2] link "Help" (280, 140, 560, 280)\n')
    assert ground(screenshot, "click help", "--grounder", "elements", "--elements", listed) == 0
    assert "point       420, 210 pixels" in capsys.readouterr().out


@pytest.mark.tesseract
def test_words(tmp_path, capsys):
    from PIL import ImageDraw, ImageFont  # noqa: PLC0415

    picture = Image.new("RGB", (800, 400), "white")
    ImageDraw.Draw(picture).text((600, 300), "Checkout", fill="black", font=ImageFont.load_default(size=24))
    picture.save(tmp_path / "a.png")
    assert ground(tmp_path / "a.png", "click 'Checkout'", "--grounder", "ocr") == 0
    assert "point       6" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--grounder", "model"), "a model needs --base-url and --model"),
        (("--base-url", "http://127.0.0.1:9", "--model", "gpt-5"), "no grounding profile for 'gpt-5'"),
        (("--base-url", "http://127.0.0.1:9", "--model", "UI-TARS", "--frame", "inches"), "there is no frame 'inches'"),
        (("--grounder", "elements"), "needs --elements FILE"),
        (
            ("--grounder", "elements", "--elements", "none.txt"),
            "cannot read the list of elements none.txt: No such file",
        ),
        (("--grounder", "ocr", "--model", "m"), "--model is for models; --grounder ocr asks none"),
        (("--grounder", "ocr", "--frame", "inches"), "there is no frame 'inches'"),
        (("--grounder", "ocr", "--elements", "a.txt"), "--elements is for --grounder elements"),
        (("--base-url", "http://127.0.0.1:9", "--model", "UI-TARS"), "no OpenAI-compatible endpoint answers"),
    ],
)
def test_what_is_missing(screenshot, arguments, message, capsys):
    assert ground(screenshot, "x", *arguments) == 2
    assert message in capsys.readouterr().err


def test_the_screenshot_itself_is_never_drawn_over(screenshot, tmp_path, capsys):
    (tmp_path / "list.txt").write_text('[1] button "Search" (280, 140, 560, 280)')
    (tmp_path / "link.png").symlink_to(screenshot)
    before = screenshot.read_bytes()
    for out in (screenshot, tmp_path / "link.png"):
        arguments = ("click 'Search'", "--grounder", "elements", "--elements", tmp_path / "list.txt", "--out", out)
        assert ground(screenshot, *arguments) == 2
        assert "is the screenshot itself" in capsys.readouterr().err
    assert screenshot.read_bytes() == before


def test_files_that_are_not_there_or_cannot_be_written(screenshot, tmp_path, serve, capsys):
    assert ground(tmp_path / "none.png", "x", "--grounder", "ocr") == 2
    assert "cannot read this picture" in capsys.readouterr().err
    (tmp_path / "text.png").write_text("no picture")
    assert ground(tmp_path / "text.png", "x", "--grounder", "ocr") == 2
    assert "not a picture: no format that is known" in capsys.readouterr().err
    server = serve("Action: click(start_box='(500,250)')")
    common = ("x", "--base-url", server.url, "--model", "UI-TARS-7B", "--out", tmp_path / "no" / "a.png")
    assert ground(screenshot, *common) == 2
    assert "cannot write" in capsys.readouterr().err
