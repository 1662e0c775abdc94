"""One training step of ApiQ-bw through a whole decoder block against PyTorch's autograd in float64:

  block_gradients_test.py BIN_FOLDER SOURCE_FOLDER

bin/dump_block_gradients writes inputs, parameters and the gradients that our explicit backward pass finds;
here the block is written down as a function (llama_torch.py, and fake quantization with straight-through
rounding below) and differentiated by autograd. Compared are the output, the loss and, for each of the seven
linears, the gradients of A, B, both clipping logits and the latent weight.

Tolerance: the device computes in float32. A gradient passes through about ten operations in a row, each a sum
of up to 768 products whose rounding errors of 2^-24 add up like a random walk: 10 * sqrt(768) * 6e-8 = 2e-5
of a tensor's norm. A wrong term is far larger than that.
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

SKIPPED = 77  # what CMake's SKIP_RETURN_CODE expects
TOLERANCE = 2e-5

try:
    import numpy as np
    import torch

    import llama_torch
except ImportError as error:
    print(f"skipped: {error}; run scripts/install-deps --tests")
    sys.exit(SKIPPED)


def load(folder):
    index = json.loads((folder / "index.json").read_text())
    def read(name, shape):
        return torch.from_numpy(np.fromfile(folder / f"{name}.f32", "<f4").reshape(shape)).double()

    return index, {name: read(name, shape) for name, shape in index["tensors"].items()}


def fake_quantize(weight, logits, bits, group_size):
    """Rounding and the zero point carry no gradient of their own; clamped codes pass none to the weight. The
    range is the weight's, held fixed."""
    largest = 2**bits - 1
    groups = weight.view(weight.shape[0], -1, group_size)
    with torch.no_grad():
        low, high = groups.amin(-1).clamp(max=0), groups.amax(-1).clamp(min=0)
    high, low = torch.sigmoid(logits[0]) * high, torch.sigmoid(logits[1]) * low
    scale = ((high - low) / largest).unsqueeze(-1)
    zero = torch.round(-low.unsqueeze(-1) / scale).detach()
    exact = groups / scale
    code = (exact + (torch.round(exact) - exact).detach() + zero).clamp(0, largest)
    return (scale * (code - zero)).view_as(weight)


def main(bin_folder, source):
    model = llama_torch.Model.from_directory(source / "data/novels-6m")
    tensors = {name: value.double() for name, value in model.tensors.items()}
    with tempfile.TemporaryDirectory() as folder:
        command = [str(bin_folder / "dump_block_gradients"), str(source / "data/novels-6m"), folder]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}\nended with {done.returncode}:\n{done.stdout}{done.stderr}")
        index, ours = load(Path(folder))

    block = f"model.layers.{index['block']}"
    names = sorted({name.rsplit(".", 1)[0] for name in index["tensors"] if "." in name})
    assert len(names) == 7, names
    leaves = {}
    for name in names:
        parts = {key: ours[f"{name}.{key}"] for key in ("A", "B", "logits")}
        parts["weight"] = tensors[f"{block}.{name}.weight"]
        leaves[name] = {key: value.clone().requires_grad_() for key, value in parts.items()}
        p = leaves[name]
        effective = fake_quantize(p["weight"], p["logits"], index["bits"],
                                  index["group_size"]) + index["scaling"] * p["B"] @ p["A"]
        tensors[f"{block}.{name}.weight"] = effective
    network = llama_torch.Model(model.config, tensors, None)
    x = ours["x"].view(-1, index["tokens"], ours["x"].shape[-1])
    y = x + network.attention(block, network.norm(f"{block}.input_layernorm", x))
    y = y + network.mlp(block, network.norm(f"{block}.post_attention_layernorm", y))
    y = y.reshape_as(ours["target"])
    loss = ((y - ours["target"]) ** 2).mean()
    loss.backward()

    pairs = [("y", y.detach(), ours["y"]), ("loss", loss.detach(), ours["squared_error"][0] / y.numel())]
    for name in names:
        p = leaves[name]
        for key, gradient in (("dA", "A"), ("dB", "B"), ("d_logits", "logits"), ("d_weight", "weight")):
            pairs.append((f"{name}.{key}", p[gradient].grad, ours[f"{name}.{key}"]))
    failed = 0
    for name, theirs, found in pairs:
        error = ((found - theirs).norm() / theirs.norm()).item()
        bad = not error <= TOLERANCE or theirs.norm().item() == 0
        failed += bad
        print(
            f"{'FAILED' if bad else 'ok    '} {name:32} relative difference {error:.2e}, "
            f"norm {theirs.norm().item():.3e}"
        )
    print(f"{len(pairs) - failed} of {len(pairs)} within {TOLERANCE:g}")
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
