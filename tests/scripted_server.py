"""What a vLLM server on loopback answers."""

from __future__ import annotations

from tracer1_agents.testing import ScriptedServer, chat_completion

REPLY = 'finish(answer="42") # "say it"'


def completion(text=REPLY, **changes):
    """What vLLM answers when log-probabilities and token ids are asked for.

    Args:
        text: Of the reply; each character is a token here.
        changes: Fields of the choice to set; None takes the field out.
    """
    ids = [ord(character) for character in text]
    content = [{"token": chr(one), "logprob": -one / 1000, "bytes": None, "top_logprobs": []} for one in ids]
    answer = chat_completion(text, model="tracer1-test")
    choice = {**answer["choices"][0], "logprobs": {"content": content}, "token_ids": ids, **changes}
    answer["choices"] = [{name: value for name, value in choice.items() if value is not None}]
    answer["usage"] |= {"prompt_tokens": 3, "total_tokens": 3 + len(ids)}
    return {**answer, "prompt_token_ids": [1, 2, 3]}


class VllmServer(ScriptedServer):
    """A scripted server that shows what vLLM shows."""

    def __init__(self, script=(), port=0):
        super().__init__(list(script) or [completion()], port)
        self.pages |= {"/v1/models": {"data": [{"id": "tracer1-test"}]}, "/version": {"version": "0.22.1"}}
