"""How far apart the two cores are: near, far or between, by the bounce of a cache line."""

from .processes import parse_report, run

NEAR_BELOW_NS = 150
FAR_ABOVE_NS = 200
STATES = ("near", "between", "far")
CHANGED = "changed"


def bounce(place):
    """Nanoseconds that a cache line takes to the other core and back."""
    cores = f"{place.receiving_core},{place.sending_core}"
    return parse_report(run(str(place.tools), "bounce", "--cores", cores), "bounce")["round_trip_ns"]


def state_of(round_trip_ns):
    """The name of a round trip."""
    if round_trip_ns < NEAR_BELOW_NS:
        return "near"
    return "far" if round_trip_ns > FAR_ABOVE_NS else "between"


def state_of_run(before_ns, after_ns):
    """The state that a run had all the time, as far as its ends tell."""
    before, after = state_of(before_ns), state_of(after_ns)
    return before if before == after else CHANGED
