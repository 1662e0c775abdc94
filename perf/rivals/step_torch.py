#!/usr/bin/env python3
"""One ApiQ-bw training step of a Llama decoder block in plain PyTorch: the rival of bench_step, on the same
shapes and cores.

  step_torch.py --block data/novels-6m --tokens 256 --rank 16
  step_torch.py --block 7B --tokens 2048 --dtype bf16

As the paper's code does it (arXiv 2402.05147): the quantizer in fp32 with a straight-through rounding, LoRA
beside it, eager attention, AdamW on clipping logits and LoRA, one sequence a step. --dtype fp16 | bf16 adds
autocast. Prints one JSON line with the case name of bench_step.
"""
import argparse
import json
import struct
from pathlib import Path

import torch
import torch.nn.functional as F

import measure

SHAPES = {"7B": (4096, 11008, 32, 32), "70B": (8192, 28672, 64, 8)}
LINEARS = [
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj",
    "mlp.up_proj", "mlp.down_proj"
]


def first_block(folder):
    """Weights of block 0 by name, fp32, from model.safetensors (8 bytes of header length, a JSON header, then
    the bytes)."""
    raw = (Path(folder) / "model.safetensors").read_bytes()
    length = struct.unpack("<Q", raw[:8])[0]
    types = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
    out = {}
    for name, info in json.loads(raw[8:8 + length]).items():
        if name.startswith("model.layers.0."):
            begin, end = (8 + length + o for o in info["data_offsets"])
            out[name[len("model.layers.0."):-len(".weight")]] = torch.frombuffer(
                bytearray(raw[begin:end]), dtype=types[info["dtype"]]).reshape(info["shape"]).float()
    return out


class Linear:
    """x W^T with W fake-quantized in groups between learned clipping bounds, plus LoRA."""

    def __init__(self, weight, a):
        self.weight, self.top, self.scaling = weight, 2**a.bits - 1, 16 / a.rank
        self.groups = weight.reshape(-1, a.group_size)
        self.low, self.high = self.groups.amin(1, keepdim=True), self.groups.amax(1, keepdim=True)
        new = dict(device=weight.device)
        self.upbound = torch.full_like(self.low, 4.0, requires_grad=True)
        self.lowbound = torch.full_like(self.low, 4.0, requires_grad=True)
        self.lora_A = (torch.randn(a.rank, weight.shape[1], **new) / weight.shape[1]**0.5).requires_grad_()
        self.lora_B = torch.zeros(weight.shape[0], a.rank, requires_grad=True, **new)

    def dequantized(self):
        high, low = torch.sigmoid(self.upbound) * self.high, torch.sigmoid(self.lowbound) * self.low
        scale = ((high - low) / self.top).clamp(1e-5, 1e4)
        zero = (-low / scale).clamp(-1e4, 1e4).round()
        codes = self.groups / scale
        codes = ((codes.round() - codes).detach() + codes + zero).clamp(0, self.top)
        return ((codes - zero) * scale).reshape(self.weight.shape)

    def __call__(self, x):
        adapter = F.linear(F.linear(x, self.lora_A), self.lora_B)
        return F.linear(x, self.dequantized()) + self.scaling * adapter


class Block:
    def __init__(self, a, shape, weights):
        hidden, intermediate, self.heads, self.kv_heads = shape
        self.tokens, self.dim = a.tokens, hidden // self.heads
        kv = self.kv_heads * self.dim
        sizes = [(hidden, hidden), (kv, hidden), (kv, hidden), (hidden, hidden), (intermediate, hidden),
                 (intermediate, hidden), (hidden, intermediate)]
        if not weights:
            weights = {name: torch.randn(size, device=a.device) * 0.02 for name, size in zip(LINEARS, sizes)}
        ones = torch.ones(hidden, device=a.device)
        self.norms = [
            weights.get(n, ones).to(a.device) for n in ("input_layernorm", "post_attention_layernorm")
        ]
        self.linears = [Linear(weights[name].to(a.device), a) for name in LINEARS]
        angles = torch.outer(
            torch.arange(a.tokens).float(),
            10000.0**(-torch.arange(0, self.dim, 2).float() / self.dim)).repeat(1, 2).to(a.device)
        self.cos, self.sin = angles.cos(), angles.sin()
        self.mask = torch.full((a.tokens, a.tokens), float("-inf"), device=a.device).triu(1)

    def rotated(self, x):
        return x * self.cos + torch.cat([-x[..., self.dim // 2:], x[..., :self.dim // 2]], -1) * self.sin

    def attention(self, q, k, v):
        split = lambda x: x.view(1, self.tokens, -1, self.dim).transpose(1, 2)
        group = self.heads // self.kv_heads
        q, k, v = self.rotated(split(q)), self.rotated(split(k)), split(v)
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        scores = (q @ k.transpose(-1, -2)).float() / self.dim**0.5 + self.mask
        return (scores.softmax(-1).to(v.dtype) @ v).transpose(1, 2).reshape(1, self.tokens, -1)

    def forward(self, x):
        norm = lambda x, w: x * torch.rsqrt(x.float().pow(2).mean(-1, keepdim=True) + 1e-5) * w
        q, k, v, o, gate, up, down = self.linears
        h = norm(x, self.norms[0])
        x = x + o(self.attention(q(h), k(h), v(h)))
        h = norm(x, self.norms[1])
        return x + down(F.silu(gate(h)) * up(h))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--block",
                        default="7B",
                        help="7B, 70B, or a folder with config.json and model.safetensors (default 7B)")
    parser.add_argument("--bits", type=int, default=2)
    parser.add_argument("--group-size", type=int, default=64)
    parser.add_argument("--rank", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=2048)
    parser.add_argument("--dtype", choices=["fp32", "bf16", "fp16"], default="fp32")
    measure.add_common_arguments(parser)
    a = parser.parse_args()
    measure.use_cores(a.threads)
    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = False
    shape, weights = SHAPES.get(a.block), {}
    if shape is None:
        c = json.loads((Path(a.block) / "config.json").read_text())
        shape = (c["hidden_size"], c["intermediate_size"], c["num_attention_heads"], c["num_key_value_heads"])
        weights = first_block(a.block)
    block = Block(a, shape, weights)
    optimizer = torch.optim.AdamW([
        {"params": [p for l in block.linears for p in (l.lora_A, l.lora_B)], "lr": 5e-4},
        {"params": [p for l in block.linears for p in (l.upbound, l.lowbound)], "lr": 5e-3},
    ], weight_decay=0.1)
    x, target = (torch.randn(1, a.tokens, shape[0], device=a.device) for _ in range(2))
    kind = "cuda" if a.device.startswith("cuda") else "cpu"

    def step():
        with torch.autocast(kind,
                            torch.float16 if a.dtype == "fp16" else torch.bfloat16,
                            enabled=a.dtype != "fp32"):
            loss = F.mse_loss(block.forward(x).float(), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    if kind == "cuda":
        torch.cuda.reset_peak_memory_stats()
    timing = measure.interleave([step], 3 if a.quick else a.rounds, a.device, 20 if a.quick else 200)[0]
    peak = {"peak_device_bytes": torch.cuda.max_memory_allocated()} if kind == "cuda" else {}
    name = Path(a.block).name if weights else a.block
    case = f"{name}, {a.tokens} tokens, {a.bits} bits, group {a.group_size}, rank {a.rank}"
    measure.print_line(a.output,
                       "step",
                       case,
                       f"PyTorch {torch.__version__} {a.dtype}",
                       timing,
                       a.device,
                       tokens=a.tokens,
                       **peak)


if __name__ == "__main__":
    main()
