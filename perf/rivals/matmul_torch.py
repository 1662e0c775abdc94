#!/usr/bin/env python3
"""Matrix products of PyTorch on the shapes of our benchmarks: the rival on devices whose vendor library
PyTorch calls.

  matmul_torch.py --cases gemm.jsonl qmatmul.jsonl --dtypes fp32,bf16
                                      every case of those files, which bench_gemm and bench_qmatmul wrote
  matmul_torch.py --shapes 1x4096x4096,128x11008x4096
                                      x [M, K] times W [N, K]^T, given as MxNxK

fp32 is true fp32 (TF32 off). Few rows (M <= 16) take their weight from memory: many copies of it in turns.
Where bitsandbytes is installed, packed cases are also timed with its NF4 weights. Prints one JSON line per
case and type.
"""
import argparse
import json
import re
import sys

import torch

import measure

TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
DENSE = re.compile(r"\b(nt|nn|tn) (\d+)x(\d+)x(\d+)(?: beta)?$")
PACKED = re.compile(r"\bM=(\d+) (\d+)x(\d+) \d+ bits")
COPIES_BYTES = 512 << 20  # far larger than any cache


def parse_case(benchmark, case):
    """(form, M, N, K, packed?) of a case name, or None for a benchmark or a case that is no plain product."""
    if benchmark == "gemm" and (match := DENSE.search(case)):
        return (match[1], *map(int, match.groups()[1:]), False)
    if benchmark == "qmatmul" and (match := PACKED.search(case)):
        return ("nt", *map(int, match.groups()), True)
    return None


def wanted_cases(a):
    cases = {}
    for file in a.cases or []:
        for text in open(file):
            line = json.loads(text)
            parsed = parse_case(line["benchmark"], line["case"]) if "contender" not in line else None
            if parsed and a.filter in line["case"]:
                cases[line["benchmark"], line["case"]] = parsed
    for shape in filter(None, a.shapes.split(",")):
        m, n, k = map(int, shape.split("x"))
        cases["gemm", f"nt {m}x{n}x{k}"] = ("nt", m, n, k, False)
    return cases


def dense_call(form, m, n, k, dtype, device):
    """A call of the product, each with the next copy of the second operand."""
    copies = max(1, min(64, COPIES_BYTES // (n * k * torch.finfo(dtype).bits // 8))) if m <= 16 else 1
    a = torch.randn((k, m) if form == "tn" else (m, k), device=device).to(dtype)
    bs = [torch.randn((n, k) if form == "nt" else (k, n), device=device).to(dtype) for _ in range(copies)]
    left = a.t() if form == "tn" else a
    rights = [b.t() if form == "nt" else b for b in bs]
    at = iter(range(1 << 62))
    return lambda: left @ rights[next(at) % copies]


def nf4_call(m, n, k, device):
    import bitsandbytes as bnb
    copies = max(1, min(64, COPIES_BYTES // (n * k // 2))) if m <= 16 else 1
    x = torch.randn((m, k), device=device, dtype=torch.bfloat16)
    weights = [
        bnb.functional.quantize_4bit(torch.randn((n, k), device=device, dtype=torch.bfloat16),
                                     quant_type="nf4") for _ in range(copies)
    ]
    at = iter(range(1 << 62))

    def call():
        data, state = weights[next(at) % copies]
        bnb.matmul_4bit(x, data.t(), quant_state=state)

    return call


def has_bitsandbytes():
    try:
        import bitsandbytes  # noqa: F401
    except Exception as error:  # a broken installation raises many things
        print(f"matmul_torch: no NF4 rival: {error}", file=sys.stderr)
        return False
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", help="result files whose cases to run")
    parser.add_argument("--shapes", default="", help="MxNxK, comma-separated")
    parser.add_argument("--dtypes", help="of fp32, bf16, fp16 (default: all on a GPU, fp32 on a CPU)")
    parser.add_argument("--filter", default="", help="only cases whose name contains this")
    measure.add_common_arguments(parser)
    a = parser.parse_args()
    measure.use_cores(a.threads)
    torch.backends.cuda.matmul.allow_tf32 = False
    cuda = a.device.startswith("cuda")
    dtypes = (a.dtypes or ("fp32,bf16,fp16" if cuda else "fp32")).split(",")
    nf4 = cuda and has_bitsandbytes()
    for (benchmark, case), (form, m, n, k, packed) in wanted_cases(a).items():
        names = [f"PyTorch {torch.__version__} {name}" for name in dtypes]
        calls = [dense_call(form, m, n, k, TYPES[name], a.device) for name in dtypes]
        if nf4 and packed:
            names.append("bitsandbytes NF4")
            calls.append(nf4_call(m, n, k, a.device))
        for name, timing in zip(
                names, measure.interleave(calls, 3 if a.quick else a.rounds, a.device,
                                          10 if a.quick else 40)):
            measure.print_line(a.output, benchmark, case, name, timing, a.device, flops=2.0 * m * n * k)


if __name__ == "__main__":
    main()
