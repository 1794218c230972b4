"""What the systems say, and what they are told."""

import os
import tempfile
import tomllib
import unittest
from pathlib import Path

from .. import mpdk, testpmd, wire
from ..catalogue import WORKLOADS
from ..kernel import check_protocol
from ..place import Place
from ..processes import Failed, Process, parse_report, wait_until

PORT = """
  ######################## NIC statistics for port {port}  ########################
  RX-packets: {packets} RX-missed: 0          RX-bytes:  0
  RX-errors: 0
  RX-nombuf:  0
  TX-packets: 0          TX-errors: 0          TX-bytes:  0

  Throughput (since last show)
  Rx-pps:     {rate}          Rx-bps:            0
  Tx-pps:            7          Tx-bps:            0
  ############################################################################
"""
# Stands in for the binary: makes the sockets of its configuration, prints a report.
FAKE = """#!/usr/bin/env python3
import json, pathlib, sys, time, tomllib
words = sys.argv[1:]
if words[:2] == ["bench", "--help"]: sys.exit(0)
config = tomllib.load(open(words[words.index("--config") + 1], "rb"))
if words[:2] == ["wire", "show"]:
    counts = {"received": {"frames": 9, "bytes": 9}, "lost": {"frames": 0, "bytes": 0}}
    print(json.dumps([{"name": link["name"], "a_to_b": {"counts": counts}, "b_to_a": {"counts": counts}}
                      for link in config["link"]]))
    sys.exit(0)
if words[0] == "wire":
    for link in config["link"]:
        for side in "ab": pathlib.Path(link[side]["device"].split("iface=")[1]).touch()
    print("the emulator runs", file=sys.stderr, flush=True)
    time.sleep(60)
devices = [port["device"] for port in config["port"]]
if words[1] == "sink":
    for device in devices:
        if "vhost" in device: pathlib.Path(device.split("iface=")[1].split(",")[0]).touch()
    print("the endpoint runs", file=sys.stderr, flush=True)
    time.sleep(60)
reports = {
    "source": {"bits_per_second": 2e9, "packets_sent_per_second": 170000, "bytes": 1, "seconds": 1, "copied_bytes": 0,
               "links": [{"name": f"link{n + 1}", "bytes": 10} for n in range(len(devices))]},
    "rr": {"transactions_per_second": 9, "p50_ns": 1, "p90_ns": 2, "p99_ns": 3, "p999_ns": 4},
    "cps": {"connections_per_second": 5},
}
print("starting")
report = reports[words[1]] | {"figure": words[1]}
if words[1] == "source": report["mptcp"] = "--plain-tcp" not in words
print(json.dumps(report, indent=2))
"""


def workload(name):
    return next(workload for workload in WORKLOADS if workload.name == name)


