"""On what and how it was measured: what somebody else needs to repeat it."""

import os
import platform
import re
import subprocess
import time
from pathlib import Path

from . import kernel
from .core_state import FAR_ABOVE_NS, NEAR_BELOW_NS
from .place import MEMORY_MB, PACKET_BYTES, ROOT


def facts(place, runs, command):
    """The set-up as one object."""
    kernel_offloads = ", ".join(kernel.OFFLOADS)
    return {
        "command": command,
        "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "cpu": _cpu(),
        "kernel": platform.release(),
        "load_before": _first_word("/proc/loadavg"),
        "pinning": {"receiving_core": place.receiving_core, "sending_core": place.sending_core},
        "core_states": f"a cache line there and back: near < {NEAR_BELOW_NS} ns, far > {FAR_ABOVE_NS} ns, else between",
        "memory": {"mode": place.memory, "mb_of_each_mpdk": MEMORY_MB, "hugepages_mb": _hugepages_mb()},
        "drivers": {
            "testpmd, mpdk": "net_vhost receives, net_virtio_user sends, one queue each",
            "kernel": "veth, receive packet steering off: the sender's core runs the receiver's softirq",
            "wire": "mpdk wire alone on the receiver's core, both ends on the sender's: mpdk's over net_virtio_user, "
                    "the kernel's over net_tap",
        },
        "mtu": PACKET_BYTES,
        "offloads": {
            "bulk": f"kernel: {kernel_offloads} off; mpdk: no TSO, no LRO; packets of {PACKET_BYTES} B on the links",
            "super": f"kernel: {kernel_offloads} on; mpdk: TSO and LRO over vhost",
            "checksums": "veth passes them on unmade; mpdk and smoltcp as they report",
        },
        "runs": runs,
        "seconds": place.seconds,
        "warm_up_seconds": place.warm_up,
        "versions": {
            "mpdk": _mpdk(place),
            "dpdk": _output("pkg-config", "--modversion", "libdpdk"),
            "rustc": _output("rustc", "--version"),
            "smoltcp": locked_version((ROOT / "bench/tools/Cargo.lock").read_text(), "smoltcp"),
        },
    }


def to_text(setup):
    """Some lines for the head of a report."""
    pinning, versions = setup["pinning"], setup["versions"]
    return "\n".join([
        f"{setup['cpu']}, Linux {setup['kernel']}, load {setup['load_before']}",
        f"receiver on core {pinning['receiving_core']}, sender on core {pinning['sending_core']}; "
        f"DPDK memory {setup['memory']['mode']}; MTU {setup['mtu']}",
        f"mpdk {versions['mpdk']}; DPDK {versions['dpdk']}; smoltcp {versions['smoltcp']}; {versions['rustc']}",
        f"runs: {setup['runs']} of {setup['seconds']:g} s after {setup['warm_up_seconds']:g} s, systems in turn",
    ])


def locked_version(lock, package):
    """A package's version in a Cargo.lock."""
    found = re.search(rf'name = "{re.escape(package)}"\nversion = "([^"]+)"', lock)
    return found[1] if found else "unknown"


def _mpdk(place):
    revision = _output("git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12")
    return f"{_output(str(place.mpdk), '--version')} at {revision}"


def _output(*command):
    try:
        nothing = subprocess.DEVNULL
        text = subprocess.check_output(command, text=True, stdin=nothing, stderr=nothing, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return next(iter(text.splitlines()), "unknown")


def _cpu():
    model = re.search(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores"


def _hugepages_mb():
    text = Path("/proc/meminfo").read_text()
    sizes = dict(re.findall(r"^(HugePages_Total|Hugepagesize):\s+(\d+)", text, re.MULTILINE))
    return int(sizes.get("HugePages_Total", 0)) * int(sizes.get("Hugepagesize", 0)) // 1024


def _first_word(path):
    return Path(path).read_text().split()[0]
