"""Charts of measurements as SVG that reads on light and dark pages: shares of limits by family, and figures
asked for."""
import math
import re
from xml.sax.saxutils import escape

from perf_results import asked_figures

# Blue and vermilion of Okabe and Ito: told apart by everybody, and by brightness in grey.
STYLE = """
.page{fill:#ffffff}.text{fill:#1f2328}.muted{fill:#59636e}.grid{stroke:#d1d9e0}.line{stroke:#1f2328}
.good{fill:#0072b2}.short{fill:#d55e00}.dot{fill:#1f2328;fill-opacity:.55}
@media (prefers-color-scheme:dark){.page{fill:#0d1117}.text{fill:#f0f6fc}.muted{fill:#9198a1}\
.grid{stroke:#30363d}.line{stroke:#f0f6fc}
.good{fill:#56b4e9}.short{fill:#e69f00}.dot{fill:#f0f6fc;fill-opacity:.6}}"""
SIZE, ROW, TOP, BOTTOM, WIDTH = 12, 22, 58, 52, 900


def text_width(text):
    """Upper bound for the sans-serif fonts in use."""
    return 0.56 * SIZE * len(text)


class Svg:
    def __init__(self, height, title):
        self.body, self.height, self.title = [], height, title

    def text(self, x, y, content, anchor="start", kind="text", bold=False):
        weight = ' font-weight="bold"' if bold else ""
        self.body.append(
            f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}"{weight}>'
            f'{escape(content)}</text>'
        )

    def line(self, x1, y1, x2, y2, kind="grid", width=1, dash=""):
        dash = f' stroke-dasharray="{dash}"' if dash else ""
        self.body.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}" '
            f'stroke-width="{width}"{dash}/>'
        )

    def bar(self, x1, x2, y, height, kind, tooltip):
        left, right = min(x1, x2), max(x1, x2)
        self.body.append(
            f'<rect x="{left:.1f}" y="{y:.1f}" width="{max(right - left, 1):.1f}" height="{height:.1f}" '
            f'class="{kind}">'
            f"<title>{escape(tooltip)}</title></rect>")

    def dot(self, x, y, tooltip):
        self.body.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" class="dot"><title>{escape(tooltip)}</title></circle>'
        )

    def document(self):
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{self.height:.0f}" '
            f'viewBox="0 0 {WIDTH} {self.height:.0f}" role="img" '
            f'aria-label="{escape(self.title)}" font-size="{SIZE}" '
            'font-family="Helvetica, Arial, \'Liberation Sans\', \'DejaVu Sans\', sans-serif">\n'
            f"<style>{STYLE}</style>\n<rect width=\"100%\" height=\"100%\" class=\"page\"/>\n" +
            "\n".join(self.body) + "\n</svg>\n")


def start(title, subtitle, rows, labels):
    """An empty chart with room for labels on the left: svg, left edge of the plot, bottom of the plot."""
    svg = Svg(TOP + ROW * rows + BOTTOM, title)
    svg.text(16, 22, title, bold=True)
    svg.text(16, 40, subtitle, kind="muted")
    return svg, 28 + max(text_width(label) for label in labels), TOP + ROW * rows


def shorten(text, limit=62):
    return text if len(text) <= limit else text[:limit - 1] + "…"


