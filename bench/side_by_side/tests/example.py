"""A whole result, made up: about what a quiet machine gives."""

from ..catalogue import FITTING
from ..report import report
from ..summary import Sample

SETUP = {
    "command": "bench/side-by-side --runs 3",
    "cpu": "A <processor> & more, 2 cores",
    "kernel": "6.12",
    "load_before": "0.01",
    "pinning": {"receiving_core": 0, "sending_core": 1},
    "memory": {"mode": "no-huge"},
    "mtu": 1500,
    "runs": 3,
    "seconds": 4.0,
    "warm_up_seconds": 1.0,
    "versions": {
        "mpdk": "mpdk 0.1.0 at 0123456789ab", "dpdk": "22.11.11", "rustc": "rustc 1.95.0", "smoltcp": "0.14.0",
    },
}
GBIT = 1e9
BULK = {
    ("testpmd", 1): 110, ("testpmd", 2): 108, ("testpmd", 6): 101,
    ("kernel-mptcp", 1): 3.1, ("kernel-mptcp", 2): 2.8, ("kernel-mptcp", 6): 2.2, ("kernel-tcp", 1): 5.4,
    ("mpdk-mptcp", 1): 49, ("mpdk-mptcp", 2): 47, ("mpdk-mptcp", 6): 43, ("mpdk-client", 2): 39, ("mpdk-tcp", 1): 52,
    ("smoltcp", 1): 33,
}
SUPER = {
    ("kernel-mptcp", 1): 19, ("kernel-mptcp", 2): 17, ("kernel-mptcp", 6): 14, ("kernel-tcp", 1): 41,
    ("mpdk-mptcp", 1): 74, ("mpdk-mptcp", 2): 71, ("mpdk-mptcp", 6): 66, ("mpdk-client", 2): 55, ("mpdk-tcp", 1): 80,
}
RR_P50_NS = {"kernel-mptcp": 17_400, "kernel-tcp": 11_900, "mpdk-mptcp": 3_300, "mpdk-tcp": 3_100}
CPS = {"kernel-mptcp": 17_000, "kernel-tcp": 39_000, "mpdk-mptcp": 182_000, "mpdk-tcp": 241_000}
WIRE_SHARE = {"kernel-mptcp": 0.91, "mpdk-mptcp": 0.98}
NEAR, FAR = (101.0, 104.0), (312.0, 309.0)


def samples(state="near", bounce=NEAR, times=(1.0, 0.96, 1.07)):
    """Runs of every system in one state; `times` what the figures are in each."""
    runs = []
    for factor in times:
        for (system, links), rate in BULK.items():
            bits = rate * GBIT * factor
            figures = {f"bulk-{links}": bits, f"packets-{links}": bits / 8 / 1500}
            runs.append(Sample(system, f"bulk-{links}", figures, state, bounce))
        for (system, links), rate in SUPER.items():
            runs.append(Sample(system, f"super-{links}", {f"super-{links}": rate * GBIT * factor}, state, bounce))
        for system, p50 in RR_P50_NS.items():
            figures = {"rr-p50": p50 * factor, "rr-p90": p50 * 1.2, "rr-p99": p50 * 1.5, "rr-p999": p50 * 4 * factor}
            runs.append(Sample(system, "rr", figures | {"rr-rate": 1e9 / p50}, state, bounce))
        for system, rate in CPS.items():
            runs.append(Sample(system, "cps", {"cps": rate * factor}, state, bounce))
        for system, share in WIRE_SHARE.items():
            for name, fitting in FITTING.items():
                # The links are the limit, whatever the machine does.
                runs.append(Sample(system, name, {name: share * fitting}, state, bounce))
    return runs


def result():
    return report(SETUP, samples(), [])
