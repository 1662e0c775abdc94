"""Reads perf/results: lines of our benchmarks and of their rivals, joined by device folder, benchmark and
case."""
import json
import re
import statistics
from pathlib import Path


class Case:
    """One case of one benchmark on one device, from one line or several of it."""

    def __init__(self, benchmark, name):
        self.benchmark, self.name = benchmark, name
        self.lines = []       # ours
        self.contenders = {}  # name -> lines by that rival alone

    def median(self, key):
        values = [line[key] for line in self.lines if line.get(key) is not None]
        return statistics.median(values) if values else None

    @property
    def milliseconds(self):
        return self.median("milliseconds_median")

    @property
    def spread(self):
        return self.median("spread")

    def limited(self, key):
        """Median over the lines that were held against the highest limit (OpenBLAS with other kernels makes
        another one), noise aside."""
        limits = [line["limit"] for line in self.lines if "limit" in line]
        values = [line[key] for line in self.lines if "limit" in line and line["limit"] >= 0.8 * max(limits)]
        return statistics.median(values) if values else None

    @property
    def share(self):
        return self.limited("share_of_limit")

    @property
    def limit(self):
        return self.limited("limit")

    def first(self, key, default=None):
        return next((line[key] for line in self.lines if key in line), default)

    def rivals(self):
        """Name -> (milliseconds, ratio). A ratio holds within a line, where contenders took turns; a rival of
        other lines meets our median."""
        found = {}
        for line in self.lines:
            if "rival" in line:
                found.setdefault(line["rival"], []).append(
                    (line["rival_milliseconds_median"], line["ratio_to_rival"]))
        out = {
            name: tuple(statistics.median(column) for column in zip(*pairs)) for name, pairs in found.items()
        }
        for name, lines in self.contenders.items():
            milliseconds = statistics.median(line["milliseconds_median"] for line in lines)
            out[name] = (milliseconds, milliseconds / self.milliseconds)
        return out

    def memory_share(self, rival):
        """Our peak device memory over the rival's; None if either is unknown."""
        theirs = [
            line["peak_device_bytes"]
            for line in self.contenders.get(rival, [])
            if "peak_device_bytes" in line
        ]
        ours = self.median("peak_device_bytes")
        return ours / statistics.median(theirs) if theirs and ours else None


class Device:
    def __init__(self, folder):
        self.folder = folder.name
        cases, self.lines = {}, []
        for file in sorted(folder.glob("*.jsonl")):
            for number, text in enumerate(file.read_text().splitlines(), 1):
                try:
                    line = json.loads(text)
                    case = cases.setdefault((line["benchmark"], line["case"]),
                                            Case(line["benchmark"], line["case"]))
                    if "contender" in line:
                        case.contenders.setdefault(line["contender"], []).append(line)
                    else:
                        case.lines.append(line)
                        self.lines.append(line)
                except (ValueError, KeyError) as error:
                    raise SystemExit(
                        f"perf_report: {file}:{number}: not a result line ({error}); run perf/run_all again")
        self.cases = [case for case in cases.values() if case.lines]
        first = next((line["device"] for line in self.lines if "device" in line), {})
        self.name, self.driver, self.platform = (first.get(key, "") for key in ("name", "driver", "platform"))
        self.is_cpu = "Portable Computing Language" in self.platform or "CPU" in self.platform

    def family(self, benchmark):
        return [case for case in self.cases if case.benchmark == benchmark]

    def families(self):
        return list(dict.fromkeys(case.benchmark for case in self.cases))


def load(results):
    folders = sorted(Path(results).iterdir()) if Path(results).is_dir() else []
    devices = [Device(folder) for folder in folders if folder.is_dir()]
    return [device for device in devices if device.cases]


class Asked:
    """What is asked of the cases of one rule against one rival or limit, and what each of them reached."""

    def __init__(self, what, kind, asked, against):
        self.what, self.kind, self.asked, self.against, self.reached = what, kind, asked, against, {}

    def factor(self, reached):
        """Reached over asked: 1 is just enough, more is better."""
        return self.asked / reached if self.kind in ("milliseconds", "memory") else reached / self.asked

    @property
    def worst_first(self):
        """(case, reached), the one furthest from what is asked first."""
        return sorted(self.reached.items(), key=lambda item: self.factor(item[1]))

    @property
    def missed(self):
        return [(name, reached) for name, reached in self.worst_first if self.factor(reached) < 1]

    @property
    def median(self):
        return statistics.median([reached for _, reached in self.worst_first])

    def show(self, value):
        if self.kind in ("share", "memory"):
            return f"{100 * value:.0f} %"
        return f"{value:.0f} ms" if self.kind == "milliseconds" else f"{value:.2f}"


def reached_by(case, rule):
    """(rival or limit, value) of a case for each that the rule names."""
    if "ratio" in rule:
        return [(name, ratio) for name, (_, ratio) in case.rivals().items() if re.search(rule["rival"], name)]
    if "memory" in rule:
        shares = [(name, case.memory_share(name)) for name in case.rivals() if re.search(rule["rival"], name)]
        return [(name, share) for name, share in shares if share is not None]
    if "share" in rule:
        return [(case.first("limit_name", "limit"), case.share)] if case.share is not None else []
    return [("time", case.milliseconds)]


def asked_figures(device, rules):
    """One Asked per rule and rival that was measured, in the order of the rules."""
    out = {}
    for index, rule in enumerate(rules):
        if rule["device"] != ("cpu" if device.is_cpu else "gpu"):
            continue
        kind = next(key for key in ("ratio", "memory", "share", "milliseconds") if key in rule)
        for case in device.family(rule["benchmark"]):
            if re.search(rule["case"], case.name):
                for against, value in reached_by(case, rule):
                    asked = Asked(rule["what"], kind, rule[kind], against)
                    out.setdefault((index, against), asked).reached[case.name] = value
    return list(out.values())
