"""What passes between a session in bubblewrap and the host: files by copy, and calls by name."""

from __future__ import annotations

import threading

import pytest

from tracer1_agents.sandboxes.base import Limits

pytestmark = pytest.mark.bwrap


@pytest.fixture
def root(tmp_path):
    """A workspace that only its owner can read: the sandbox's user never touches it."""
    folder = tmp_path / "workspace"
    folder.mkdir(mode=0o700)
    (folder / "a.csv").write_text("x\n1\n2\n")
    (folder / "a.csv").chmod(0o600)
    return folder


class TestFiles:
    def test_go_in_and_come_back(self, bubblewrap, root):
        with bubblewrap.open(root) as session:
            result = session.run("import os\nos.makedirs('out')\nopen('out/b.txt', 'w').write(open('a.csv').read())")
        assert result.files == ("out/b.txt",)
        assert (root / "out/b.txt").read_text() == "x\n1\n2\n"

    def test_only_changes_come_back(self, bubblewrap, root):
        with bubblewrap.open(root) as session:
            assert session.run("open('b', 'w').write('1')").files == ("b",)
            assert session.run("open('b').read()").files == ()
            assert session.run("open('a.csv', 'a').write('3\\n')").files == ("a.csv",)
        assert (root / "a.csv").read_text() == "x\n1\n2\n3\n"

    def test_later_changes_on_the_host_are_seen(self, bubblewrap, root):
        with bubblewrap.open(root) as session:
            session.run("1")
            (root / "late.txt").write_text("late")
            (root / "a.csv").write_text("other")
            assert session.run("open('late.txt').read() + open('a.csv').read()").value == "'lateother'"

    def test_outlive_the_interpreter(self, bubblewrap, root):
        with bubblewrap.open(root) as session:
            session.run("open('kept', 'w').write('kept')")
            session.run("import os; os._exit(1)")
            assert session.run("open('kept').read(), len(open('a.csv').read())").value == "('kept', 6)"

    def test_of_several_megabytes_arrive_whole(self, bubblewrap, root):
        data = bytes(range(256)) * 16384
        (root / "big").write_bytes(data)
        with bubblewrap.open(root) as session:
            result = session.run("data = open('big', 'rb').read(); open('copy', 'wb').write(data[::-1])")
        assert result.files == ("copy",)
        assert (root / "copy").read_bytes() == data[::-1]

    def test_links_pipes_sockets_and_hidden_names_stay_inside(self, bubblewrap, root):
        code = """
import os, socket
os.symlink('/etc/passwd', 'link')
os.symlink('/', 'root', target_is_directory=True)
os.mkfifo('pipe')
socket.socket(socket.AF_UNIX).bind('socket')
os.makedirs('.git'); open('.git/config', 'w').write('x'); open('.bashrc', 'w').write('x')
open('plain', 'w').write('x')
os.link('plain', 'hard')
"""
        with bubblewrap.open(root) as session:
            assert session.run(code).files == ("hard", "plain")
        assert sorted(item.name for item in root.iterdir()) == ["a.csv", "hard", "plain"]

    def test_a_link_in_place_of_a_file_does_not_lead_out(self, bubblewrap, root):
        with bubblewrap.open(root) as session:
            session.run("import os; os.unlink('a.csv'); os.symlink('/etc/passwd', 'a.csv')")
            (root / "a.csv").write_text("new")
            assert session.run("open('a.csv').read()").value == "'new'"

    def test_too_many_and_too_large_are_named(self, bubblewrap, root):
        limits = Limits(files=3, file_bytes=1000)
        (root / "large").write_bytes(bytes(2000))
        with bubblewrap.open(root, limits=limits) as session:
            result = session.run("for n in range(5): open(f'n{n}', 'w').write('x')")
            assert result.files == ("n0", "n1", "n2")
            assert result.missing_files == ("large: 2000 bytes do not fit into the sandbox",)
            assert result.dropped_files == (
                "n3: more than 3 files",
                "n4: more than 3 files",
            )

    def test_every_file_that_stays_out_is_counted(self, bubblewrap, root):
        for number in range(20):
            (root / f"n{number:02}").write_text("x")
        with bubblewrap.open(root, limits=Limits(files=5)) as session:
            result = session.run("import os; len(os.listdir())")
        assert result.value == "5"
        assert len(result.missing_files) == 16
        assert result.missing_files[0] == "n04: more than 5 files in the workspace"

    def test_what_the_code_made_itself_is_not_missing(self, bubblewrap, root):
        with bubblewrap.open(root, limits=Limits(files=3)) as session:
            for start in (0, 3):
                session.run(f"for n in range({start}, {start} + 3): open(f'n{{n}}', 'w').write('x')")
            assert session.run("1").missing_files == ()
            session.run("import os; os._exit(1)")
            assert len(session.run("1").missing_files) == 4

    def test_a_hundred_files_more_than_were_carried_once(self, bubblewrap, root):
        for number in range(356):
            (root / f"n{number:03}").write_text("x")
        with bubblewrap.open(root) as session:
            result = session.run("import os; len(os.listdir())")
        assert (result.value, result.missing_files) == ("357", ())

    def test_a_file_the_code_is_in_the_way_of_is_named(self, bubblewrap, root):
        with bubblewrap.open(root) as session:
            session.run("import os; os.makedirs('late.txt')")
            (root / "late.txt").write_text("late")
            result = session.run("1")
            assert result.missing_files[0].startswith("late.txt: could not be put into the sandbox")
            assert result.dropped_files == ()

    def test_forged_paths_do_not_lead_out(self, bubblewrap, root):
        code = """
import base64, gc
from tracer1_agents.sandboxes.inside.protocol import Channel
channel = next(item for item in gc.get_objects() if isinstance(item, Channel))
for path in ('../planted', '/tmp/planted', '.git/hooks/post-checkout', 'fine'):
    channel.send({'op': 'file', 'path': path, 'data': base64.b64encode(b'x').decode(), 'last': True})
"""
        with bubblewrap.open(root) as session:
            result = session.run(code)
        assert result.files == ("fine",)
        assert len(result.dropped_files) == 3
        assert sorted(item.name for item in root.parent.rglob("*")) == ["a.csv", "fine", "workspace"]


