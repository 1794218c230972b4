"""What a person reads on the terminal, and what a program reads in a file."""

import json

from .catalogue import FIGURES, SYSTEMS
from .core_state import CHANGED
from .summary import figures, main_state, ratios

STALLS_MOST = 2


def report(setup, samples, failures):
    """The whole result as one object."""
    all_figures = figures(samples)
    return {
        "setup": setup,
        "figures": all_figures,
        "ratios": ratios(all_figures),
        "runs": [
            {
                "system": sample.system,
                "workload": sample.workload,
                "core_state": sample.core_state,
                "bounce_ns": sample.bounce_ns,
                "figures": sample.figures,
                "details": sample.details,
            }
            for sample in samples
        ],
        "failures": failures,
    }


def has_stalled(system, details):
    """Whether the kernel's MPTCP waited for its timer of 200 ms more than now and then."""
    return system == "kernel-mptcp" and details.get("counters", {}).get("MPTCPRetrans", 0) > STALLS_MOST


def to_json(result):
    return json.dumps(result, indent=2) + "\n"


def scaled(value, unit):
    """A number of three digits, with a prefix that a person can read."""
    if unit == "ns":
        return f"{_three_digits(value / 1000)} us"
    word = "/s" if unit == "1/s" else unit
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{_three_digits(value / factor)} {prefix}{word}"
    return f"{_three_digits(value)} {word}"


def _three_digits(value):
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}"


def table(result):
    """The figures of each core state, then the ratios, then what is missing and why."""
    lines = []
    states = {figure["core_state"] for figure in result["figures"]}
    first = main_state(result["figures"])
    for state in sorted(states, key=lambda state: state != first):
        lines += ["", f"Cores {state} (only figures under the same heading may be compared)"]
        lines += _figure_lines([figure for figure in result["figures"] if figure["core_state"] == state])
    lines += ["", "Ratios"] + [_ratio_line(ratio) for ratio in result["ratios"]]
    changed = sum(1 for run in result["runs"] if run["core_state"] == CHANGED)
    if changed:
        lines += ["", f"{changed} runs are not counted: the cores moved while they ran"]
    stalled = sorted({run["workload"] for run in result["runs"] if has_stalled(run["system"], run["details"])})
    if stalled:
        lines += ["", f"The kernel's MPTCP stalled in runs of {', '.join(stalled)}: its figures there are too low to"
                  " be compared with (is the machine busy?)"]
    for failure in result["failures"]:
        lines += ["", f"FAILED {failure['system']} {failure['workload']}: {failure['reason']}"]
    return "\n".join(lines).lstrip("\n")


def _figure_lines(all_figures):
    lines, title = [], None
    for figure in all_figures:
        if figure["figure"] != title:
            title = figure["figure"]
            lines.append(f"  {FIGURES[title].title}")
        low, high = (scaled(value, figure["unit"]) for value in figure["spread"])
        count = len(figure["runs"])
        spread = f"{low} .. {high}, {count} runs" if count > 1 else "1 run"
        lines.append(f"    {SYSTEMS[figure['system']]:<24} {scaled(figure['value'], figure['unit']):>15}   ({spread})")
    return lines


def _ratio_line(ratio):
    value, goal = (_number(ratio[key]) for key in ("value", "goal"))
    verdict = {True: "met", False: "NOT MET", None: ""}[ratio["met"]]
    wanted = f"{ratio['goal_is']} {goal}" if ratio["goal"] is not None else ""
    state = ratio["core_state"] or ""
    return f"  {ratio['name']:<60} {value:>13}   {wanted:<17} {verdict:<8} {state}".rstrip()


def _number(value):
    if value is None:
        return "not measured"
    return f"{value:.3f}" if abs(value) < 1000 else scaled(value, "").strip()
