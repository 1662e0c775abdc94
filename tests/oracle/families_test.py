"""A random model of one family against Hugging Face transformers in float64:

  families_test.py FAMILY BIN_FOLDER        FAMILY: llama, mistral, qwen2, qwen3

The model is made and stored by transformers; bin/dump_family computes its logits, and its first block's output and
gradients by our explicit backward pass, which autograd is compared with. Asked: logits within 1e-4 and gradients
within 1e-3 of the largest value. Skipped without a transformers that knows the family (scripts/oracle-env --newest).
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

SKIPPED = 77  # what CMake's SKIP_RETURN_CODE expects
TOLERANCE = {"logits": 1e-4}
GRADIENT_TOLERANCE = 1e-3
# Grouped queries, heads whose features are not the hidden size, no sizes that are powers of two.
SIZES = dict(vocab_size=203, hidden_size=48, intermediate_size=112, num_hidden_layers=3, num_attention_heads=6,
             num_key_value_heads=2, max_position_embeddings=64, rms_norm_eps=1e-6, tie_word_embeddings=False)
OWN = {"llama": {"head_dim": 16}, "mistral": {"head_dim": 16, "sliding_window": None}, "qwen2": {},
       "qwen3": {"head_dim": 16}}

try:
    import numpy as np
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
except ImportError as error:
    print(f"skipped: {error}; run scripts/oracle-env --newest")
    sys.exit(SKIPPED)


def random_model(family):
    """Nothing at its start value: biases, norms and scales all have something to say."""
    torch.manual_seed(5)
    try:
        config = AutoConfig.for_model(family, **SIZES, **OWN[family])
    except ValueError as error:
        print(f"skipped: this transformers does not know {family} ({error}); run scripts/oracle-env --newest")
        sys.exit(SKIPPED)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    with torch.no_grad():
        for name, value in model.named_parameters():
            if name.endswith("norm.weight"):
                value.copy_(1 + 0.3 * torch.randn_like(value))
            else:
                value.copy_((0.5 if name.endswith("bias") else 1.5 / value.shape[-1] ** 0.5) * torch.randn_like(value))
    return model


def load(folder):
    index = json.loads((folder / "index.json").read_text())
    read = lambda name, shape: torch.from_numpy(np.fromfile(folder / f"{name}.f32", "<f4").reshape(shape)).double()
    return index["tokens"], {name: read(name, shape) for name, shape in index["tensors"].items()}


def theirs(model, ours, tokens):
    """The same values by transformers, all of double precision."""
    model = model.double()
    ids = torch.arange(tokens) * 7 % model.config.vocab_size
    with torch.no_grad():
        out = {"logits": model(ids[None]).logits[0]}
    x = ours["x"].view(-1, tokens, ours["x"].shape[-1]).clone().requires_grad_()
    positions = torch.arange(tokens)[None]
    mask = torch.full((tokens, tokens), float("-inf"), dtype=torch.float64).triu(1)[None, None]
    block = model.model.layers[0]
    y = block(x, attention_mask=mask, position_ids=positions,
              position_embeddings=model.model.rotary_emb(x, positions))
    y = y[0] if isinstance(y, tuple) else y
    (y.reshape_as(ours["dy"]) * ours["dy"]).sum().backward()
    out |= {"y": y.detach().reshape_as(ours["y"]), "dx": x.grad.reshape_as(ours["dx"])}
    return out | {name.removesuffix(".weight"): value.grad for name, value in block.named_parameters()
                  if name.endswith("_proj.weight")}


def main(family, bin_folder):
    model = random_model(family)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        command = [str(bin_folder / "dump_family"), folder, folder]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}\nended with {done.returncode}:\n{done.stdout}{done.stderr}")
        tokens, ours = load(Path(folder))
    failed = 0
    wanted = theirs(model, ours, tokens)
    assert len(wanted) == 3 + 7, sorted(wanted)
    for name, exact in wanted.items():
        error = ((ours[name] - exact).abs().max() / exact.abs().max()).item()
        bad = not error <= TOLERANCE.get(name, GRADIENT_TOLERANCE)
        failed += bad
        print(f"{'FAILED' if bad else 'ok    '} {name:20} largest difference {error:.2e} of the largest value")
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in OWN:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
