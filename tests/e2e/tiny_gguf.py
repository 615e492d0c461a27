"""A model small enough to be made in a test: random weights, a byte-level tokenizer, in the GGUF format.

Source: github.com/ggml-org/ggml/blob/master/docs/gguf.md.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

WIDTH, LAYERS, HEADS, KV_HEADS, INNER, HEAD, CONTEXT = 64, 2, 4, 2, 128, 16, 256
U32, F32, BOOL, STRING, ARRAY, I32 = 4, 6, 7, 8, 9, 5
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def entry(key: str, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + value


def vocabulary() -> list[str]:
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    other = iter(range(256, 512))
    return [
        *(chr(byte) if byte in plain else chr(next(other)) for byte in range(256)),
        "Ġt",
        "he",
        "<|endoftext|>",
        "<|im_start|>",
        "<|im_end|>",
    ]


def metadata() -> list[bytes]:
    tokens = vocabulary()
    kinds = [1] * (len(tokens) - 3) + [3] * 3
    merges = ["Ġ t", "h e"]
    numbers = {
        "llama.context_length": CONTEXT,
        "llama.embedding_length": WIDTH,
        "llama.block_count": LAYERS,
        "llama.feed_forward_length": INNER,
        "llama.attention.head_count": HEADS,
        "llama.attention.head_count_kv": KV_HEADS,
        "llama.attention.key_length": HEAD,
        "llama.attention.value_length": HEAD,
        "llama.rope.dimension_count": HEAD,
        "llama.vocab_size": len(tokens),
        "general.file_type": 1,
        "general.quantization_version": 2,
        "general.alignment": 32,
        "tokenizer.ggml.bos_token_id": 258,
        "tokenizer.ggml.eos_token_id": 260,
        "tokenizer.ggml.padding_token_id": 258,
    }
    texts = {
        "general.architecture": "llama",
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "qwen2",
        "tokenizer.chat_template": TEMPLATE,
    }
    return [
        *(entry(key, STRING, text(value)) for key, value in texts.items()),
        *(entry(key, U32, struct.pack("<I", value)) for key, value in numbers.items()),
        entry("llama.attention.layer_norm_rms_epsilon", F32, struct.pack("<f", 1e-5)),
        entry("llama.rope.freq_base", F32, struct.pack("<f", 10000.0)),
        entry("tokenizer.ggml.add_bos_token", BOOL, b"\0"),
        entry("tokenizer.ggml.tokens", ARRAY, struct.pack("<IQ", STRING, len(tokens)) + b"".join(map(text, tokens))),
        entry("tokenizer.ggml.token_type", ARRAY, struct.pack(f"<IQ{len(kinds)}i", I32, len(kinds), *kinds)),
        entry("tokenizer.ggml.merges", ARRAY, struct.pack("<IQ", STRING, len(merges)) + b"".join(map(text, merges))),
    ]


def shapes() -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (len(vocabulary()), WIDTH),
        "output_norm.weight": (WIDTH,),
        "output.weight": (len(vocabulary()), WIDTH),
    }
    for layer in range(LAYERS):
        found |= {
            f"blk.{layer}.attn_norm.weight": (WIDTH,),
            f"blk.{layer}.ffn_norm.weight": (WIDTH,),
            f"blk.{layer}.attn_q.weight": (HEADS * HEAD, WIDTH),
            f"blk.{layer}.attn_k.weight": (KV_HEADS * HEAD, WIDTH),
            f"blk.{layer}.attn_v.weight": (KV_HEADS * HEAD, WIDTH),
            f"blk.{layer}.attn_output.weight": (WIDTH, HEADS * HEAD),
            f"blk.{layer}.ffn_gate.weight": (INNER, WIDTH),
            f"blk.{layer}.ffn_up.weight": (INNER, WIDTH),
            f"blk.{layer}.ffn_down.weight": (WIDTH, INNER),
        }
    return found


def write_tiny_gguf(path: Path) -> Path:
    """The model lies at `path`, the same bytes every time: about 300 kB."""
    random = np.random.default_rng(7)
    entries = metadata()
    directory, blobs, offset = b"", b"", 0
    for name, shape in shapes().items():
        norm = len(shape) == 1
        data = np.ones(shape, np.float32) if norm else (random.standard_normal(shape) * 0.08).astype(np.float16)
        blob = data.tobytes()
        blob += b"\0" * (-len(blob) % 32)
        directory += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape[::-1], 0 if norm else 1, offset)
        blobs += blob
        offset += len(blob)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(shapes()), len(entries)) + b"".join(entries) + directory
    path.write_bytes(head + b"\0" * (-len(head) % 32) + blobs)
    return path
