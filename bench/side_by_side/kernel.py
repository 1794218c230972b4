"""The kernel's MPTCP and TCP over veth links between two network namespaces."""

import contextlib
import json
import time

from .place import FRAME_BYTES
from .processes import Failed, Processes, run, wait_until

PORT = 5001
# As many ports as connections in TIME_WAIT may hold.
SETTINGS = ("net.mptcp.enabled=1", "net.ipv4.ip_local_port_range=1024 65000", "net.ipv4.tcp_tw_reuse=1")
OFFLOADS = ("tso", "gso", "gro")


def measure(system, workload, place):
    """One run in fresh namespaces, checked to be what it says."""
    protocol = system.removeprefix("kernel-")
    with Links(place.name, workload.links, offloads=workload.kind != "bulk") as links:
        with Processes(place.folder) as processes:
            both = Both(place, links, processes, protocol)
            if workload.kind == "rr":
                figures, details = _request_response(both)
            elif workload.kind == "cps":
                figures, details = _connects(both)
            else:
                figures, details = bulk(both, workload)
        counters = links.counters()
    check_protocol(counters, protocol, workload, details.get("connections", 1))
    details["counters"] = {name: value for name, value in counters.items() if value}
    return figures, details


class Links:
    """Two namespaces joined by veth pairs; a context that removes them."""

    kind = "veth"

    def __init__(self, name, count, offloads):
        self.sending, self.receiving = f"{name}-send", f"{name}-receive"
        self.count, self._offloads = count, offloads

    def __enter__(self):
        try:
            self._lay()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for space in (self.sending, self.receiving):
            with contextlib.suppress(Failed):
                run("ip", "netns", "delete", space)

    def _lay(self):
        for space in (self.sending, self.receiving):
            run("ip", "netns", "add", space)
            run("ip", "-n", space, "link", "set", "lo", "up")
            run("ip", "-n", space, "mptcp", "limits", "set", "subflow", "8", "add_addr_accepted", "8")
            run("ip", "netns", "exec", space, "sysctl", "--quiet", "-w", *SETTINGS)
        for link in range(1, self.count + 1):
            self.join(link)
            for space, device, host in ((self.sending, f"s{link}", 1), (self.receiving, f"r{link}", 2)):
                run("ip", "-n", space, "address", "add", f"10.90.{link}.{host}/24", "dev", device)
                run("ip", "-n", space, "link", "set", device, "up")
            # The receiver announces its other addresses, and the sender joins each over its own link.
            if link > 1:
                run("ip", "-n", self.receiving, "mptcp", "endpoint", "add",
                    f"10.90.{link}.2", "dev", f"r{link}", "signal")
        wait_until("link that is up", lambda: all("LOWER_UP" in link["flags"] for link in self._receiving_links()))

    def join(self, link):
        """Makes the devices of a link: s1 and r1, and so on."""
        run("ip", "-n", self.sending, "link", "add", f"s{link}", "type", "veth",
            "peer", "name", f"r{link}", "netns", self.receiving)
        for space, device in ((self.sending, f"s{link}"), (self.receiving, f"r{link}")):
            state = "on" if self._offloads else "off"
            run("ip", "netns", "exec", space, "ethtool", "-K", device,
                *(word for offload in OFFLOADS for word in (offload, state)))

    def counters(self):
        """What the sender's MPTCP has counted."""
        text = run("ip", "netns", "exec", self.sending, "nstat", "-asz", "--json", "MPTcpExt*")
        return {name.removeprefix("MPTcpExt"): value for name, value in json.loads(text)["kernel"].items()}

    def received(self):
        """(time, [(bytes, frames) of each link]) that have arrived."""
        links = self._receiving_links()
        counts = [(link["stats64"]["rx"]["bytes"], link["stats64"]["rx"]["packets"]) for link in links]
        return time.monotonic(), counts

    def _receiving_links(self):
        text = run("ip", "-n", self.receiving, "-s", "-j", "link", "show", "type", self.kind)
        return sorted(json.loads(text), key=lambda link: link["ifname"])


