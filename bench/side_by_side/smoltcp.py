"""smoltcp, the other TCP in Rust: both sides on one core, in memory, checksums in software."""

from .processes import Processes


def measure(_system, workload, place):
    """One run of one process."""
    with Processes(place.folder) as processes:
        process = processes.start("smoltcp", place.tools, "smoltcp", "--seconds", place.seconds,
                                  "--warm-up", place.warm_up, core=place.sending_core)
        process.wait(place.patience())
        report = process.report()
    return {
        f"bulk-{workload.links}": report["bits_per_second"],
        f"packets-{workload.links}": report["packets_per_second"],
    }, {}
