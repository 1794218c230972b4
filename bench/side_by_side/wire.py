"""Links of a rate, a delay and losses: `mpdk wire` between two ends, mpdk's over vhost or the kernel's over TAPs.

The emulator has a core to itself and never sleeps on it, so that the links are what they are said to be. Both ends
share the other, and sleep whenever they have nothing to do.
"""

import json
import os
import subprocess
from dataclasses import replace

from . import kernel, mpdk
from .place import PACKET_BYTES, QUEUE_FRAMES, WIRE_MEMORY_MB
from .processes import Failed, Processes, run, wait_until

SPIN_US = 10_000_000
# What `mpdk wire` takes if nothing is said.
QUEUE_PACKETS = 1000
# Slow start fills that queue, overshoots and recovers before anything counts.
WARM_UP_SECONDS = 1.0


def measure(system, workload, place):
    """One run of three processes."""
    ends = replace(place, receiving_core=place.sending_core, warm_up=place.warm_up + WARM_UP_SECONDS)
    with Processes(place.folder) as processes:
        measure_ends = _kernel if system == "kernel-mptcp" else _mpdk
        return measure_ends(system, workload, place, ends, processes)


def _mpdk(system, workload, place, ends, processes):
    sockets = {side: [place.folder / f"wire-{side}{link}.sock" for link in range(1, workload.links + 1)]
               for side in ("active", "passive")}
    for socket in sockets["active"] + sockets["passive"]:
        socket.unlink(missing_ok=True)
    pairs = zip(sockets["active"], sockets["passive"])
    devices = [(f"net_vhost{2 * index},iface={active}", f"net_vhost{2 * index + 1},iface={passive}")
               for index, (active, passive) in enumerate(pairs)]
    wire = Wire(processes, workload, place, devices)
    files = {}
    for host, (side, paths) in enumerate(sockets.items(), start=1):
        files[side] = place.folder / f"{side}.toml"
        text = mpdk.config(ends, side, ends.sending_core, mpdk.virtio_devices(paths, host), host, spin_us=0)
        files[side].write_text(text)
    environment = {"RUNTIME_DIRECTORY": str(place.folder)}
    sink = processes.start("mpdk-sink", place.mpdk, "bench", "sink", "--config", files["passive"], "-v",
                           core=ends.receiving_core, **environment)
    wait_until("endpoint", lambda: "the endpoint runs" in sink.errors(), sink)
    source = processes.start("mpdk-active", place.mpdk, "bench", *mpdk.active_words(system, workload, ends),
                             "--config", files["active"], "--json", core=ends.sending_core, **environment)
    source.wait(ends.patience())
    figures, details = mpdk.figures_of(source.report(), system, workload)
    return figures, details | {"wire": wire.counts()}


def _kernel(system, workload, place, ends, processes):
    names = [(f"{place.name}s{link}", f"{place.name}r{link}") for link in range(1, workload.links + 1)]
    devices = [tuple(f"net_tap{2 * index + side},iface={name}" for side, name in enumerate(pair))
               for index, pair in enumerate(names)]
    wire = Wire(processes, workload, place, devices)
    protocol = system.removeprefix("kernel-")
    with TapLinks(place.name, names) as links:
        with Processes(place.folder) as generators:
            figures, details = kernel.bulk(kernel.Both(ends, links, generators, protocol), workload)
        counters = links.counters()
        wire_counts = wire.counts()
    kernel.check_protocol(counters, protocol, workload, 1)
    return figures, details | {
        "counters": {name: value for name, value in counters.items() if value}, "wire": wire_counts,
    }


class TapLinks(kernel.Links):
    """Two namespaces with the TAPs that an emulator made."""

    kind = "tun"

    def __init__(self, name, devices):
        super().__init__(name, len(devices), offloads=False)
        self._devices = devices

    def join(self, link):
        sending, receiving = self._devices[link - 1]
        run("ip", "link", "set", sending, "netns", self.sending, "name", f"s{link}")
        run("ip", "link", "set", receiving, "netns", self.receiving, "name", f"r{link}")


class Wire:
    """A running emulator."""

    def __init__(self, processes, workload, place, devices):
        self._place = place
        self._file = place.folder / "wire.toml"
        self._file.write_text(wire_config(workload, place, devices))
        emulator = processes.start("wire", place.mpdk, "wire", "--config", self._file, core=place.receiving_core,
                                   **self._environment())
        wait_until("emulator", lambda: "the emulator runs" in emulator.errors(), emulator)

    def _environment(self):
        return {"RUNTIME_DIRECTORY": str(self._place.folder)}

    def counts(self):
        """What became of each link's frames; fails if the emulator was the limit and not the links."""
        command = [str(self._place.mpdk), "wire", "show", "--config", str(self._file), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=20,
                              env=os.environ | self._environment(), check=False)
        if done.returncode:
            raise Failed(f"mpdk wire show: {done.stderr.strip()}")
        return counts_of(json.loads(done.stdout))


def counts_of(shown):
    """Frames of each direction of each link, from what the emulator shows."""
    counts = {}
    for link in shown:
        for direction in ("a_to_b", "b_to_a"):
            frames = {name: count["frames"] for name, count in link[direction]["counts"].items()}
            refused = link[direction].get("refused_frames", 0)
            if frames.get("overflowed") or refused:
                raise Failed(f"the emulator dropped frames itself: {frames}, {refused} refused")
            counts[f"{link['name']} {direction}"] = {name: value for name, value in frames.items() if value}
    return counts


def wire_config(workload, place, devices):
    """The emulator's file; `devices` are pairs: of the sender and of the receiver."""
    links = ""
    for number, (link, pair) in enumerate(zip(workload.emulated, devices, strict=True), start=1):
        direction = (f"{{ rate_mbit = {link.rate_mbit}, delay_us = {link.round_trip_us // 2}, loss = {link.loss}, "
                     f"queue_packets = {QUEUE_PACKETS} }}")
        links += f'\n[[link]]\nname = "link{number}"\nmtu = {PACKET_BYTES}\n'
        for side, device in zip("ab", pair):
            rings = f"rx_descriptors = {QUEUE_FRAMES}, tx_descriptors = {QUEUE_FRAMES}"
            links += f'{side} = {{ device = "{device}", {rings} }}\n'
        links += f"a_to_b = {direction}\nb_to_a = {direction}\n"
    return (
        f'[wire]\ncontrol = "{place.folder}/wire.control"\nspin_us = {SPIN_US}\n'
        f'[eal]\nmemory = "{place.memory}"\nmemory_mb = {WIRE_MEMORY_MB}\nfile_prefix = "{place.name}-wire"\n{links}'
    )
