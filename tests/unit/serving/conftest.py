"""A checkpoint of random weights, made on the spot."""

from __future__ import annotations

import pytest

TEXTS = [
    'table_columns(file_path="sales.csv") # "List the columns"\nfinish(answer="42") # "Report the number"\n',
    "Task: What is the total of qty in sales.csv?\nNow: table, 3 rows, columns: city, qty\n",
    "0123456789 abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ",
]


@pytest.fixture(scope="session")
def tiny():
    """Model and tokenizer: two layers, width 32."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from tracer1_agents.training.tiny_model import TinyModelConfig, build_model, train_tokenizer  # noqa: PLC0415

    tokenizer = train_tokenizer(TEXTS, 400)
    sizes = TinyModelConfig(
        hidden_size=32, layers=2, heads=2, key_value_heads=1, head_size=16, mlp_size=64, max_positions=512
    )
    torch.set_num_threads(1)  # for so small a model, threads only wait for each other
    torch.manual_seed(0)
    model = build_model(sizes, tokenizer).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # louder than the initial weights: replies differ from prompt to prompt
            if parameter.ndim == 2:
                parameter.mul_(8.0)
    return model, tokenizer


@pytest.fixture(scope="session")
def checkpoint(tiny, tmp_path_factory):
    """The same, saved as a checkpoint folder with checksums."""
    from tracer1_agents.serving.local import write_checksums  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("checkpoint") / "tracer1-test"
    model, tokenizer = tiny
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    write_checksums(folder)
    return folder
