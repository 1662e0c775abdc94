"""apiq-eval against implementations that share no code with it, on the same text:

  full           the bundled model against llama_torch.py
  transformers   the bundled model against Hugging Face transformers (skipped outside the environment of
                 scripts/oracle-env)
  packed         a checkpoint that apiq-quantize writes here, dequantized by scripts/read_checkpoint.py, LoRA
                 applied in PyTorch

  perplexity_test.py CASE BIN_FOLDER SOURCE_FOLDER

The perplexities must be equal to 1e-4 relative. Both sides compute in float32 and sum about 8000 terms;
storing activations in binary16 anywhere moves the perplexity by about 1e-3, a wrong epsilon, mask or rotation
by far more.
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

SKIPPED = 77  # what CMake's SKIP_RETURN_CODE expects
TOLERANCE = 1e-4
SEQUENCE_LENGTH, MAX_TOKENS = 256, 8192

try:
    import torch

    import llama_torch
except ImportError as error:
    print(f"skipped: {error}; run scripts/install-deps --tests")
    sys.exit(SKIPPED)


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\nended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def ours(bin_folder, model, text):
    out = run(bin_folder / "apiq-eval", "--quiet", "--model", model, "--text", text, "--sequence-length",
              SEQUENCE_LENGTH, "--max-tokens", MAX_TOKENS, "--json", "-")
    return json.loads(out[out.index("{"):])


def quantize(bin_folder, source, folder):
    """A short ApiQ run: enough steps that LoRA is not zero, three bits because they are the hardest to
    unpack."""
    output = Path(folder) / "packed.h5"
    novels = source / "data/novels-6m"
    run(bin_folder / "apiq-quantize", "--quiet", "--model", novels, "--output", output, "--method", "apiq-lw",
        "--bits", 3, "--group-size", 64, "--rank", 16, "--calibration", novels / "calibration.txt",
        "--samples", 4, "--sequence-length", 128, "--epochs", 2)
    return output


def transformers_logits(folder):
    try:
        from transformers import LlamaForCausalLM
    except ImportError as error:
        print(f"skipped: {error}; run scripts/oracle-env")
        sys.exit(SKIPPED)
    model = LlamaForCausalLM.from_pretrained(folder, torch_dtype=torch.float32, local_files_only=True).eval()
    return lambda ids: model(ids).logits


def main():
    case, bin_folder, source = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    torch.set_num_threads(1)  # enough for 8192 tokens, and kind to whatever else runs
    novels = source / "data/novels-6m"
    text = novels / "validation.txt"
    with tempfile.TemporaryDirectory() as folder:
        path = quantize(bin_folder, source, folder) if case == "packed" else novels
        packed = case == "packed"
        model = (llama_torch.Model.from_checkpoint if packed else llama_torch.Model.from_directory)(path)
        logits = transformers_logits(novels) if case == "transformers" else model.logits
        ids = llama_torch.encode(model, text.read_text())[:MAX_TOKENS]
        expected, predictions = llama_torch.perplexity(logits, ids, SEQUENCE_LENGTH)
        found = ours(bin_folder, path, text)
        if case == "packed" and not any(b.abs().max() > 0 for _, b, _ in model.lora.values()):
            sys.exit("the checkpoint has no LoRA that is not zero: this test would not see it")
    difference = abs(found["perplexity"] / expected - 1)
    print(
        f"{case}: apiq-eval {found['perplexity']:.6f}, oracle {expected:.6f}, "
        f"relative difference {difference:.2e}, {predictions} predictions"
    )
    if found["predictions"] != predictions:
        sys.exit(f"expected {predictions} predictions, apiq-eval made {found['predictions']}")
    if not difference < TOLERANCE:
        sys.exit(f"the perplexities differ by more than {TOLERANCE}")


if __name__ == "__main__":
    main()
