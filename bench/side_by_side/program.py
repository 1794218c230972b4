"""Options, and the order of things."""

import argparse
import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from . import kernel, mpdk, smoltcp, testpmd, wire
from .catalogue import FIGURES, plan
from .core_state import CHANGED, bounce, state_of_run
from .place import ROOT, Place, hugepages, two_cores
from .plot import svg
from .processes import Failed
from .report import has_stalled, report, scaled, table, to_json
from .setup_facts import facts, to_text
from .summary import Sample

MEASURE = {
    "testpmd": testpmd.measure,
    "kernel-mptcp": kernel.measure,
    "kernel-tcp": kernel.measure,
    "mpdk-mptcp": mpdk.measure,
    "mpdk-client": mpdk.measure,
    "mpdk-tcp": mpdk.measure,
    "smoltcp": smoltcp.measure,
}
ATTEMPTS = 3
NEEDS = {
    "testpmd": "dpdk-dev",
    "ip": "iproute2",
    "nstat": "iproute2",
    "ethtool": "ethtool",
    "taskset": "util-linux",
    "setpriv": "util-linux",
}


def main(words):
    """The whole comparison. Gives the exit status: 1 if a run gave no figure."""
    options = _options(words)
    try:
        pairs = plan(options.only)
        cores = two_cores(options.cores)
    except ValueError as error:
        return _refuse(error)
    if os.geteuid() != 0:
        return _refuse("needs root: network namespaces, and hugepages if there are any to be had")
    for program, package in NEEDS.items():
        if shutil.which(testpmd.PROGRAM if program == "testpmd" else program) is None:
            return _refuse(f"{program} is missing: ci/setup installs it (package {package})")
    # As Ctrl-C: everything that was started is ended on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("side-by-side: ended"))
    try:
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="side-by-side-")))
            memory = stack.enter_context(hugepages(options.memory))
            place = Place(folder, _build_tools(), _find_mpdk(), *cores, options.seconds, options.warm_up, memory)
            return _compare(place, pairs, options, words)
    except KeyboardInterrupt:
        return _refuse("ended")
    except (Failed, ValueError, subprocess.CalledProcessError) as error:
        return _refuse(error)


def _options(words):
    parser = argparse.ArgumentParser(
        prog="bench/side-by-side",
        description="testpmd, the kernel's MPTCP and TCP, mpdk and smoltcp side by side on this machine, without NICs. "
        "Needs root. Prints a table, and writes it as JSON and as a plot. bench/README.md says how to read it.",
    )
    parser.add_argument("--quick", action="store_true", help="one short run of each: whether it works, not how fast")
    parser.add_argument("--runs", type=int, help="runs of each (5)")
    parser.add_argument("--seconds", type=float, help="seconds that count of each run (4)")
    parser.add_argument("--only", default="", metavar="SYSTEMS/FIGURES",
                        help="lists of patterns, as in 'mpdk*,kernel-mptcp/bulk-2,rr'; either may be empty")
    parser.add_argument("--output", type=Path, default=ROOT / "bench/out", metavar="DIR",
                        help="for side-by-side.json and side-by-side.svg (bench/out)")
    parser.add_argument("--cores", default="", metavar="A,B", help="the receiver's and the sender's (the first two)")
    parser.add_argument("--memory", choices=("auto", "no-huge", "in-memory"), default="auto",
                        help="of the DPDK programs; auto: hugepages if they can be reserved")
    options = parser.parse_args(words)
    options.runs = max(options.runs or (1 if options.quick else 5), 1)
    options.seconds = max(options.seconds or (1.0 if options.quick else 4.0), 0.2)
    options.warm_up = 0.5 if options.quick else 1.0
    return options


def _build_tools():
    """The generators, built when their sources have changed."""
    target = ROOT / "target/bench-tools"
    subprocess.run(
        ["cargo", "build", "--quiet", "--release", "--locked", "--manifest-path", ROOT / "bench/tools/Cargo.toml",
         "--target-dir", target], check=True, stdin=subprocess.DEVNULL)
    return target / "release/side-by-side-tools"


def _find_mpdk():
    if "MPDK" in os.environ:
        return Path(os.environ["MPDK"]).resolve()
    subprocess.run(["cargo", "build", "--quiet", "--release", "--locked", "--bin", "mpdk"],
                   check=True, stdin=subprocess.DEVNULL, cwd=ROOT)
    return ROOT / "target/release/mpdk"


def _compare(place, pairs, options, words):
    setup = facts(place, options.runs, shlex.join(["bench/side-by-side", *words]))
    print(to_text(setup))
    samples, failures = [], []
    if any(system.startswith("mpdk") for _, system in pairs) and (reason := mpdk.why_not(place.mpdk)):
        failures.append({"system": "mpdk", "workload": "all", "reason": reason})
        pairs = [(workload, system) for workload, system in pairs if not system.startswith("mpdk")]
    try:
        for number in range(1, options.runs + 1):
            for workload, system in pairs:
                _one_run(place, workload, system, f"{number}/{options.runs}", samples, failures)
    finally:
        # What has been measured when somebody ends it is worth keeping.
        if samples or failures:
            _write(report(setup, samples, failures), options.output)
    return 1 if failures else 0


def _one_run(place, workload, system, number, samples, failures):
    """A run that counts; one during which the cores moved is tried again."""
    for _ in range(ATTEMPTS):
        before = bounce(place)
        try:
            measure = wire.measure if workload.kind == "wire" else MEASURE[system]
            figures, details = measure(system, workload, place)
        except (Failed, KeyError) as error:
            reason = str(error) if isinstance(error, Failed) else f"its report lacks {error}"
            print(f"{number} {system:<13} {workload.name:<12} FAILED: {reason}", flush=True)
            failures.append({"system": system, "workload": workload.name, "reason": reason})
            return
        after = bounce(place)
        sample = Sample(system, workload.name, figures, state_of_run(before, after), (before, after), details)
        samples.append(sample)
        print(_line(sample, number), flush=True)
        if sample.core_state != CHANGED:
            return


def _line(sample, number):
    first = next(iter(sample.figures))
    before, after = sample.bounce_ns
    cores = f"cores {sample.core_state}: {before:.0f} ns before, {after:.0f} ns after"
    value = scaled(sample.figures[first], FIGURES[first].unit)
    stalled = ", STALLED" if has_stalled(sample.system, sample.details) else ""
    return f"{number} {sample.system:<13} {sample.workload:<12} {first:<12} {value:>16}   {cores}{stalled}"


def _write(result, folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "side-by-side.json").write_text(to_json(result))
    (folder / "side-by-side.svg").write_text(svg(result))
    print(f"\n{table(result)}\n\nwritten: {folder}/side-by-side.json and .svg")


def _refuse(reason):
    print(f"side-by-side: {reason}", file=sys.stderr)
    return 2
