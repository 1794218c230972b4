"""Where and how everything runs: cores, time, memory, folders. One for the whole program."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HUGEPAGES = Path("/proc/sys/vm/nr_hugepages")
MEMORY_MB = 1024
WIRE_MEMORY_MB = 256
PACKET_BYTES = 1500
FRAME_BYTES = PACKET_BYTES + 14
# Of every queue of every port, testpmd's and mpdk's.
QUEUE_FRAMES = 1024


@dataclass
class Place:
    """What each system is given."""

    folder: Path
    tools: Path
    mpdk: Path
    receiving_core: int
    sending_core: int
    seconds: float
    warm_up: float
    memory: str  # no-huge or in-memory: of testpmd and of mpdk

    @property
    def name(self):
        """Sets what belongs to this program apart from everything else."""
        return f"sbs{os.getpid()}"

    def patience(self):
        """How long a run may take at most."""
        return self.warm_up + self.seconds * 1.5 + 20


def two_cores(wish):
    """The cores of `--cores A,B`, or the first two that this program may use."""
    allowed = sorted(os.sched_getaffinity(0))
    if wish:
        try:
            first, second = (int(core) for core in wish.split(","))
        except ValueError:
            raise ValueError(f"--cores takes A,B, not {wish}") from None
        if first == second or not {first, second} <= set(allowed):
            raise ValueError(f"--cores {wish}: two different ones of {allowed}")
        return first, second
    if len(allowed) < 2:
        raise ValueError("two cores are needed: one for each side")
    return allowed[0], allowed[1]


@contextlib.contextmanager
def hugepages(wish):
    """The memory of the DPDK programs; reserves hugepages for two and an emulator, and gives them back."""
    before = int(HUGEPAGES.read_text()) if HUGEPAGES.exists() else 0
    if wish == "no-huge" or not HUGEPAGES.exists():
        yield "no-huge"
        return
    wanted = (2 * (MEMORY_MB + 64) + WIRE_MEMORY_MB + 64) * 1024 // _page_kb()
    try:
        with contextlib.suppress(OSError):
            HUGEPAGES.write_text(str(max(before, wanted)))
        if _free_pages() >= wanted:
            yield "in-memory"
        elif wish == "in-memory":
            raise ValueError(f"{wanted} free hugepages are needed, {_free_pages()} could be had: --memory no-huge")
        else:
            yield "no-huge"
    finally:
        with contextlib.suppress(OSError):
            HUGEPAGES.write_text(str(before))


def _memory(key):
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1])
    return 0


def _page_kb():
    return _memory("Hugepagesize") or 2048


def _free_pages():
    return _memory("HugePages_Free")
