"""Code that runs inside an E2B sandbox on our behalf: set-up, host calls, and the list of files.

A host call is a line of JSON on standard output behind a mark that only this context knows; its answer is a file that
the host writes. Code can forge a call, and gains nothing: it may make that call anyway.
"""

from __future__ import annotations

import json
from string import Template
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_SET_UP: Final = Template("""
def _tracer1_set_up():
    import json, os, sys, time
    home = os.path.join(os.path.expanduser("~"), $folder)
    for folder in ("work", "calls"):
        os.makedirs(os.path.join(home, folder), exist_ok=True)
    os.chdir(os.path.join(home, "work"))
    count = [0]

    def host_call(name):
        def call(*args, **kwargs):
            count[0] += 1
            request = {"op": "call", "id": count[0], "name": name, "args": args, "kwargs": kwargs}
            try:
                text = json.dumps(request)
            except (TypeError, ValueError) as error:
                raise TypeError(f"{name}() takes JSON arguments (text, numbers, lists, dicts): {error}") from None
            sys.stdout.write("\\n" + $mark + text + "\\n")
            sys.stdout.flush()
            path = os.path.join(home, "calls", $nonce + "-" + str(count[0]))
            while True:
                try:
                    with open(path) as file:
                        answer = json.loads(file.read())
                    break
                except (OSError, ValueError):
                    time.sleep(0.01)
            os.unlink(path)
            if answer.get("ok"):
                return answer.get("value")
            raise RuntimeError(answer.get("error"))

        call.__name__ = call.__qualname__ = name
        return call

    for name in $names:
        globals()[name] = host_call(name)
    print($mark + json.dumps({"op": "ready", "home": home}))


_tracer1_set_up()
del _tracer1_set_up
""")

_LIST: Final = Template("""
def _tracer1_list():
    import json, os, stat
    root, found = os.path.join($home, "work"), []
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = os.path.join(folder, name)
            try:
                status = os.lstat(path)
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode) and not name.startswith(".") and len(found) < $most:
                found.append([os.path.relpath(path, root), status.st_mtime_ns, status.st_size, status.st_ino])
    print($mark + json.dumps({"op": "files", "files": found}))


_tracer1_list()
del _tracer1_list
""")


def set_up(folder: str, mark: str, nonce: str, names: Sequence[str]) -> str:
    """Make the working folder and the host calls.

    Args:
        folder: Name of the session's folder in the home of the sandbox.
        mark: What stands before every line that is for the host.
        nonce: First part of the names of answer files.
        names: The host calls.
    """
    texts = {"folder": folder, "mark": mark, "nonce": nonce}
    return _SET_UP.substitute(names=json.dumps(list(names)), **{key: repr(value) for key, value in texts.items()})


def list_files(home: str, mark: str, most: int) -> str:
    """Print the regular files of the working folder, hidden ones left out.

    Args:
        home: The session's folder, as `set_up` told it.
        mark: As in `set_up`.
        most: How many.
    """
    return _LIST.substitute(home=repr(home), mark=repr(mark), most=most)
