"""The wire: testpmd sends frames to testpmd over vhost and virtio-user, one core each."""

import re
import time

from .place import FRAME_BYTES, QUEUE_FRAMES
from .processes import Failed, Processes, wait_until

PROGRAM = "dpdk-testpmd"
BUFFERS = 32768
_PORT = re.compile(r"NIC statistics for port (\d+)")
_RECEIVED = re.compile(r"Rx-pps:\s+(\d+)")


def measure(_system, workload, place):
    """Frames per second that arrive, all links together."""
    links = range(1, workload.links + 1)
    sockets = [place.folder / f"testpmd{link}.sock" for link in links]
    for socket in sockets:
        socket.unlink(missing_ok=True)
    with Processes(place.folder) as processes:
        receiver = _start(processes, place, "receiver", "rxonly", place.receiving_core,
                          [f"net_vhost{link},iface={socket}" for link, socket in zip(links, sockets)])
        wait_until("sockets", lambda: all(map(_exists, sockets)) and _prompts(receiver), receiver)
        sender = _start(processes, place, "sender", "txonly", place.sending_core,
                        [f"net_virtio_user{link},path={socket},queue_size={QUEUE_FRAMES}"
                         for link, socket in zip(links, sockets)])
        wait_until("a prompt", lambda: _prompts(sender), sender)
        time.sleep(place.warm_up)
        for pause in (place.seconds, 0):
            shown = len(parse_rates(receiver.output()))
            receiver.say("show port stats all")
            enough = shown + workload.links
            wait_until("statistics", lambda: len(parse_rates(receiver.output())) >= enough, receiver)
            time.sleep(pause)
        rates = parse_rates(receiver.output())[-workload.links:]
        # The sender first: its driver cannot bear that the other end goes before it.
        for process in (sender, receiver):
            process.say("quit")
            process.wait(20)
    if any(rate == 0 for _, rate in rates):
        raise Failed(f"a link carried nothing: {rates}")
    total = sum(rate for _, rate in rates)
    return {
        f"packets-{workload.links}": total,
        f"bulk-{workload.links}": total * FRAME_BYTES * 8,
    }, {"packets_per_second_of_links": [rate for _, rate in rates]}


def parse_rates(output):
    """(port, frames received per second since the last show) of each port shown, in order."""
    rates, port = [], None
    for line in output.splitlines():
        if found := _PORT.search(line):
            port = int(found[1])
        elif (found := _RECEIVED.search(line)) and port is not None:
            rates.append((port, int(found[1])))
            port = None
    return rates


def _start(processes, place, name, mode, core, devices):
    memory = ["--no-huge"] if place.memory == "no-huge" else ["--in-memory", "--single-file-segments"]
    # The main thread waits for commands on the core of its own forwarding one.
    # What it says lies in its own buffer otherwise, until that is full.
    command = ["stdbuf", "--output=L", PROGRAM, "--no-pci", "--no-telemetry", *memory, "-m", "512",
               "--lcores", f"0@{core},1@{core}", "--file-prefix", f"{place.name}-{name}"]
    for device in devices:
        command += ["--vdev", device]
    command += ["--", "--interactive", "--auto-start", "--disable-link-check", "--nb-cores=1",
                f"--forward-mode={mode}", f"--txpkts={FRAME_BYTES}", f"--total-num-mbufs={BUFFERS}",
                f"--rxd={QUEUE_FRAMES}", f"--txd={QUEUE_FRAMES}"]
    return processes.start(f"testpmd-{name}", *command, core=core, RUNTIME_DIRECTORY=str(place.folder))


def _exists(path):
    return path.exists()


def _prompts(process):
    return "testpmd>" in process.output()