def shares_chart(device):
    """One row per family and limit: bar to the median share, a dot for every case. None if nothing was held
    against a limit."""
    groups = {}
    for case in device.cases:
        if case.share is not None:
            groups.setdefault((case.benchmark, case.first("limit_name")), []).append(case)
    if not groups:
        return None
    labels = [f"{benchmark}: {limit} ({len(cases)})" for (benchmark, limit), cases in groups.items()]
    svg, left, bottom = start(f"Share of the measured limit, {device.name}",
                              "bar: median of a family's cases, dot: one case; in brackets their number",
                              len(groups), labels)
    right = WIDTH - 70
    top_share = max(1.0, max(case.share for cases in groups.values() for case in cases))
    step = 0.2 if top_share <= 1.6 else 0.5 if top_share <= 4 else math.ceil(top_share / 8)
    top_share = math.ceil(top_share / step - 1e-9) * step
    at = lambda share: left + (right - left) * share / top_share
    for i in range(int(round(top_share / step)) + 1):
        svg.line(at(i * step), TOP - 6, at(i * step), bottom, "grid")
        svg.text(at(i * step), bottom + 18, f"{100 * i * step:.0f} %", "middle", "muted")
    svg.text((left + right) / 2, bottom + 38, "share of the limit measured in the same run", "middle",
             "muted")
    for row, (label, cases) in enumerate(zip(labels, groups.values())):
        shares = sorted(case.share for case in cases)
        median = (shares[(len(shares) - 1) // 2] + shares[len(shares) // 2]) / 2
        y = TOP + ROW * row
        svg.text(left - 10, y + 14, label, "end")
        svg.bar(at(0), at(median), y + 4, ROW - 9, "good", f"{label}: median {100 * median:.0f} %")
        for case in cases:
            svg.dot(at(case.share), y + 4 + (ROW - 9) / 2, f"{case.name}: {100 * case.share:.0f} %")
        svg.text(right + 10, y + 14, f"{100 * median:.0f} %", kind="muted")
    svg.line(at(1), TOP - 6, at(1), bottom, "line", 1.5, "5 3")
    return svg.document()


def asked_chart(device, rules):
    """One row per figure and rival: what was reached over what was asked, on a logarithmic axis. None if
    nothing is asked of this device."""
    figures = asked_figures(device, rules)
    if not figures:
        return None
    labels = [
        shorten(f"{figure.what}: {re.sub(' sgemm.* kernels for ', ' for ', figure.against)}")
        for figure in figures
    ]
    svg, left, bottom = start(
        f"Figures asked for, {device.name}",
        "reached over asked, right of the dashed line is better than asked; bar: median, dot: one case",
        len(figures), labels)
    right = WIDTH - 160
    factors = [figure.factor(reached) for figure in figures for reached in figure.reached.values()]
    low = min(0.5, 2.0**math.floor(math.log2(min(factors))))
    high = max(2.0, 2.0**math.ceil(math.log2(max(factors))))
    at = lambda factor: left + (right - left) * math.log(factor / low) / math.log(high / low)
    doublings = int(round(math.log2(high / low)))
    every = max(1, math.ceil(doublings / 8))
    for i in range(0, doublings + 1):
        if (round(math.log2(low)) + i) % every == 0:
            tick = low * 2.0**i
            svg.line(at(tick), TOP - 6, at(tick), bottom, "grid")
            svg.text(at(tick), bottom + 18, f"{tick:g}", "middle", "muted")
    svg.text((left + right) / 2, bottom + 38, "reached / asked (logarithmic)", "middle", "muted")
    for row, (figure, label) in enumerate(zip(figures, labels)):
        y = TOP + ROW * row
        factor = figure.factor(figure.median)
        svg.text(left - 10, y + 14, label, "end")
        svg.bar(at(1), at(factor), y + 4, ROW - 9, "good" if factor >= 1 else "short",
                f"{label}: median {figure.show(figure.median)}")
        for name, reached in figure.worst_first:
            svg.dot(at(figure.factor(reached)), y + 4 + (ROW - 9) / 2, f"{name}: {figure.show(reached)}")
        reached = f"{figure.show(figure.median)}, asked {figure.show(figure.asked)}"
        svg.text(right + 12, y + 14, reached, kind="muted")
    svg.line(at(1), TOP - 6, at(1), bottom, "line", 1.5, "5 3")
    return svg.document()


def charts(device, rules):
    """File name -> SVG text."""
    made = {
        f"{device.folder}-limits.svg": shares_chart(device),
        f"{device.folder}-asked.svg": asked_chart(device, rules)
    }
    return {name: text for name, text in made.items() if text is not None}
