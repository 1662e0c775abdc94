#!/usr/bin/env python3
"""Reads an apiq-cl checkpoint with h5py and numpy, from docs/checkpoint-format.md and docs/packed-format.md
alone.

read_checkpoint.py FILE                 prints what the file holds
read_checkpoint.py FILE --dump FOLDER   writes every linear, dequantized, as FOLDER/<name>.f32: row-major
                                        little-endian float32
"""
import argparse
import os
import sys

import h5py
import numpy as np

FORMAT, VERSION, LAYOUT = "apiq-checkpoint", 1, "interleaved-32"


def text(value):
    """A string attribute: fixed-length UTF-8, padded with NUL."""
    return bytes(value).rstrip(b"\0").decode("utf-8")


def root_text(file, name):
    return text(file.attrs[name]) if name in file.attrs else bytes(file[name][()]).decode("utf-8")


def unpack_codes(qweight, bits):
    """[row_blocks, chunks, bits, 32] words -> [rows, columns] codes, padding included."""
    blocks, chunks = qweight.shape[:2]
    column = np.arange(32, dtype=np.uint32).reshape(1, 1, 32, 1)
    if bits == 3:
        low = np.take(qweight, np.arange(32) // 16, axis=2) >> 2 * (column % 16) & 3
        codes = low + 4 * (qweight[:, :, 2:3, :] >> column & 1)
    else:
        per_word = 32 // bits
        shifted = np.take(qweight, np.arange(32) // per_word, axis=2) >> bits * (column % per_word)
        codes = shifted & (2**bits - 1)
    return codes.transpose(0, 3, 1, 2).reshape(blocks * 32, chunks * 32)  # from [block, chunk, column, row]


def unpack_zeros(qzeros, bits):
    """[row_blocks, groups, bits] bit planes -> [rows, groups]."""
    blocks, groups = qzeros.shape[:2]
    row = np.arange(32, dtype=np.uint32)
    zeros = np.zeros((blocks, groups, 32), np.uint32)
    for plane in range(bits):
        zeros |= (qzeros[:, :, plane, None] >> row & 1) << np.uint32(plane)
    return zeros.transpose(0, 2, 1).reshape(blocks * 32, groups)


def dequantize(linear):
    """float32 [out_features, in_features]."""
    bits, group_size, rows, columns = (
        int(linear.attrs[k]) for k in ("bits", "group_size", "out_features", "in_features"))
    if text(linear.attrs["layout"]) != LAYOUT:
        sys.exit(f"{linear.name}: layout {text(linear.attrs['layout'])!r}; this program reads {LAYOUT!r}")
    groups = columns // group_size
    codes = unpack_codes(linear["qweight"][()], bits)[:rows, :columns].astype(np.float32)
    zeros = unpack_zeros(linear["qzeros"][()], bits)[:rows].astype(np.float32)
    scales = linear["scales"][()].transpose(0, 2, 1).reshape(-1, groups)[:rows].astype(np.float32)
    return np.repeat(scales, group_size, axis=1) * (codes - np.repeat(zeros, group_size, axis=1))


def tensor_as_float32(tensor):
    """A tensor that is stored as the model has it; bf16 is the upper half of a float32."""
    values = tensor[()]
    if "dtype" in tensor.attrs and text(tensor.attrs["dtype"]) == "bf16":
        return (values.astype("<u4") << np.uint32(16)).view("<f4")
    return values.astype("<f4")


def linears(file):
    """Name and float32 weight of every linear: those in /linears, and those that were not quantized, in
    /tensors."""
    for name, linear in file["linears"].items():
        yield name, dequantize(linear)
    for name, tensor in file["tensors"].items():
        if name.endswith("_proj.weight"):
            yield name[: -len(".weight")], tensor_as_float32(tensor)


def print_summary(file):
    print(f"method      {text(file.attrs['method'])}")
    print(f"options     {root_text(file, 'options')[:100]}")
    print(f"files       {', '.join(f'{name} ({data.size} bytes)' for name, data in file['files'].items())}")
    print(f"\n{'linear':44} {'shape':>14} {'bits':>4} {'group':>5} {'rank':>4} {'alpha':>7} {'scales':>8}")
    for name, linear in file["linears"].items():
        a = linear.attrs
        shape = f"{a['out_features']}x{a['in_features']}"
        print(
            f"{name:44} {shape:>14} {a['bits']:4} {a['group_size']:5} {a['rank']:4} {a['alpha']:7g} "
            f"{linear['scales'].dtype!s:>8}"
        )
    print(f"\n{'tensor':60} {'shape':>14} dtype")
    for name, tensor in file["tensors"].items():
        dtype = text(tensor.attrs["dtype"]) if "dtype" in tensor.attrs else tensor.dtype
        print(f"{name:60} {'x'.join(map(str, tensor.shape)):>14} {dtype}")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--dump", metavar="FOLDER")
    options = parser.parse_args()
    with h5py.File(options.file, "r") as file:
        if "format" not in file.attrs or text(file.attrs["format"]) != FORMAT:
            sys.exit(f"{options.file}: not an apiq checkpoint")
        if file.attrs["format_version"] != VERSION:
            sys.exit(
                f"{options.file}: format_version {file.attrs['format_version']}; this program reads {VERSION}"
            )
        print_summary(file)
        if options.dump:
            os.makedirs(options.dump, exist_ok=True)
            for name, weight in linears(file):
                weight.astype("<f4").tofile(os.path.join(options.dump, name + ".f32"))


if __name__ == "__main__":
    main()
