"""The figures as bars, in SVG written by hand: a panel for each figure, each with its own scale from zero."""

from xml.sax.saxutils import escape

from .catalogue import FIGURES, FITTING, SYSTEMS
from .report import scaled
from .summary import main_state

PANELS = ("bulk-1", "super-1", "bulk-2", "super-2", "bulk-6", "super-6", "rr-p50", "rr-p999", "cps", *FITTING)
COLOURS = {
    "testpmd": "#8a8f98",
    "kernel-mptcp": "#3b6fb6",
    "kernel-tcp": "#9dbbe0",
    "mpdk-mptcp": "#d9541e",
    "mpdk-client": "#e88a5d",
    "mpdk-tcp": "#f3bfa3",
    "smoltcp": "#5d9a68",
}
# Where the name of the table is too long.
SHORT = {"testpmd": "testpmd", "mpdk-client": "mpdk, client API", "smoltcp": "smoltcp, in memory"}
INK, QUIET, RULE = "#1c1f24", "#5f6670", "#d5d9df"
FONT = "Helvetica, Arial, 'DejaVu Sans', sans-serif"
TITLE_WORDS = "One machine, no NIC: the wire, Linux, mpdk and smoltcp side by side"
WIDTH, MARGIN, GAP = 1000, 28, 36
HEAD, FOOT = 92, 46
FOOT_CHARACTERS = 140
PANEL_WIDTH = (WIDTH - 2 * MARGIN - GAP) / 2
LABELS, VALUES = 140, 92
BAR, STEP, TITLE = 15, 23, 46
LABEL_SIZE = 12


def svg(result):
    """A picture in which each panel has one state of the cores: the one with most runs of its figure."""
    panels = []
    for name in PANELS:
        bars = [figure for figure in result["figures"] if figure["figure"] == name]
        state = main_state(bars)
        bars = [bar for bar in bars if bar["core_state"] == state]
        if bars:
            panels.append((name, sorted(bars, key=lambda bar: list(SYSTEMS).index(bar["system"]))))
    rows = [panels[start:start + 2] for start in range(0, len(panels), 2)]
    heights = [TITLE + STEP * max(len(bars) for _, bars in row) + 22 for row in rows]
    height = HEAD + sum(heights) + FOOT
    body, top = [_head(result["setup"])], HEAD
    for row, row_height in zip(rows, heights):
        for column, (name, bars) in enumerate(row):
            body.append(_panel(MARGIN + column * (PANEL_WIDTH + GAP), top, name, bars))
        top += row_height
    body.append(_text(MARGIN, height - 20, _foot(result["setup"]), 11, QUIET))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'font-family="{escape(FONT, {chr(34): "&quot;"})}">\n'
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>\n' + "\n".join(body) + "\n</svg>\n"
    )


def _head(setup):
    place = f"{setup['cpu']}, Linux {setup['kernel']}, one core each side"
    runs = f"Runs of {setup['seconds']:g} s each: {setup['runs']}. Bar: median, line: least to most"
    return "\n".join([
        _text(MARGIN, 38, TITLE_WORDS, 21, INK, weight="bold"),
        _text(MARGIN, 60, place, 12.5, QUIET),
        _text(MARGIN, 77, runs, 12.5, QUIET),
    ])


def _foot(setup):
    versions = setup["versions"]
    words = f"{versions['mpdk']}, DPDK {versions['dpdk']}, smoltcp {versions['smoltcp']} \u00b7 {setup['command']}"
    return words if len(words) <= FOOT_CHARACTERS else words[:FOOT_CHARACTERS - 1] + "\u2026"


def _panel(left, top, name, bars):
    figure = FIGURES[name]
    room = PANEL_WIDTH - LABELS - VALUES
    # The longest line ends where the values begin.
    most = max(max(bar["value"], bar["spread"][1]) for bar in bars) or 1
    better = "less is better" if figure.unit == "ns" else "more is better"
    if name in FITTING:
        better = f"{scaled(FITTING[name], figure.unit)} fit"
    lines = [
        _text(left, top + 14, figure.title, 14, INK, weight="bold"),
        _text(left, top + 31, f"{_unit_name(figure.unit)}, {better}, cores {bars[0]['core_state']}", 11, QUIET),
        _line(left + LABELS, top + TITLE - 6, left + LABELS, top + TITLE + STEP * len(bars) - 2, RULE),
    ]
    for index, bar in enumerate(bars):
        y = top + TITLE + STEP * index
        lines.append(_bar(left, y, bar, room / most))
    return "\n".join(lines)


def _bar(left, y, bar, scale):
    start, middle = left + LABELS, y + BAR / 2
    value = bar["value"] * scale
    low, high = (start + end * scale for end in bar["spread"])
    is_ours = bar["system"].startswith("mpdk")
    weight = "bold" if is_ours else "normal"
    lines = [
        _text(start - 8, middle + 4, _label(bar["system"]), LABEL_SIZE, INK, anchor="end", weight=weight),
        f'<rect x="{start:.1f}" y="{y:.1f}" width="{max(value, 1):.1f}" height="{BAR}" rx="1.5" '
        f'fill="{COLOURS[bar["system"]]}"><title>{escape(_tip(bar))}</title></rect>',
    ]
    if high - low >= 1:
        lines += [_line(low, middle, high, middle, INK)]
        lines += [_line(end, middle - 3, end, middle + 3, INK) for end in (low, high)]
    label = scaled(bar["value"], bar["unit"])
    lines.append(_text(max(start + value, high) + 7, middle + 4, label, LABEL_SIZE, INK, weight=weight))
    return "\n".join(lines)


def _label(system):
    return SHORT.get(system, SYSTEMS[system])


def _tip(bar):
    low, high = (scaled(value, bar["unit"]) for value in bar["spread"])
    return f"{SYSTEMS[bar['system']]}: {scaled(bar['value'], bar['unit'])} ({low} to {high}, {len(bar['runs'])} runs)"


def _unit_name(unit):
    return {"bit/s": "Bits per second", "ns": "Time", "1/s": "Connections per second"}.get(unit, unit)


def _line(x1, y1, x2, y2, colour):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def _text(x, y, words, size, colour, anchor="start", weight="normal"):
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" text-anchor="{anchor}" '
        f'font-weight="{weight}">{escape(words)}</text>'
    )