def add(first, second=0):
    return first + second


def refuse():
    problem = "the table has no column 'y'; columns: x"
    raise LookupError(problem)


class TestCalls:
    @pytest.fixture
    def session(self, bubblewrap):
        with bubblewrap.open(host_calls={"add": add, "refuse": refuse}) as opened:
            yield opened

    def test_return_json(self, session):
        assert session.run("[add(n, second=1) for n in range(3)] + add([1], [{'a': None}])").value == (
            "[1, 2, 3, 1, {'a': None}]"
        )

    def test_errors_surface_as_runtime_errors_with_the_message(self, session):
        result = session.run("try:\n    refuse()\nexcept RuntimeError as error:\n    print(error)\nrefuse()\n")
        assert result.stdout == "the table has no column 'y'; columns: x\n"
        assert result.error == "RuntimeError: the table has no column 'y'; columns: x"

    @pytest.mark.parametrize(
        ("code", "error"),
        [
            ("add(object())", "TypeError: add() takes JSON arguments"),
            ("multiply(1, 2)", "NameError: name 'multiply' is not defined"),
            ("add()", "RuntimeError: add() missing 1 required positional argument: 'first'"),
            ("type(add)('os.system', add._desk)('id')", "RuntimeError: no host function 'os.system'"),
        ],
    )
    def test_mistakes_are_explained(self, session, code, error):
        assert session.run(code).error.startswith(error)

    def test_only_the_main_process_can_call(self, session):
        code = "import os\nif os.fork() == 0:\n    add(1)\nos.wait()\nadd(1)\n"
        result = session.run(code)
        assert result.value == "1"

    def test_threads_take_turns(self, session):
        code = """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(4) as pool:
    found = list(pool.map(add, range(20)))
found == list(range(20))
"""
        assert session.run(code).value == "True"

    def test_a_thread_left_behind_cannot_call_between_runs(self, session):
        code = """
import threading, time
def later():
    time.sleep(0.2)
    try: add(1)
    except RuntimeError as error: seen.append(str(error))
seen = []
thread = threading.Thread(target=later)
thread.start()
"""
        session.run(code)
        assert session.run("'meanwhile'").value == "'meanwhile'"
        threading.Event().wait(0.4)
        assert session.run("seen").value == "['host functions can only be called while a run is under way']"

    def test_an_abandoned_call_does_not_confuse_the_next(self, bubblewrap):
        released = threading.Event()
        with bubblewrap.open(host_calls={"slow": lambda: released.wait(0.4), "add": add}) as session:
            code = """
import signal
def interrupt(*_): raise TimeoutError
signal.signal(signal.SIGALRM, interrupt)
signal.setitimer(signal.ITIMER_REAL, 0.1)
try: slow()
except TimeoutError: pass
import time; time.sleep(0.5)
add(40, 2)
"""
            assert session.run(code).value == "42"

    def test_a_host_function_that_hangs_ends_with_the_run(self, bubblewrap):
        released = threading.Event()
        with bubblewrap.open(host_calls={"hang": released.wait}) as session:
            assert session.run("hang()", timeout=0.3).timed_out
            assert session.run("1").value == "1"
        released.set()

    def test_number_of_calls_is_limited(self, bubblewrap):
        with bubblewrap.open(host_calls={"add": add}, limits=Limits(host_calls=5)) as session:
            assert session.run("for n in range(10): add(n)").error == "RuntimeError: more than 5 host calls in one run"
            assert session.run("add(1)").value == "1"

    def test_a_flood_of_requests_ends_the_run(self, session):
        code = """
while True:
    add._desk._channel.send({'op': 'call', 'name': 'add', 'args': [1], 'kwargs': {}})
"""
        result = session.run(code)
        assert result.error.startswith("the code flooded the host with calls")
        assert result.state_lost
