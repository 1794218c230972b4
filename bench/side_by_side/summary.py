"""From runs to figures and ratios: medians, spreads, and only runs of one core state side by side."""

from dataclasses import dataclass, field
from statistics import median

from .catalogue import FIGURES, FITTING
from .core_state import CHANGED, STATES

RECORD_BITS_PER_SECOND = 51.8e9
FSTACK_CONNECTIONS_PER_SECOND = 225_000
# VPP's host stack over memif, on cores of the state.
VPP_BITS_PER_SECOND = {"near": 45e9, "between": 45e9, "far": 12.6e9}


@dataclass
class Sample:
    """One run: its figures by name, and how far apart the cores were before and after."""

    system: str
    workload: str
    figures: dict
    core_state: str
    bounce_ns: tuple
    details: dict = field(default_factory=dict)


@dataclass
class Ratio:
    """A promise: the quotient of two figures, each (system, figure), or of a figure and a number, or a figure."""

    name: str
    above: tuple
    below: tuple | float | None
    goal: float | dict | None  # a dictionary has one for each core state
    at_most: bool = False


RATIOS = (
    Ratio("packet rate of testpmd that MPTCP reaches, 2 links, 1500 B",
          ("mpdk-mptcp", "packets-2"), ("testpmd", "packets-2"), 0.40),
    Ratio("times Linux MPTCP, 2 links, 1500 B packets",
          ("mpdk-mptcp", "bulk-2"), ("kernel-mptcp", "bulk-2"), 10),
    Ratio("times Linux MPTCP with GSO, 2 links, super-frames",
          ("mpdk-mptcp", "super-2"), ("kernel-mptcp", "super-2"), 4),
    Ratio("bit/s, 2 links, super-frames, beside VPP's",
          ("mpdk-mptcp", "super-2"), None, VPP_BITS_PER_SECOND),
    Ratio("bit/s, 6 links, super-frames, beside the kernel's record",
          ("mpdk-mptcp", "super-6"), None, RECORD_BITS_PER_SECOND),
    # Both cores are busy all the time: cycles per byte go as the inverse of bytes per second.
    Ratio("cycles per byte with 2 subflows, over 1",
          ("mpdk-mptcp", "bulk-1"), ("mpdk-mptcp", "bulk-2"), 1.05, at_most=True),
    Ratio("cycles per byte with MPTCP, over plain TCP",
          ("mpdk-tcp", "bulk-1"), ("mpdk-mptcp", "bulk-1"), 1.10, at_most=True),
    Ratio("the same of Linux, for comparison",
          ("kernel-tcp", "bulk-1"), ("kernel-mptcp", "bulk-1"), None, at_most=True),
    Ratio("times faster than Linux MPTCP, 64 B request, median",
          ("kernel-mptcp", "rr-p50"), ("mpdk-mptcp", "rr-p50"), 4),
    Ratio("the same, p99.9",
          ("kernel-mptcp", "rr-p999"), ("mpdk-mptcp", "rr-p999"), None),
    Ratio("times Linux MPTCP's connections per second",
          ("mpdk-mptcp", "cps"), ("kernel-mptcp", "cps"), 10),
    Ratio("connections per second of plain TCP, beside F-Stack's",
          ("mpdk-tcp", "cps"), None, FSTACK_CONNECTIONS_PER_SECOND),
    Ratio("times smoltcp, 1 link, 1500 B packets",
          ("mpdk-tcp", "bulk-1"), ("smoltcp", "bulk-1"), None),
) + tuple(
    Ratio(f"{what} fits the links, {name}", (system, name), fitting, goal)
    for name, fitting in FITTING.items()
    for system, what, goal in (
        ("mpdk-mptcp", "share of what", 0.95),
        ("kernel-mptcp", "the same of Linux: of what", None),
    )
)


def figures(samples):
    """The figures of all runs of one state: median, spread and single runs, in the catalogue's order."""
    grouped = {}
    for sample in samples:
        if sample.core_state == CHANGED:
            continue
        for figure, value in sample.figures.items():
            grouped.setdefault((sample.core_state, figure, sample.system), []).append(value)
    order = list(FIGURES)
    return [
        {
            "system": system,
            "figure": figure,
            "value": median(runs),
            "unit": FIGURES[figure].unit,
            "runs": runs,
            "spread": [min(runs), max(runs)],
            "core_state": state,
        }
        for (state, figure, system), runs in sorted(
            grouped.items(), key=lambda item: (STATES.index(item[0][0]), order.index(item[0][1]))
        )
    ]


def ratios(all_figures):
    """Each promise in the state that has most runs of what it needs; without value where none has."""
    known = {(figure["core_state"], figure["system"], figure["figure"]): figure for figure in all_figures}
    return [_ratio(ratio, known) for ratio in RATIOS]


def _ratio(ratio, known):
    best, most = None, 0
    for state in STATES:
        sides = [known.get((state, *side)) for side in (ratio.above, ratio.below) if isinstance(side, tuple)]
        runs = min(len(side["runs"]) if side else 0 for side in sides)
        if runs > most:
            best, most = (state, [side["value"] for side in sides]), runs
    if best is None:
        goal = None if isinstance(ratio.goal, dict) else ratio.goal
        return _entry(ratio, None, goal, None)
    state, values = best
    value = values[0] / (values[1] if len(values) == 2 else ratio.below or 1)
    goal = ratio.goal[state] if isinstance(ratio.goal, dict) else ratio.goal
    return _entry(ratio, value, goal, state)


def _entry(ratio, value, goal, state):
    met = None
    if value is not None and goal is not None:
        met = value <= goal if ratio.at_most else value >= goal
    below = f"{ratio.below:.0f}" if isinstance(ratio.below, float) else " ".join(ratio.below or ())
    sides = [side for side in (" ".join(ratio.above), below) if side]
    return {
        "name": ratio.name,
        "value": value,
        "goal": goal,
        "goal_is": "at most" if ratio.at_most else "at least",
        "met": met,
        "of": " / ".join(sides),
        "core_state": state,
    }


def main_state(all_figures):
    """The state with most runs: the one to show first."""
    counts = {state: sum(len(f["runs"]) for f in all_figures if f["core_state"] == state) for state in STATES}
    return max(STATES, key=lambda state: counts[state]) if any(counts.values()) else None
