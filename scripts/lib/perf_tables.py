"""Markdown tables of measurements, for the marked places of docs/performance.md."""
import math

from perf_results import asked_figures


def number(value, digits=3):
    """Three significant digits without an exponent."""
    if value is None:
        return "-"
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{decimals}f}"


def percent(value):
    return "-" if value is None else f"{100 * value:.0f} %"


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return lines + ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]


def rate(case):
    """With its unit: what the limit limits, else arithmetic if there is any."""
    gflops, gbps = case.median("gflop_per_second"), case.median("gb_per_second")
    memory = "bandwidth" in case.first("limit_name", "") or not gflops
    value, unit = (gbps, "GB/s") if memory else (gflops, "GFLOP/s")
    return f"{number(value)} {unit}" if value else "-"


def provenance(device, cases):
    """Where the figures are from, in one line."""
    lines = [line for case in cases for line in case.lines]
    commits = sorted({line["commit"] for line in lines if line.get("commit")})
    dates = sorted({line["date"][:10] for line in lines if line.get("date")})
    rounds = sorted({line["rounds"] for line in lines if line.get("rounds")})
    parts = [
        device.name, f"driver {device.driver}" if device.driver else "",
        f"commit {', '.join(commits)}" if commits else "",
        " to ".join(dict.fromkeys([dates[0], dates[-1]])) if dates else "",
        f"medians of {' to '.join(dict.fromkeys([str(rounds[0]), str(rounds[-1])]))} rounds" if rounds else ""
    ]
    return ", ".join(part for part in parts if part) + "; spread: interquartile range over the median."


def limits_table(device, _rules):
    cases = device.family("limits")
    return table(["limit", "measured", "spread"],
                 [[case.name, rate(case), percent(case.spread)]
                  for case in cases]) + ["", provenance(device, cases)]


def family_table(device, benchmark):
    cases = device.family(benchmark)
    rivals = list(dict.fromkeys(name for case in cases for name in case.rivals()))
    limits = list(dict.fromkeys(case.first("limit_name") for case in cases if case.share is not None))
    extra = [(key, title)
             for key, title in (("launches_per_step", "launches"), ("peak_device_bytes", "peak MiB"))
             if any(case.median(key) is not None for case in cases)]
    header = ["case", "ms", "spread", "rate"] + (["share of limit"] if limits else [])
    header += [title for _, title in extra]
    header += [
        f"ratio to rival {i}" if len(rivals) > 1 else "ratio to rival" for i, _ in enumerate(rivals, 1)
    ]
    memory = {
        name: i for i, name in enumerate(rivals, 1)
        if any(case.memory_share(name) is not None for case in cases)
    }
    header += [f"memory of rival {i}" for i in memory.values()]
    rows = []
    for case in cases:
        found = case.rivals()
        row = [case.name, number(case.milliseconds), percent(case.spread), rate(case)]
        row += [percent(case.share)] if limits else []
        row += [
            number(case.median(key) / 2**20 if key == "peak_device_bytes" else case.median(key))
            if case.median(key) is not None else "-" for key, _ in extra
        ]
        rows.append(row + [number(found[name][1]) if name in found else "-" for name in rivals] +
                    [percent(case.memory_share(name)) for name in memory])
    notes = []
    for limit in limits:
        values = sorted(case.limit for case in cases if case.first("limit_name") == limit)
        unit = "GB/s" if "bandwidth" in limit else "GFLOP/s"
        notes.append(f"{limit} {' to '.join(dict.fromkeys([number(values[0]), number(values[-1])]))} {unit}")
    text = []
    if notes:
        text.append("Limits: " + "; ".join(notes) + ".")
    if rivals:
        named = [f"{i}: {name}" if len(rivals) > 1 else name for i, name in enumerate(rivals, 1)]
        text.append(f"{'Rivals' if len(rivals) > 1 else 'Rival'} (above 1 we are faster): " +
                    "; ".join(named) + ".")
    return table(header, rows) + ["", " ".join(text + [provenance(device, cases)])]


def kernels_table(device, _rules):
    """Where a step's time goes."""
    rows = []
    for case in device.family("step"):
        total = case.first("device_milliseconds")
        for kernel in case.first("kernels", []):
            rows.append([
                case.name, f"`{kernel['kernel']}`",
                number(kernel["launches"]),
                number(kernel["milliseconds"]),
                percent(kernel["milliseconds"] / total)
            ])
    return table(["step", "kernel", "launches", "ms", "of device time"], rows)


def asked_table(device, rules):
    rows = []
    for figure in asked_figures(device, rules):
        missed = [f"{name} {figure.show(reached)}" for name, reached in figure.missed]
        more = f"; and {len(missed) - 6} more" if len(missed) > 6 else ""
        rows.append([
            figure.what, figure.against,
            figure.show(figure.asked),
            figure.show(figure.median),
            figure.show(figure.worst_first[0][1]),
            f"{len(figure.reached) - len(missed)} of {len(figure.reached)}",
            "; ".join(missed[:6]) + more or "-"
        ])
    return table(["figure", "against", "asked", "median", "worst", "cases met", "missed by"], rows)


SPECIAL = {"limits": limits_table, "step-kernels": kernels_table, "asked": asked_table}


def section(device, what, rules):
    """Lines of the table `what` ("gemm", "limits", "step-kernels", "asked") of a device; empty if it has
    none."""
    if what in SPECIAL:
        benchmark = {"step-kernels": "step"}.get(what, what)
        if what != "asked" and not device.family(benchmark):
            return []
        lines = SPECIAL[what](device, rules)
        return lines if len(lines) > 2 else []
    return family_table(device, what) if device.family(what) else []
