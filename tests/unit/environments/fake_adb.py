"""A fake adb: answers from a list of exchanges, in order, and notes what it was asked.

It is started as a program. FAKE_ADB names a folder with `exchanges.json`, a list of {"ask": [arguments], "say": text,
"hex": bytes, "code": exit code, "error": text}; what was asked goes to `asked.jsonl`. Another question than the next
one is an error, so that the tests see every call.
"""

import json
import os
import pathlib
import sys

folder = pathlib.Path(os.environ["FAKE_ADB"])
arguments = sys.argv[1:]
log = folder / "asked.jsonl"
number = len(log.read_text().splitlines()) if log.exists() else 0
with log.open("a") as file:
    file.write(json.dumps(arguments) + "\n")
exchanges = json.loads((folder / "exchanges.json").read_text())
if number >= len(exchanges) or exchanges[number]["ask"] != arguments:
    expected = exchanges[number]["ask"] if number < len(exchanges) else None
    sys.exit(f"fake adb: asked {arguments}, expected {expected}")
exchange = exchanges[number]
sys.stdout.buffer.write(bytes.fromhex(exchange.get("hex", "")) or exchange.get("say", "").encode())
sys.stderr.write(exchange.get("error", ""))
sys.exit(exchange.get("code", 0))
