"""The table, the file and the picture."""

import json
import unittest
from xml.etree import ElementTree

from ..catalogue import FIGURES, HAS, SYSTEMS, WORKLOADS, plan
from ..plot import COLOURS, PANELS, svg
from ..report import report, scaled, table, to_json
from ..setup_facts import locked_version, to_text
from . import example

SVG = "{http://www.w3.org/2000/svg}"


class Plan(unittest.TestCase):
    def test_systems_take_turns_within_a_workload(self):
        names = [workload.name for workload, _ in plan()]
        self.assertEqual(len(names), sum(len(workloads) for workloads in HAS.values()))
        starts = [name for before, name in zip([None, *names], names) if before != name]
        self.assertEqual(starts, [workload.name for workload in WORKLOADS])

    def test_only_takes_lists_of_patterns(self):
        pairs = [(workload.name, system) for workload, system in plan("kernel*,testpmd/bulk-1,cps")]
        self.assertEqual(pairs, [("bulk-1", "testpmd"), ("bulk-1", "kernel-mptcp"), ("bulk-1", "kernel-tcp"),
                                 ("cps", "kernel-mptcp"), ("cps", "kernel-tcp")])
        self.assertEqual([system for _, system in plan("smoltcp")], ["smoltcp"])
        self.assertEqual({workload.name for workload, _ in plan("/rr")}, {"rr"})

    def test_only_nothing_is_a_mistake(self):
        with self.assertRaisesRegex(ValueError, "leaves nothing"):
            plan("testpmd/cps")


class Table(unittest.TestCase):
    def test_numbers_are_for_people(self):
        for value, unit, words in ((17.35e9, "bit/s", "17.4 Gbit/s"), (9.1e6, "packet/s", "9.10 Mpacket/s"),
                                   (3_321, "ns", "3.32 us"), (225_000, "1/s", "225 k/s"), (3, "1/s", "3.00 /s")):
            self.assertEqual(scaled(value, unit), words)

    def test_it_shows_every_system_and_every_ratio(self):
        result = example.result()
        text = table(result)
        for system in SYSTEMS.values():
            self.assertIn(system, text)
        for ratio in result["ratios"]:
            self.assertIn(ratio["name"], text)
        self.assertIn("NOT MET", table(report(example.SETUP, example.samples(times=(0.1,)), [])))

    def test_it_says_what_failed_and_what_is_not_counted(self):
        samples = example.samples(times=(1.0,))
        samples[0].core_state = "changed"
        text = table(report(example.SETUP, samples, [{"system": "mpdk", "workload": "all", "reason": "no verb"}]))
        self.assertIn("FAILED mpdk all: no verb", text)
        self.assertIn("1 runs are not counted", text)

    def test_it_says_that_the_kernel_stalled(self):
        samples = example.samples(times=(1.0,))
        counters = {"counters": {"MPTCPRetrans": 9}}
        named = {(sample.system, sample.workload): sample for sample in samples}
        named["mpdk-mptcp", "bulk-1"].details = counters
        self.assertNotIn("stalled", table(report(example.SETUP, samples, [])))
        named["kernel-mptcp", "bulk-1"].details = counters
        self.assertIn("stalled in runs of bulk-1:", table(report(example.SETUP, samples, [])))

    def test_nothing_measured_has_a_table_too(self):
        self.assertIn("not measured", table(report(example.SETUP, [], [])))

    def test_the_head_names_the_versions(self):
        self.assertIn("smoltcp 0.14.0", to_text(example.SETUP))


class File(unittest.TestCase):
    def test_it_has_what_it_promises(self):
        read = json.loads(to_json(example.result()))
        keys = {"system", "figure", "value", "unit", "runs", "spread", "core_state"}
        self.assertEqual(keys, set(read["figures"][0]))
        self.assertLessEqual({"name", "value", "goal", "met"}, set(read["ratios"][0]))
        self.assertEqual(read["setup"]["mtu"], 1500)

    def test_a_version_is_read_from_a_lock(self):
        lock = '[[package]]\nname = "smol"\nversion = "2.0.0"\n\n[[package]]\nname = "smoltcp"\nversion = "0.14.0"\n'
        self.assertEqual(locked_version(lock, "smoltcp"), "0.14.0")
        self.assertEqual(locked_version(lock, "absent"), "unknown")


class Plot(unittest.TestCase):
    def test_it_is_xml_with_a_bar_for_each_figure(self):
        result = example.result()
        root = ElementTree.fromstring(svg(result))
        bars = root.findall(f"{SVG}rect")[1:]
        shown = [figure for figure in result["figures"] if figure["figure"] in PANELS]
        self.assertEqual(len(bars), len(shown))
        self.assertIn("A <processor> & more", "".join(root.itertext()))

    def test_nothing_leaves_the_picture(self):
        root = ElementTree.fromstring(svg(example.result()))
        width, height = float(root.get("width")), float(root.get("height"))
        for shape in root.findall(f"{SVG}rect"):
            right = float(shape.get("x", 0)) + float(shape.get("width"))
            self.assertLessEqual(right, width)
        for words in root.findall(f"{SVG}text"):
            self.assertLess(float(words.get("y")), height)

    def test_a_long_command_stays_in_the_picture(self):
        result = example.result()
        result["setup"] = result["setup"] | {"command": "x" * 1000}
        longest = max(len(words.text) for words in ElementTree.fromstring(svg(result)).iter(f"{SVG}text"))
        self.assertLess(longest, 150)

    def test_nothing_measured_has_a_picture_too(self):
        ElementTree.fromstring(svg(report(example.SETUP, [], [])))

    def test_every_system_has_a_colour_and_every_panel_a_figure(self):
        self.assertEqual(set(COLOURS), set(SYSTEMS))
        self.assertLessEqual(set(PANELS), set(FIGURES))
