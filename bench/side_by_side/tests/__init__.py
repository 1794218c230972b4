"""Tests of what needs no root and no quiet machine. Run: python3 -m side_by_side.tests in bench/."""
