#!/usr/bin/env python3
"""Decoding in plain PyTorch, float32, with a key-value cache: the rival of perf/bench_decode.

One token at a time, greedy, over preallocated caches; q, k, v and gate, up are one product each. With transformers installed its
generate() is timed too. Prints one JSON line per way of decoding; with a command behind "--" (bench_decode and its options) that is run
between the rounds, so that all meet the machine in the same state, and its lines are printed with the faster rival beside them.

  perf/rivals/decode_torch.py data/novels-6m -- build/release/bin/bench_decode data/novels-6m --rounds 1
"""
import argparse
import json
import statistics
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch


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
            values = np.frombuffer(raw[begin:end], {"F16": "<f2", "F32": "<f4"}[entry["dtype"]]).astype(np.float32)
        out[name] = torch.from_numpy(values.reshape(entry["shape"]).copy())
    return out


class Plain:
    """Decoder with everything it needs at hand: no dictionary or configuration look-ups per token."""

    name = "PyTorch fp32 with a KV cache"

    def __init__(self, folder, capacity):
        c = self.config = json.loads((Path(folder) / "config.json").read_text())
        t = read_safetensors(Path(folder) / "model.safetensors")
        self.heads = c["num_attention_heads"]
        self.kv_heads = c.get("num_key_value_heads", self.heads)
        self.dim = c.get("head_dim") or c["hidden_size"] // self.heads
        self.eps = c["rms_norm_eps"]
        self.embedding = t["model.embed_tokens.weight"]
        self.norm = t["model.norm.weight"]
        self.head = t.get("lm_head.weight", self.embedding)
        self.blocks = []
        for i in range(c["num_hidden_layers"]):
            get = lambda name: t[f"model.layers.{i}.{name}.weight"]
            qkv = torch.cat([get(f"self_attn.{n}_proj") for n in "qkv"]).contiguous()
            gate_up = torch.cat([get("mlp.gate_proj"), get("mlp.up_proj")]).contiguous()
            k, v = (torch.zeros(self.kv_heads, capacity, self.dim) for _ in "kv")
            self.blocks.append(
                (get("input_layernorm"), qkv, get("self_attn.o_proj"), get("post_attention_layernorm"), gate_up, get("mlp.down_proj"), k, v)
            )
        frequency = c.get("rope_theta", 10000.0) ** (-torch.arange(0, self.dim, 2, dtype=torch.float64) / self.dim)
        angle = torch.outer(torch.arange(capacity, dtype=torch.float64), frequency)
        self.cos, self.sin = (torch.cat([f, f], -1).float() for f in (angle.cos(), angle.sin()))
        self.weight_bytes = 4 * (sum(w.numel() for b in self.blocks for w in b[:6]) + self.head.numel())

    def rms(self, x, weight):
        return x * torch.rsqrt((x * x).mean() + self.eps) * weight

    def step(self, token, position):
        """Logits after `token` at `position`."""
        linear, half, q_size = torch.nn.functional.linear, self.dim // 2, self.heads * self.dim
        group = self.heads // self.kv_heads
        cos, sin = self.cos[position], self.sin[position]
        x = self.embedding[token]
        for norm1, qkv, o, norm2, gate_up, down, k_cache, v_cache in self.blocks:
            y = linear(self.rms(x, norm1), qkv)
            qk = y[: q_size + self.kv_heads * self.dim].view(-1, self.dim)
            qk = qk * cos + torch.cat([-qk[:, half:], qk[:, :half]], -1) * sin
            k_cache[:, position] = qk[self.heads :]
            v_cache[:, position] = y[q_size + self.kv_heads * self.dim :].view(self.kv_heads, self.dim)
            q = qk[: self.heads].view(self.kv_heads, group, self.dim)
            scores = torch.bmm(q, k_cache[:, : position + 1].transpose(1, 2)) * self.dim**-0.5
            mixed = torch.bmm(scores.softmax(-1), v_cache[:, : position + 1])
            x = x + linear(mixed.reshape(-1), o)
            gate, up = linear(self.rms(x, norm2), gate_up).chunk(2)
            x = x + linear(torch.nn.functional.silu(gate) * up, down)
        return linear(self.rms(x, self.norm), self.head)

    def run(self, prompt, tokens):
        """Seconds per decoded token, and the tokens."""
        out = []
        for position, token in enumerate(prompt):
            logits = self.step(token, position)
        out.append(int(logits.argmax()))
        begin = time.perf_counter()
        for position in range(len(prompt), len(prompt) + tokens - 1):
            out.append(int(self.step(out[-1], position).argmax()))
        return (time.perf_counter() - begin) / (tokens - 1), out


