"""A planner to train: tiny, with random weights, on disk."""

from itertools import islice

import pytest


@pytest.fixture(scope="session")
def planner(tmp_path_factory):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from tracer1_agents.data.taskgen.windows import WindowOptions, stream_windows  # noqa: PLC0415
    from tracer1_agents.training.tiny_model import TinyModelConfig, build_model, train_tokenizer  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("planner")
    windows = islice(stream_windows(1, WindowOptions(3)), 60)
    texts = [window.reply + "".join(message.text for message in window.messages) for window in windows]
    tokenizer = train_tokenizer(texts, 400)
    torch.manual_seed(0)
    sizes = TinyModelConfig(
        vocab_size=400, hidden_size=32, layers=2, heads=2, key_value_heads=1, head_size=16, mlp_size=64
    )
    build_model(sizes, tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