class Both:
    """Starts the two sides of a run."""

    def __init__(self, place, links, processes, protocol):
        self.place, self.links = place, links
        self._processes, self._protocol = processes, protocol

    def passive(self, command):
        # On every address: the kernel takes a subflow only where somebody listens.
        process = self._start(command, "0.0.0.0", self.place.receiving_core, self.links.receiving)
        wait_until("listening", lambda: "listening" in process.output(), process)
        return process

    def active(self, command):
        return self._start(command, "10.90.1.2", self.place.sending_core, self.links.sending)

    def _start(self, command, address, core, namespace):
        place = self.place
        return self._processes.start(
            f"kernel-{command}", place.tools, command, "--address", f"{address}:{PORT}", "--protocol", self._protocol,
            "--seconds", place.seconds, "--warm-up", place.warm_up, core=core, namespace=namespace)


def bulk(both, workload):
    """As many bytes as the links take."""
    place = both.place
    sink = both.passive("sink")
    source = both.active("source")
    time.sleep(place.warm_up)
    start, before = both.links.received()
    time.sleep(place.seconds * 0.9)
    end, after = both.links.received()
    source.wait(place.patience())
    sink.wait(place.patience())
    carried = [(now[0] - then[0], now[1] - then[1]) for then, now in zip(before, after)]
    all_bytes, frames = (sum(column) for column in zip(*carried))
    details = {
        "links": [{"name": f"r{index + 1}", "bytes": link[0]} for index, link in enumerate(carried)],
        "bytes_per_frame": round(all_bytes / max(frames, 1), 1),
    }
    if workload.kind != "super" and details["bytes_per_frame"] > FRAME_BYTES:
        raise Failed(f"the offloads are not off: {details['bytes_per_frame']} bytes per frame")
    # Each link has its subflow, by the counters. How much of it the kernel's scheduler makes is the kernel's business.
    figures = {workload.name: sink.report()["bits_per_second"]}
    if workload.kind == "bulk":
        figures[f"packets-{workload.links}"] = frames / (end - start)
    return figures, details


def _request_response(both):
    echo = both.passive("echo")
    request = both.active("request")
    request.wait(both.place.patience())
    echo.wait(both.place.patience())
    return request_figures(request.report()), {}


def _connects(both):
    accept = both.passive("accept")
    connect = both.active("connect")
    connect.wait(both.place.patience())
    accept.stop()
    report = connect.report()
    if report["failed"] > report["connections"] // 1000:
        raise Failed(f"{report['failed']} of {report['connections']} connections failed")
    details = {"connections": report["connections"], "failed": report["failed"]}
    return {"cps": report["connections_per_second"]}, details


def request_figures(report):
    """The figures of a request-response report, of the kernel's and of mpdk's generator."""
    figures = {f"rr-{name}": report[f"{name}_ns"] for name in ("p50", "p90", "p99", "p999")}
    return figures | {"rr-rate": report["transactions_per_second"]}


def check_protocol(counters, protocol, workload, connections):
    """Fails a run that was not the protocol, or not the subflows, that it says."""
    capable, joined = counters["MPCapableSYNACKRX"], counters["MPJoinSynAckRx"]
    fallen = sum(value for name, value in counters.items() if "Fallback" in name)
    if protocol == "tcp":
        if counters["MPCapableSYNTX"]:
            raise Failed("plain TCP was asked for, and MPTCP spoken")
        return
    if capable < connections or fallen:
        raise Failed(f"{connections} connections, {capable} of them MPTCP, {fallen} fell back")
    if joined != (workload.links - 1) * capable and workload.kind in ("bulk", "super", "wire"):
        raise Failed(f"{joined + capable} subflows instead of {workload.links}")