class Transformers:
    name = "transformers generate, fp32"

    def __init__(self, folder, capacity):
        from transformers import LlamaForCausalLM

        self.model = LlamaForCausalLM.from_pretrained(folder, torch_dtype=torch.float32).eval()
        self.weight_bytes = 4 * sum(p.numel() for p in self.model.parameters())

    def run(self, prompt, tokens):
        ids = torch.tensor([prompt])
        options = dict(do_sample=False, pad_token_id=0, eos_token_id=None, use_cache=True, attention_mask=torch.ones_like(ids))
        begin = time.perf_counter()
        self.model.generate(ids, min_new_tokens=1, max_new_tokens=1, **options)
        first = time.perf_counter() - begin
        begin = time.perf_counter()
        out = self.model.generate(ids, min_new_tokens=tokens, max_new_tokens=tokens, **options)[0, len(prompt) :].tolist()
        return (time.perf_counter() - begin - first) / (tokens - 1), out


def main():
    own, command = (sys.argv[1:], []) if "--" not in sys.argv else (sys.argv[1 : sys.argv.index("--")], sys.argv[sys.argv.index("--") + 1 :])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="Hugging Face directory of a Llama model")
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args(own)
    torch.set_num_threads(args.threads)
    torch.set_grad_enabled(False)
    prompt = [1]
    rivals = [Plain(args.model, len(prompt) + args.tokens)]
    try:
        rivals.append(Transformers(args.model, 0))
    except ImportError:
        pass
    seconds, lines, texts = {r.name: [] for r in rivals}, [], {}
    for rival in rivals:
        rival.run(prompt, 8)  # warm-up
    for _ in range(args.rounds):
        for rival in rivals:
            time.sleep(0.05)
            taken, texts[rival.name] = rival.run(prompt, args.tokens)
            seconds[rival.name].append(taken)
        if command:
            lines.append([json.loads(line) for line in subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.decode().splitlines()])
    if len({tuple(text) for text in texts.values()}) != 1:
        sys.exit("the two ways of decoding in PyTorch disagree about the text")
    best = min(rivals, key=lambda r: statistics.median(seconds[r.name]))
    milliseconds = {name: 1e3 * statistics.median(values) for name, values in seconds.items()}
    for rival in rivals:
        ms = milliseconds[rival.name]
        print(json.dumps({"benchmark": "decode", "case": f"{Path(args.model).name}, {rival.name}", "milliseconds_median": ms,
                          "milliseconds_min": 1e3 * min(seconds[rival.name]), "rounds": args.rounds, "bytes": rival.weight_bytes,
                          "gb_per_second": rival.weight_bytes / 1e6 / ms, "tokens_per_second": 1e3 / ms, "threads": args.threads,
                          "torch": torch.__version__}))
    for same in zip(*lines):
        ms = statistics.median(line["milliseconds_median"] for line in same)
        print(json.dumps({**same[0], "milliseconds_median": ms, "milliseconds_min": min(line["milliseconds_min"] for line in same),
                          "rounds": len(same), "tokens_per_second": 1e3 / ms, "gb_per_second": same[0]["bytes"] / 1e6 / ms, "rival": best.name,
                          "rival_milliseconds_median": milliseconds[best.name], "ratio_to_rival": milliseconds[best.name] / ms}))


if __name__ == "__main__":
    main()
