"""What is measured: figures with their units, and which system has which workload."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from .place import FRAME_BYTES, PACKET_BYTES

LINKS = (1, 2, 6)
SYSTEMS = {
    "testpmd": "testpmd (the wire)",
    "kernel-mptcp": "Linux MPTCP",
    "kernel-tcp": "Linux TCP",
    "mpdk-mptcp": "mpdk MPTCP",
    "mpdk-client": "mpdk MPTCP, client API",
    "mpdk-tcp": "mpdk plain TCP",
    "smoltcp": "smoltcp TCP, in memory",
}


@dataclass(frozen=True)
class Figure:
    """One number of a run."""

    title: str
    unit: str


@dataclass(frozen=True)
class EmulatedLink:
    """What `mpdk wire` makes of a link, the same both ways."""

    rate_mbit: int
    round_trip_us: int
    loss: float = 0.0


@dataclass(frozen=True)
class Workload:
    """What a system is asked to do in one run."""

    name: str
    kind: str  # bulk, super, rr, cps or wire
    links: int
    emulated: tuple = ()

    def fitting_bits_per_second(self):
        """TCP payload that the emulated links carry: all but Ethernet, IP and TCP with timestamps."""
        payload = PACKET_BYTES - 20 - 32
        return sum(link.rate_mbit for link in self.emulated) * 1e6 * payload / FRAME_BYTES


_WIRE = {
    "wire-equal": ("1 + 1 Gbit/s, round trips of 0.2 ms", (EmulatedLink(1000, 200), EmulatedLink(1000, 200))),
    "wire-unequal": ("1 Gbit/s + 200 Mbit/s, 0.2 ms", (EmulatedLink(1000, 200), EmulatedLink(200, 200))),
    "wire-rtt": ("1 + 1 Gbit/s, 0.2 ms and 5 ms", (EmulatedLink(1000, 200), EmulatedLink(1000, 5000))),
    "wire-loss": ("1 + 1 Gbit/s, 0.2 ms, 0.1 % loss", (EmulatedLink(1000, 200, 0.001), EmulatedLink(1000, 200, 0.001))),
}


def _figures():
    figures = {}
    for links in LINKS:
        what = f"{links} link{'s' if links > 1 else ''}"
        figures[f"bulk-{links}"] = Figure(f"One connection, {what}, 1500 B packets", "bit/s")
        figures[f"packets-{links}"] = Figure(f"Packets of it, {what}", "packet/s")
        figures[f"super-{links}"] = Figure(f"One connection, {what}, super-frames", "bit/s")
    for name, title in (("p50", "median"), ("p90", "p90"), ("p99", "p99"), ("p999", "p99.9")):
        figures[f"rr-{name}"] = Figure(f"64 B request and response, {title}", "ns")
    figures["rr-rate"] = Figure("64 B requests and responses", "1/s")
    figures["cps"] = Figure("Connect, a byte each way, close", "1/s")
    for name, (title, _) in _WIRE.items():
        figures[name] = Figure(f"Emulated links, {title}", "bit/s")
    return figures


FIGURES = _figures()
WORKLOADS = tuple(
    [Workload(f"bulk-{links}", "bulk", links) for links in LINKS]
    + [Workload(f"super-{links}", "super", links) for links in LINKS]
    + [Workload("rr", "rr", 1), Workload("cps", "cps", 1)]
    + [Workload(name, "wire", len(emulated), emulated) for name, (_, emulated) in _WIRE.items()]
)
FITTING = {workload.name: workload.fitting_bits_per_second() for workload in WORKLOADS if workload.emulated}
_EVERYTHING = tuple(workload.name for workload in WORKLOADS)
# One connection of plain TCP uses one link.
_ONE_LINK = tuple(workload.name for workload in WORKLOADS if workload.links == 1)
HAS = {
    "testpmd": ("bulk-1", "bulk-2", "bulk-6"),
    "kernel-mptcp": _EVERYTHING,
    "kernel-tcp": _ONE_LINK,
    "mpdk-mptcp": _EVERYTHING,
    "mpdk-client": ("bulk-2", "super-2"),
    "mpdk-tcp": _ONE_LINK,
    "smoltcp": ("bulk-1",),
}


def plan(only=""):
    """The (workload, system) pairs of one round: systems take turns within a workload.

    `only` is SYSTEMS/WORKLOADS, both lists of patterns with commas; an empty one is everything.
    """
    systems, _, workloads = only.partition("/")
    pairs = [
        (workload, system)
        for workload in WORKLOADS
        for system in SYSTEMS
        if workload.name in HAS[system] and _wanted(system, systems) and _wanted(workload.name, workloads)
    ]
    if not pairs:
        known = f"systems {', '.join(SYSTEMS)}; workloads {', '.join(_EVERYTHING)}"
        raise ValueError(f"--only {only} leaves nothing: {known}")
    return pairs


def _wanted(name, patterns):
    return not patterns or any(fnmatchcase(name, pattern.strip()) for pattern in patterns.split(","))
