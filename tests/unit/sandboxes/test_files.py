"""The host's side of the workspace against names and files that mean harm."""

from __future__ import annotations

import os

import pytest

from tracer1_agents.errors import ConfigurationError
from tracer1_agents.sandboxes.base import Limits
from tracer1_agents.sandboxes.files import Workspace

LIMITS = Limits(files=5, file_bytes=100, disk_bytes=250)


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "workspace"
    folder.mkdir()
    (tmp_path / "secret").write_text("hunter2")
    return folder


@pytest.mark.parametrize(
    "path",
    ["../x", "/etc/x", "a/../../x", "", ".", "a//b", "a/", ".env", ".git/config", "a/.b/c", "a\n", "a\0b", "\ud800",
     "n" * 256, "/".join("abcdefghijklmnopq")],
)  # fmt: skip
def test_refuses_names_that_are_not_plain(root, path):
    assert Workspace(root, LIMITS).write(path, b"x") == "not a plain relative path"
    assert sorted(item.name for item in root.parent.rglob("*")) == ["secret", "workspace"]


def test_writes_into_new_folders_without_execute_bits(root):
    assert Workspace(root, LIMITS).write("a/b/c.txt", b"x") is None
    assert (root / "a/b/c.txt").read_bytes() == b"x"
    assert (root / "a/b/c.txt").stat().st_mode & 0o111 == 0
    assert [item.name for item in (root / "a/b").iterdir()] == ["c.txt"]


def test_replaces_a_link_instead_of_following_it(root):
    (root / "link").symlink_to(root.parent / "secret")
    assert Workspace(root, LIMITS).write("link", b"x") is None
    assert (root.parent / "secret").read_text() == "hunter2"
    assert not (root / "link").is_symlink()


def test_does_not_walk_through_a_linked_folder(root):
    (root / "out").symlink_to(root.parent)
    assert Workspace(root, LIMITS).write("out/planted", b"x")
    assert not (root.parent / "planted").exists()


def test_does_not_replace_a_folder(root):
    (root / "a").mkdir()
    assert Workspace(root, LIMITS).write("a", b"x")
    assert [item.name for item in root.iterdir()] == ["a"]


def test_carries_regular_visible_files_once(root):
    (root / "sub").mkdir()
    (root / "a.csv").write_text("a")
    (root / "sub/b.csv").write_text("b")
    (root / ".env").write_text("hunter2")
    (root / ".git").mkdir()
    (root / ".git/config").write_text("hunter2")
    (root / "link").symlink_to(root.parent / "secret")
    (root / "linked").symlink_to(root.parent, target_is_directory=True)
    os.mkfifo(root / "pipe")
    workspace = Workspace(root, LIMITS)
    assert workspace.pending().files == [("a.csv", b"a"), ("sub/b.csv", b"b")]
    assert workspace.pending().files == []
    (root / "a.csv").write_text("changed")
    assert workspace.pending().files == [("a.csv", b"changed")]
    workspace.forget()
    assert [path for path, _ in workspace.pending().files] == ["a.csv", "sub/b.csv"]


def test_what_came_back_is_not_carried_in_again(root):
    workspace = Workspace(root, LIMITS)
    workspace.write("new.txt", b"x")
    assert workspace.pending().files == []


def test_sizes_and_counts_are_limited_and_named(root):
    (root / "big").write_bytes(bytes(101))
    for name in "abc":
        (root / name).write_bytes(bytes(90))
    pending = Workspace(root, LIMITS).pending()
    assert [path for path, _ in pending.files] == ["a", "b"]
    assert pending.dropped == ["big: 101 bytes do not fit into the sandbox", "c: 90 bytes do not fit into the sandbox"]
    for number in range(9):
        (root / f"d{number}").write_text("")
    more = [note for note in Workspace(root, LIMITS).pending().dropped if "more than 5" in note]
    assert more == [f"d{number}: more than 5 files in the workspace" for number in range(3, 9)]


def test_a_name_that_is_not_carried_is_named(root):
    for name in ("at 3.15\u202fPM.png", "a\u3000b.csv", "line\nend.txt", "turned\u202e.txt", ".env"):
        (root / name).write_text("x")
    (root / "fold\ner").mkdir()
    (root / "fold\ner" / "inner.txt").write_text("x")
    pending = Workspace(root, LIMITS).pending()
    assert sorted(path for path, _ in pending.files) == ["at 3.15\u202fPM.png", "a\u3000b.csv"]
    assert sorted(note.partition(": ")[0] for note in pending.dropped) == [
        "fold\ner/inner.txt",
        "line\nend.txt",
        "turned\u202e.txt",
    ]


def test_a_workspace_must_exist(root):
    with pytest.raises(ConfigurationError, match="existing folder"):
        Workspace(root / "missing", LIMITS)
