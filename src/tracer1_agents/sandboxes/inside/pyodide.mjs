// Entry point of a worker that is WebAssembly: CPython compiled by Pyodide, in a Deno process without permissions.
//
// Requests come on standard input and replies go to standard output, both read and written synchronously, so that a
// host call blocks the code exactly as it does in a process. What the code prints goes to standard error.
// Called as `pyodide.mjs <folder of the Python sources>`; the loop itself is loop.py.

import { loadPyodide } from "npm:pyodide@0.28.3";

const sources = Deno.args[0];
const inside = "/run/tracer1_agents/sandboxes/inside";

function writeAll(stream, bytes) {
  for (let done = 0; done < bytes.length; ) done += stream.writeSync(bytes.subarray(done));
}

let waiting = new Uint8Array();

// One line without its newline, as text; "" at the end of the input.
function readLine() {
  const decoder = new TextDecoder();
  let line = "";
  for (;;) {
    const end = waiting.indexOf(10);
    if (end >= 0) {
      line += decoder.decode(waiting.subarray(0, end));
      waiting = waiting.subarray(end + 1);
      return line;
    }
    line += decoder.decode(waiting, { stream: true });
    const block = new Uint8Array(65536);
    const count = Deno.stdin.readSync(block);
    if (count === null) return "";
    waiting = block.subarray(0, count);
  }
}

const pyodide = await loadPyodide();
const output = { write: (bytes) => (writeAll(Deno.stderr, bytes), bytes.length) };
pyodide.setStdout(output);
pyodide.setStderr(output);
pyodide.FS.mkdirTree(inside);
for (const file of Deno.readDirSync(sources)) {
  if (file.name.endsWith(".py")) pyodide.FS.writeFile(`${inside}/${file.name}`, Deno.readFileSync(`${sources}/${file.name}`));
}
pyodide.registerJsModule("host_pipe", {
  read_line: readLine,
  write: (proxy) => writeAll(Deno.stdout, proxy.toJs()),
});
pyodide.runPython(`
import os, sys
sys.path.insert(0, "/run")
from tracer1_agents.sandboxes.inside.loop import serve
from tracer1_agents.sandboxes.inside.protocol import Channel
from pyodide.ffi import to_js
import host_pipe
del sys.path[0]
os.makedirs("/work")
os.chdir("/work")
serve(Channel(host_pipe.read_line, lambda data: host_pipe.write(data)), "/work", lambda limits: None)
`);
Deno.exit(0);
