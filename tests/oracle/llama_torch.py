"""Perplexity of a Llama-family model in plain PyTorch, float32, on the CPU: the stranger that apiq-eval is
compared with.

Written from the model's definition, for reading: no key-value cache, no tricks. A model is a configuration, a
dictionary of float32 tensors under their Hugging Face names, and optionally LoRA pairs (A, B, scaling) under
the names of their linears.
"""
import json
import math
import struct
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))


class Model:
    def __init__(self, config, tensors, tokenizer_bytes, lora=None):
        self.config, self.tensors = config, tensors
        self.tokenizer_bytes, self.lora = tokenizer_bytes, lora or {}

    @staticmethod
    def from_directory(folder):
        folder = Path(folder)
        tensors = read_safetensors(folder / "model.safetensors")
        return Model(json.loads((folder / "config.json").read_text()), tensors,
                     (folder / "tokenizer.model").read_bytes())

    @staticmethod
    def from_checkpoint(path):
        """Everything from the .h5 file, through the reader that was written from the format's documents."""
        import h5py
        import read_checkpoint

        with h5py.File(path, "r") as file:
            tensors = {
                name: torch.from_numpy(data[()].astype(np.float32)) for name, data in file["tensors"].items()
            }
            lora = {}
            for name, linear in file["linears"].items():
                tensors[name + ".weight"] = torch.from_numpy(read_checkpoint.dequantize(linear))
                if rank := int(linear.attrs["rank"]):
                    a, b = (
                        torch.from_numpy(linear[key][()].astype(np.float32)) for key in ("lora_A", "lora_B"))
                    lora[name] = (a, b, float(linear.attrs["alpha"]) / rank)
            config = json.loads(bytes(file["files"]["config.json"][()]).decode())
            return Model(config, tensors, bytes(file["files"]["tokenizer.model"][()]), lora)

    def linear(self, name, x):
        y = x @ self.tensors[name + ".weight"].T
        if name in self.lora:
            a, b, scaling = self.lora[name]
            y = y + scaling * (x @ a.T) @ b.T
        return y

    def norm(self, name, x):
        rho = torch.sqrt((x * x).mean(-1, keepdim=True) + self.config["rms_norm_eps"])
        return x / rho * self.tensors[name + ".weight"]

    def attention(self, block, x):
        """x [windows, tokens, hidden]; causal, query heads share key/value heads in order."""
        windows, tokens, _ = x.shape
        heads = self.config["num_attention_heads"]
        kv_heads = self.config.get("num_key_value_heads", heads)
        split = lambda name, count: self.linear(f"{block}.self_attn.{name}", x).view(
            windows, tokens, count, -1).transpose(1, 2)
        q, k, v = split("q_proj", heads), split("k_proj", kv_heads), split("v_proj", kv_heads)
        q, k = (rotate(t, self.config.get("rope_theta", 10000.0)) for t in (q, k))
        k, v = (t.repeat_interleave(heads // kv_heads, dim=1) for t in (k, v))
        scores = q @ k.transpose(2, 3) / math.sqrt(q.shape[-1])
        hidden_future = torch.ones(tokens, tokens, dtype=torch.bool).triu(1)
        mixed = scores.masked_fill(hidden_future, -math.inf).softmax(-1) @ v
        return self.linear(f"{block}.self_attn.o_proj", mixed.transpose(1, 2).reshape(windows, tokens, -1))

    def mlp(self, block, x):
        gate = torch.nn.functional.silu(self.linear(f"{block}.mlp.gate_proj", x))
        return self.linear(f"{block}.mlp.down_proj", gate * self.linear(f"{block}.mlp.up_proj", x))

    def logits(self, ids):
        """ids [windows, tokens] -> [windows, tokens, vocabulary]."""
        embedding = self.tensors["model.embed_tokens.weight"]
        x = embedding[ids]
        for index in range(self.config["num_hidden_layers"]):
            block = f"model.layers.{index}"
            x = x + self.attention(block, self.norm(f"{block}.input_layernorm", x))
            x = x + self.mlp(block, self.norm(f"{block}.post_attention_layernorm", x))
        return self.norm("model.norm", x) @ self.tensors.get("lm_head.weight", embedding).T


def rotate(x, theta):
    """Rotary position embedding of x [..., tokens, head_dim], halves paired as in the Hugging Face layout."""
    tokens, size = x.shape[-2:]
    frequency = theta ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
    angle = torch.outer(torch.arange(tokens, dtype=torch.float64), frequency)
    cos, sin = angle.cos().float(), angle.sin().float()
    first, second = x[..., : size // 2], x[..., size // 2 :]
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)


def read_safetensors(path):
    raw = Path(path).read_bytes()
    (size,) = struct.unpack_from("<Q", raw)
    header = json.loads(raw[8 : 8 + size])
    header.pop("__metadata__", None)
    out = {}
    for name, entry in header.items():
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        if entry["dtype"] == "BF16":
            values = (np.frombuffer(raw[begin:end], "<u2").astype(np.uint32) << 16).view(np.float32)
        else:
            values = np.frombuffer(raw[begin:end], {"F16": "<f2", "F32": "<f4"}[entry["dtype"]])
            values = values.astype(np.float32)
        out[name] = torch.from_numpy(values.reshape(entry["shape"]).copy())
    return out


def encode(model, text):
    """The whole text in one call, one BOS in front."""
    import sentencepiece

    tokenizer = sentencepiece.SentencePieceProcessor(model_proto=model.tokenizer_bytes)
    return [tokenizer.bos_id()] + tokenizer.encode(text)


def perplexity(logits_of, ids, sequence_length):
    """Consecutive windows, a partial last one dropped; of each, tokens 1 .. L-1 are predicted. Returns
    (perplexity, predictions)."""
    windows = torch.tensor(ids[: len(ids) // sequence_length * sequence_length]).view(-1, sequence_length)
    nll, count = 0.0, 0
    with torch.no_grad():
        for batch in windows.split(4):
            log_p = logits_of(batch)[:, :-1].log_softmax(-1)
            nll -= log_p.gather(-1, batch[:, 1:, None]).double().sum().item()
            count += batch[:, 1:].numel()
    return math.exp(nll / count), count
