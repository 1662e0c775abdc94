"""What the rivals share: timing in turns, and result lines that scripts/perf_report joins with ours by
benchmark and case."""
import datetime
import json
import statistics
import sys
import time

import torch


def use_cores(threads):
    """PyTorch on as many threads as the machine has cores, unless told otherwise."""
    import os
    torch.set_num_threads(threads or len(os.sched_getaffinity(0)))


def finish(device):
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def device_name(device):
    return torch.cuda.get_device_name() if device.startswith(
        "cuda") else f"CPU, {torch.get_num_threads()} threads"


def summarize(samples):
    """Median, minimum and interquartile range over the median of milliseconds per call."""
    median = statistics.median(samples)
    quartiles = statistics.quantiles(samples, n=4, method="inclusive") if len(samples) > 1 else [median] * 3
    return {
        "milliseconds_median": median, "milliseconds_min": min(samples),
        "spread": (quartiles[2] - quartiles[0]) / median, "rounds": len(samples)
    }


def time_calls(call, count, device):
    """Milliseconds per call of `count` calls."""
    finish(device)
    begin = time.perf_counter()
    for _ in range(count):
        call()
    finish(device)
    return (time.perf_counter() - begin) * 1e3 / count


def interleave(calls, rounds, device, sample_ms):
    """Samples of every contender in turns, each round beginning with the next one, as perf/timing.cpp
    does."""
    counts = []
    for call in calls:
        time_calls(call, 2, device)
        counts.append(max(1, min(4000, int(sample_ms / max(time_calls(call, 1, device), 1e-3)))))
    samples = [[] for _ in calls]
    for turn in range(rounds * len(calls)):
        i = (turn // len(calls) + turn) % len(calls)
        if counts[i] > 1:  # a call that fills a sample alone needs no warm-up
            time_calls(calls[i], 1 + counts[i] // 4, device)
        samples[i].append(time_calls(calls[i], counts[i], device))
    return [summarize(s) for s in samples]


def command_line():
    """As it was typed, without where results come from or go: that is no part of how they came about."""
    words, skipped = [], 0
    for word in sys.argv:
        skipped = 1 if word in ("--output",
                                "--cases") else skipped if skipped and not word.startswith("--") else 0
        if not skipped:
            words.append(word)
    return " ".join(words)


def print_line(output, benchmark, case, contender, timing, device, **more):
    line = {
        "benchmark": benchmark, "case": case, "contender": contender, **timing,
        **more, "device": {"name": device_name(device)}, "command": command_line(),
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    }
    text = json.dumps(line)
    if output:
        with open(output, "a") as file:
            file.write(text + "\n")
    else:
        print(text, flush=True)


def add_common_arguments(parser):
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=0, help="of PyTorch on a CPU (default: all cores)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--output", help="append JSON lines here instead of printing them")
    parser.add_argument("--quick", action="store_true", help="few rounds of short samples")
