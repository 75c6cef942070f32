"""An OpenAI-compatible server on loopback that answers as vLLM does, or as a script says."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REPLY = 'finish(answer="42") # "say it"'


def completion(text=REPLY, **changes):
    """What vLLM answers when log-probabilities and token ids are asked for.

    Args:
        text: Of the reply; each character is a token here.
        changes: Fields of the choice to set; None takes the field out.
    """
    ids = [ord(character) for character in text]
    content = [{"token": chr(one), "logprob": -one / 1000, "bytes": None, "top_logprobs": []} for one in ids]
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "logprobs": {"content": content},
        "finish_reason": "stop",
        "token_ids": ids,
        **changes,
    }
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "tracer1-test",
        "choices": [{name: value for name, value in choice.items() if value is not None}],
        "prompt_token_ids": [1, 2, 3],
        "usage": {"prompt_tokens": 3, "completion_tokens": len(ids), "total_tokens": 3 + len(ids)},
    }


class _Handler(BaseHTTPRequestHandler):
    server: ScriptedServer

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        script = self.server.script
        answer = script[min(len(self.server.asked), len(script) - 1)] if script else completion()
        self.server.asked.append((body, dict(self.headers)))
        self._give(answer(body) if callable(answer) else answer)

    def do_GET(self):
        page = self.server.pages.get(self.path.partition("?")[0])
        self._give(404 if page is None else page)

    def _give(self, answer):
        if answer == "drop":  # the connection ends without a word
            self.close_connection = True
            self.connection.close()
            return
        if isinstance(answer, tuple):
            seconds, answer = answer
            time.sleep(seconds)
        status = answer if isinstance(answer, int) else 200
        kind = "text/html" if isinstance(answer, str) else "application/json"
        answer = {"error": {"message": "not now"}} if status != 200 else answer
        content = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        try:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except BrokenPipeError:  # the client has given up
            self.close_connection = True

    def log_message(self, *args):
        pass


class ScriptedServer(ThreadingHTTPServer):
    """Gives one entry of `script` a request, the last one for ever after.

    Entries: an answer, a status, "drop", HTML text, (seconds, answer), or a function of the request's body.
    """

    daemon_threads = True

    def __init__(self, script=(), port=0):
        super().__init__(("127.0.0.1", port), _Handler)
        self.script, self.asked = list(script), []
        self.pages = {"/v1/models": {"data": [{"id": "tracer1-test"}]}, "/version": {"version": "0.22.1"}}
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, request, client_address):
        pass  # dropped connections are on purpose

    def close(self):
        self.shutdown()
        self.server_close()

    def back(self):
        """The same server on the same port, after it was closed."""
        again = ScriptedServer(self.script, self.server_port)
        again.asked, again.pages = self.asked, self.pages
        return again
