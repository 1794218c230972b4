"""mpdk: its own generators over vhost and virtio-user, one core each."""

import subprocess

from .kernel import request_figures
from .place import MEMORY_MB, PACKET_BYTES, QUEUE_FRAMES
from .processes import Failed, Processes, wait_until

ADDRESS = "10.90.1.2:5001"
REQUEST_BYTES = 64
PARALLEL_CONNECTS = 64
# An engine that is alone on its core never sleeps; one that shares it with a client has to let that run.
SPIN_US, SPIN_SHARED_US = 10_000_000, 50
# Finished connections leave soon, and there is room for those that have not.
COMMON = """
[engine]
spin_us = {spin_us}
max_connections = 65536
backlog = 4096
packet_buffers = 32768

[tcp]
time_wait_ms = 50

[mptcp]
enabled = {mptcp}
"""


def why_not(program):
    """Why this mpdk cannot be measured, or nothing."""
    try:
        done = subprocess.run([program, "bench", "--help"], capture_output=True, stdin=subprocess.DEVNULL,
                              timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if done.returncode == 0 else f"{program} has no verb bench"


def measure(system, workload, place):
    """One run of two processes."""
    sockets = [place.folder / f"mpdk{link}.sock" for link in range(1, workload.links + 1)]
    for socket in sockets:
        socket.unlink(missing_ok=True)
    passive, active = place.folder / "passive.toml", place.folder / "active.toml"
    super_frames = workload.kind == "super"
    passive.write_text(passive_config(place, sockets, super_frames))
    active.write_text(active_config(place, sockets, system, super_frames))
    with Processes(place.folder) as processes:
        environment = {"RUNTIME_DIRECTORY": str(place.folder)}
        sink = processes.start("mpdk-sink", place.mpdk, "bench", "sink", "--config", passive, "--json",
                               core=place.receiving_core, **environment)
        wait_until("sockets", lambda: all(socket.exists() for socket in sockets), sink)
        generator = processes.start("mpdk-active", place.mpdk, "bench", *active_words(system, workload, place),
                                    "--config", active, "--json", core=place.sending_core, **environment)
        generator.wait(place.patience())
        report = generator.report()
    return figures_of(report, system, workload)


def active_words(system, workload, place):
    """What the active side is asked to do."""
    words = {
        "rr": ["rr", ADDRESS, "--request-bytes", REQUEST_BYTES, "--response-bytes", REQUEST_BYTES, "--pipeline", 1],
        "cps": ["cps", ADDRESS, "--connections", PARALLEL_CONNECTS],
    }.get(workload.kind, ["source", ADDRESS, "--connections", 1, "--warm-up", place.warm_up])
    words += ["--seconds", place.seconds]
    # The configuration says so too; this verb has no word for it.
    if system == "mpdk-tcp" and workload.kind != "rr":
        words.append("--plain-tcp")
    if system == "mpdk-client":
        words.append("--client-api")
    return words


def figures_of(report, system, workload):
    """Figures and details of a report, checked to be what was asked for."""
    if "mptcp" in report and report["mptcp"] == (system == "mpdk-tcp"):
        raise Failed("plain TCP and MPTCP are mixed up")
    details = {key: report[key] for key in ("copied_bytes", "links", "counters") if key in report}
    if workload.kind == "rr":
        return request_figures(report), details
    if workload.kind == "cps":
        return {"cps": report["connections_per_second"]}, details
    carried = [link for link in report.get("links", []) if link["bytes"] > 0]
    if "links" in report and len(carried) < workload.links:
        raise Failed(f"a link carried nothing: {report['links']}")
    figures = {workload.name: report["bits_per_second"]}
    if workload.kind == "bulk":
        figures[f"packets-{workload.links}"] = report["packets_sent_per_second"]
    return figures, details


def passive_config(place, sockets, super_frames):
    """The listening end."""
    tso = ",tso=1" if super_frames else ""
    devices = [f"net_vhost{index},iface={socket}{tso}" for index, socket in enumerate(sockets)]
    return config(place, "passive", place.receiving_core, devices, host=2, super_frames=super_frames)


def active_config(place, sockets, system, super_frames=False):
    """The connecting end; it decides what is spoken."""
    spin_us = SPIN_SHARED_US if system == "mpdk-client" else SPIN_US
    mptcp = system != "mpdk-tcp"
    return config(place, "active", place.sending_core, virtio_devices(sockets, 1), host=1, spin_us=spin_us,
                  mptcp=mptcp, super_frames=super_frames)


def virtio_devices(sockets, host):
    """The devices at sockets that somebody listens at."""
    return [
        f"net_virtio_user{index},path={socket},queue_size={QUEUE_FRAMES},mac=02:6d:70:00:{index + 1:02x}:{host:02x}"
        for index, socket in enumerate(sockets)
    ]


def config(place, side, core, devices, host, spin_us=SPIN_US, mptcp=True, super_frames=False):
    """The file of one end."""
    # Both ends have to want them.
    offload = str(super_frames).lower()
    ports = "".join(
        f'\n[[port]]\nname = "link{link}"\ndevice = "{device}"\naddresses = ["10.90.{link}.{host}/24"]\n'
        f"mtu = {PACKET_BYTES}\nrx_descriptors = {QUEUE_FRAMES}\ntx_descriptors = {QUEUE_FRAMES}\n"
        f"tso = {offload}\nlro = {offload}\n"
        for link, device in enumerate(devices, start=1)
    )
    return (
        f'[eal]\nmemory = "{place.memory}"\nmemory_mb = {MEMORY_MB}\ncores = [{core}]\n'
        f'file_prefix = "{place.name}-{side}"\n{COMMON.format(spin_us=spin_us, mptcp=str(mptcp).lower())}{ports}'
    )
