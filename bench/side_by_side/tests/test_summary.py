"""From runs to figures and ratios."""

import unittest

from ..core_state import CHANGED, state_of, state_of_run
from ..summary import RATIOS, Sample, figures, main_state, ratios
from . import example


def cps(value, state="near"):
    return Sample("mpdk-tcp", "cps", {"cps": value}, state, (100, 100))


def named(entries, part):
    found = [entry for entry in entries if part in entry["name"]]
    assert len(found) == 1, found
    return found[0]


class CoreStates(unittest.TestCase):
    def test_the_bounce_names_the_state(self):
        names = [state_of(ns) for ns in (90, 149.9, 150, 200, 200.1, 400)]
        self.assertEqual(names, ["near", "near", "between", "between", "far", "far"])

    def test_a_run_whose_cores_moved_has_no_state(self):
        self.assertEqual(state_of_run(100, 120), "near")
        self.assertEqual(state_of_run(100, 300), CHANGED)


class Figures(unittest.TestCase):
    def test_the_value_is_the_median_and_the_spread_is_least_and_most(self):
        (figure,) = figures([cps(5), cps(1), cps(100)])
        self.assertEqual((figure["value"], figure["spread"], figure["runs"]), (5, [1, 100], [5, 1, 100]))
        self.assertEqual((figure["system"], figure["unit"], figure["core_state"]), ("mpdk-tcp", "1/s", "near"))

    def test_states_are_kept_apart_and_changed_runs_left_out(self):
        found = figures([cps(1, "far"), cps(2), cps(3, CHANGED)])
        self.assertEqual([(f["core_state"], f["value"]) for f in found], [("near", 2), ("far", 1)])

    def test_nothing_measured_is_no_figure(self):
        self.assertEqual(figures([]), [])
        self.assertIsNone(main_state([]))

    def test_the_main_state_has_most_runs(self):
        self.assertEqual(main_state(figures([cps(1, "far"), cps(1, "far"), cps(2)])), "far")


class Ratios(unittest.TestCase):
    def test_every_ratio_of_a_whole_result_has_a_value(self):
        for entry in ratios(figures(example.samples())):
            self.assertIsNotNone(entry["value"], entry["name"])
            self.assertEqual(entry["core_state"], "near")

    def test_goals_are_met_or_not(self):
        found = ratios(figures(example.samples()))
        self.assertAlmostEqual(named(found, "packet rate of testpmd")["value"], 47 / 108)
        self.assertIs(named(found, "packet rate of testpmd")["met"], True)
        # At most: one link 49, two links 47.
        self.assertAlmostEqual(named(found, "2 subflows")["value"], 49 / 47)
        self.assertIs(named(found, "2 subflows")["met"], True)
        self.assertIs(named(found, "over plain TCP")["met"], True)
        self.assertAlmostEqual(named(found, "64 B request, median")["value"], 17_400 / 3_300)
        self.assertIsNone(named(found, "for comparison")["met"])
        entry = named(found, "share of what fits the links, wire-rtt")
        self.assertEqual((round(entry["value"], 3), entry["goal"], entry["met"]), (0.98, 0.95, True))
        entry = named(found, "the same of Linux: of what fits the links, wire-rtt")
        self.assertEqual((round(entry["value"], 3), entry["met"]), (0.91, None))
        slow = figures([cps(100_000)])
        self.assertIs(named(ratios(slow), "F-Stack")["met"], False)

    def test_two_systems_in_different_states_are_not_compared(self):
        near = [sample for sample in example.samples() if sample.system != "kernel-mptcp"]
        far = [sample for sample in example.samples("far", example.FAR) if sample.system == "kernel-mptcp"]
        entry = named(ratios(figures(near + far)), "connections per second of plain")
        self.assertEqual(entry["core_state"], "near")
        entry = named(ratios(figures(near + far)), "times Linux MPTCP's connections")
        self.assertEqual((entry["value"], entry["met"], entry["core_state"]), (None, None, None))

    def test_the_state_with_most_runs_is_taken_with_its_own_goal(self):
        runs = example.samples("far", example.FAR) + example.samples(times=(1.0,))
        entry = named(ratios(figures(runs)), "VPP")
        self.assertEqual((entry["core_state"], entry["goal"], entry["met"]), ("far", 12.6e9, True))

    def test_all_that_has_to_be_reached_is_there(self):
        goals = [ratio.goal for ratio in RATIOS if not isinstance(ratio.goal, dict)]
        for goal in (0.40, 10, 4, 51.8e9, 1.05, 1.10, 225_000, 0.95):
            self.assertIn(goal, goals)
