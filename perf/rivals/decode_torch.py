#!/usr/bin/env python3
"""Decoding in plain PyTorch, float32, with a key-value cache: the rival of perf/bench_decode.

  decode_torch.py data/novels-6m -- build/release/bin/bench_decode data/novels-6m model-2bit.h5 --rounds 1

One token at a time, greedy, over preallocated caches; q, k, v and gate, up are one product each. With
transformers installed its generate() is timed too. A command behind "--" (bench_decode) runs between the
rounds, so that all meet the machine in the same state; its lines are printed with the faster rival beside
them, the other one on lines of its own.
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

import measure


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
            self.blocks.append((get("input_layernorm"), qkv, get("self_attn.o_proj"),
                                get("post_attention_layernorm"), gate_up, get("mlp.down_proj"), k, v))
        exponents = -torch.arange(0, self.dim, 2, dtype=torch.float64) / self.dim
        frequency = c.get("rope_theta", 10000.0)**exponents
        angle = torch.outer(torch.arange(capacity, dtype=torch.float64), frequency)
        self.cos, self.sin = (torch.cat([f, f], -1).float() for f in (angle.cos(), angle.sin()))

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

    def __init__(self, folder):
        from transformers import LlamaForCausalLM

        self.model = LlamaForCausalLM.from_pretrained(folder, torch_dtype=torch.float32).eval()

    def run(self, prompt, tokens):
        ids = torch.tensor([prompt])
        options = dict(do_sample=False,
                       pad_token_id=0,
                       eos_token_id=None,
                       use_cache=True,
                       attention_mask=torch.ones_like(ids))
        begin = time.perf_counter()
        self.model.generate(ids, min_new_tokens=1, max_new_tokens=1, **options)
        first = time.perf_counter() - begin
        begin = time.perf_counter()
        out = self.model.generate(ids, min_new_tokens=tokens, max_new_tokens=tokens,
                                  **options)[0, len(prompt):].tolist()
        return (time.perf_counter() - begin - first) / (tokens - 1), out


def rounds_of(rivals, command, rounds, prompt, tokens):
    """Milliseconds per token of every rival and round, and the lines that the command printed in each."""
    samples, lines, texts = {rival.name: [] for rival in rivals}, [], set()
    for rival in rivals:
        rival.run(prompt, 8)
    for _ in range(rounds):
        for rival in rivals:
            time.sleep(0.05)
            seconds, text = rival.run(prompt, tokens)
            samples[rival.name].append(1e3 * seconds)
            texts.add(tuple(text))
        if command:
            lines.append([
                json.loads(line) for line in subprocess.run(
                    command, check=True, stdout=subprocess.PIPE).stdout.decode().splitlines()
            ])
    if len(texts) != 1:
        sys.exit("the ways of decoding in PyTorch disagree about the text")
    return samples, lines


def main():
    split = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="Hugging Face directory of a Llama model")
    parser.add_argument("--tokens", type=int, default=256)
    measure.add_common_arguments(parser)
    args = parser.parse_args(sys.argv[1:split])
    command, rounds = sys.argv[split + 1 :], 3 if args.quick else args.rounds
    measure.use_cores(args.threads)
    torch.set_grad_enabled(False)
    rivals = [Plain(args.model, 1 + args.tokens)]
    try:
        rivals.append(Transformers(args.model))
    except ImportError:
        pass
    samples, lines = rounds_of(rivals, command, rounds, [1], args.tokens)
    timings = {name: measure.summarize(values) for name, values in samples.items()}
    best = min(timings, key=lambda name: timings[name]["milliseconds_median"])
    cases = [same[0]["case"] for same in zip(*lines)] or [f"{Path(args.model).name}, {args.tokens} tokens"]
    for case in cases:
        for rival in rivals:
            if not lines or rival.name != best:
                measure.print_line(args.output, "decode", case, rival.name, timings[rival.name], "cpu",
                                   tokens_per_second=1e3 / timings[rival.name]["milliseconds_median"])
    for same in zip(*lines):
        own = measure.summarize([line["milliseconds_median"] for line in same])
        ms, rival_ms = own["milliseconds_median"], timings[best]["milliseconds_median"]
        line = {
            **same[0], **own, "tokens_per_second": 1e3 / ms, "gb_per_second": same[0]["bytes"] / 1e6 / ms,
            "rival": best, "rival_milliseconds_median": rival_ms, "rival_spread": timings[best]["spread"],
            "ratio_to_rival": rival_ms / ms, "asked_ratio": 5
        }
        line["share_of_limit"] = line["gb_per_second"] / line["limit"]
        if args.output:
            with open(args.output, "a") as file:
                file.write(json.dumps(line) + "\n")
        else:
            print(json.dumps(line))


if __name__ == "__main__":
    main()