class WithPlace(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        folder = Path(temporary.name)
        core = min(os.sched_getaffinity(0))
        self.place = Place(folder, Path("tools"), folder / "mpdk", core, core, 1.0, 0.5, "no-huge")


class Testpmd(unittest.TestCase):
    def test_rates_are_read_port_by_port_and_show_by_show(self):
        rates = [(0, 0), (1, 0), (0, 123), (1, 456)]
        output = "".join(PORT.format(port=port, packets=5, rate=rate) for port, rate in rates)
        self.assertEqual(testpmd.parse_rates("testpmd> " + output), rates)

    def test_a_show_that_is_cut_off_is_not_a_rate(self):
        self.assertEqual(testpmd.parse_rates(PORT.format(port=0, packets=5, rate=9).split("Rx-pps")[0]), [])


class Mpdk(WithPlace):
    def fake(self, text=FAKE):
        self.place.mpdk.write_text(text)
        self.place.mpdk.chmod(0o755)

    def test_a_binary_without_the_verb_is_told_apart(self):
        self.fake("#!/bin/sh\nexit 2\n")
        self.assertIn("no verb bench", mpdk.why_not(self.place.mpdk))
        self.fake()
        self.assertIsNone(mpdk.why_not(self.place.mpdk))
        self.assertIsNotNone(mpdk.why_not(self.place.folder / "absent"))

    def test_each_kind_of_run_gives_its_figures(self):
        self.fake()
        figures, details = mpdk.measure("mpdk-mptcp", workload("bulk-6"), self.place)
        self.assertEqual(figures, {"bulk-6": 2e9, "packets-6": 170000})
        self.assertEqual((details["copied_bytes"], len(details["links"])), (0, 6))
        self.assertEqual(mpdk.measure("mpdk-client", workload("super-2"), self.place)[0], {"super-2": 2e9})
        self.assertEqual(mpdk.measure("mpdk-tcp", workload("cps"), self.place)[0], {"cps": 5})
        for system in ("mpdk-mptcp", "mpdk-tcp"):
            self.assertEqual(mpdk.measure(system, workload("rr"), self.place)[0]["rr-p999"], 4)

    def test_a_link_without_bytes_or_another_protocol_fails_the_run(self):
        report = {"bits_per_second": 1, "packets_sent_per_second": 1, "mptcp": True,
                  "links": [{"name": "link1", "bytes": 1}, {"name": "link2", "bytes": 0}]}
        with self.assertRaisesRegex(Failed, "carried nothing"):
            mpdk.figures_of(report, "mpdk-mptcp", workload("bulk-2"))
        with self.assertRaisesRegex(Failed, "mixed up"):
            mpdk.figures_of(report, "mpdk-tcp", workload("bulk-1"))

    def test_configurations_are_pairs_on_the_same_sockets(self):
        sockets = [Path("/x/1.sock"), Path("/x/2.sock")]
        passive = tomllib.loads(mpdk.passive_config(self.place, sockets, super_frames=False))
        active = tomllib.loads(mpdk.active_config(self.place, sockets, "mpdk-mptcp"))
        for index, (here, there) in enumerate(zip(passive["port"], active["port"], strict=True), start=1):
            self.assertIn(f"iface=/x/{index}.sock", here["device"])
            self.assertIn(f"path=/x/{index}.sock", there["device"])
            self.assertNotIn("tso", here["device"])
            addresses = here["addresses"] + there["addresses"]
            self.assertEqual(addresses, [f"10.90.{index}.2/24", f"10.90.{index}.1/24"])
        self.assertIn("tso=1", mpdk.passive_config(self.place, sockets, super_frames=True))
        self.assertLessEqual(len(passive["eal"]["file_prefix"]), 32)
        self.assertTrue(active["mptcp"]["enabled"])
        plain = tomllib.loads(mpdk.active_config(self.place, sockets, "mpdk-tcp"))
        self.assertFalse(plain["mptcp"]["enabled"])


class Wire(WithPlace):
    def test_a_run_has_three_processes_and_what_became_of_the_frames(self):
        self.place.mpdk.write_text(FAKE)
        self.place.mpdk.chmod(0o755)
        figures, details = wire.measure("mpdk-mptcp", workload("wire-rtt"), self.place)
        self.assertEqual(figures, {"wire-rtt": 2e9})
        self.assertEqual(details["wire"]["link2 b_to_a"], {"received": 9})

    def test_the_emulator_gets_what_the_workload_says(self):
        pairs = [("net_tap0,iface=a", "net_tap1,iface=b"), ("net_tap2,iface=c", "net_tap3,iface=d")]
        config = tomllib.loads(wire.wire_config(workload("wire-unequal"), self.place, pairs))
        self.assertEqual([link["a_to_b"]["rate_mbit"] for link in config["link"]], [1000, 200])
        self.assertEqual(config["link"][0]["a_to_b"], config["link"][0]["b_to_a"])
        self.assertEqual([link["b"]["device"] for link in config["link"]], ["net_tap1,iface=b", "net_tap3,iface=d"])
        config = tomllib.loads(wire.wire_config(workload("wire-rtt"), self.place, pairs))
        self.assertEqual([link["a_to_b"]["delay_us"] for link in config["link"]], [100, 2500])
        config = tomllib.loads(wire.wire_config(workload("wire-loss"), self.place, pairs))
        self.assertEqual([link["a_to_b"]["loss"] for link in config["link"]], [0.001, 0.001])

    def test_a_run_in_which_the_emulator_was_the_limit_fails(self):
        frames = {"received": {"frames": 5}, "overflowed": {"frames": 1}}
        shown = [{"name": "link1", "a_to_b": {"counts": frames}, "b_to_a": {"counts": {}}}]
        with self.assertRaisesRegex(Failed, "dropped frames itself"):
            wire.counts_of(shown)

    def test_what_fits_is_payload(self):
        self.assertAlmostEqual(workload("wire-unequal").fitting_bits_per_second(), 1.2e9 * 1448 / 1514)
        self.assertEqual(workload("bulk-2").fitting_bits_per_second(), 0)


class Kernel(unittest.TestCase):
    def counters(self, **changed):
        counters = dict.fromkeys(("MPCapableSYNTX", "MPCapableSYNACKRX", "MPJoinSynAckRx"), 1)
        return counters | {"MPCapableFallbackSYNACK": 0} | changed

    def test_the_wished_subflows_pass(self):
        check_protocol(self.counters(), "mptcp", workload("bulk-2"), 1)
        nothing = dict.fromkeys(self.counters(), 0)
        check_protocol(nothing, "tcp", workload("bulk-1"), 1)

    def test_what_is_not_what_it_says_fails(self):
        for changed, protocol, name, reason in (
            ({"MPJoinSynAckRx": 0}, "mptcp", "super-2", "1 subflows instead of 2"),
            ({"MPCapableFallbackSYNACK": 1}, "mptcp", "bulk-2", "fell back"),
            ({"MPCapableSYNACKRX": 0}, "mptcp", "rr", "0 of them MPTCP"),
            ({}, "tcp", "bulk-1", "plain TCP was asked for"),
        ):
            with self.assertRaisesRegex(Failed, reason):
                check_protocol(self.counters(**changed), protocol, workload(name), 1)


class Programs(WithPlace):
    def test_a_report_is_the_object_at_the_end(self):
        self.assertEqual(parse_report('listening\n{"a": 1}\n', "x"), {"a": 1})
        self.assertEqual(parse_report('warm\n{\n "a": {\n"b": 2}\n}\n', "x"), {"a": {"b": 2}})
        for text in ("", "no object\n", '{"a": 1', "[1]"):
            with self.assertRaisesRegex(Failed, "no JSON"):
                parse_report(text, "x")

    def test_a_program_that_ends_is_not_waited_for(self):
        process = Process("brief", ["sh", "-c", "echo sorry >&2; exit 3"], self.place.folder, {})
        with self.assertRaisesRegex(Failed, "brief ended before the moon: sorry"):
            wait_until("the moon", lambda: False, process)
        with self.assertRaisesRegex(Failed, "ended with 3"):
            process.wait(5)
        process.stop()

    def test_a_program_that_will_not_end_is_killed(self):
        words = ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"]
        process = Process("stubborn", words, self.place.folder, {})
        wait_until("ready", lambda: "ready" in process.output(), process)
        process.stop(seconds=0.2)
        self.assertTrue(process.has_ended())
