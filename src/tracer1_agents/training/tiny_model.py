"""The architecture and tokenizer of the shipped planner: a small Qwen3 with a BPE trained on its corpus.

Nothing is downloaded: the tokenizer learns from the task generator's own text, the weights start at random. Digits are
tokens of their own, so that numbers are copied digit by digit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pydantic import Field
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from tracer1_agents.training.config import BaseConfig

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SPECIAL_TOKENS: Final = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
CHAT_TEMPLATE: Final = (
    "{%- for message in messages %}"
    "{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{%- endif %}"
)


class TinyModelConfig(BaseConfig):
    """Sizes of the network."""

    vocab_size: int = Field(1536, description="entries of the BPE, special tokens included")
    hidden_size: int = Field(192, description="width of the residual stream")
    layers: int = Field(4, description="transformer blocks")
    heads: int = Field(3, description="query heads")
    key_value_heads: int = Field(1, description="key/value heads")
    head_size: int = Field(64, description="width of one head")
    mlp_size: int = Field(512, description="width of the feed-forward layer")
    max_positions: int = Field(4096, description="longest prompt plus reply, tokens")


def train_tokenizer(
    texts: Iterable[str],
    vocab_size: int,
    *,
    special_tokens: Sequence[str] = (),
    chat_template: str = CHAT_TEMPLATE,
) -> PreTrainedTokenizerFast:
    """Byte-level BPE over `texts`, with ChatML special tokens and template.

    Args:
        texts: What its merges are learnt from; none leaves the 256 bytes.
        vocab_size: Entries, special tokens included.
        special_tokens: Further ones, such as those around images.
        chat_template: How messages become a prompt.
    """
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[*SPECIAL_TOKENS, *special_tokens],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    end_of_text, _, end_of_turn = SPECIAL_TOKENS
    fast: Any = PreTrainedTokenizerFast
    options: dict[str, Any] = {"additional_special_tokens": list(special_tokens)} if special_tokens else {}
    tokenizer: PreTrainedTokenizerFast = fast(
        tokenizer_object=bpe, eos_token=end_of_turn, pad_token=end_of_text, **options
    )
    tokenizer.chat_template = chat_template
    return tokenizer


def build_model(config: TinyModelConfig, tokenizer: PreTrainedTokenizerFast) -> Qwen3ForCausalLM:
    """A randomly initialised Qwen3 for `tokenizer`, in float32."""
    return Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=config.hidden_size,
            intermediate_size=config.mlp_size,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            num_key_value_heads=config.key_value_heads,
            head_dim=config.head_size,
            max_position_embeddings=config.max_positions,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
