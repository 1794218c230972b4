"""Runs all tests, and ends with the line that ci/test counts by."""

import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
ROOM = Path(__file__).resolve().parent

suite = unittest.defaultTestLoader.discover(str(ROOM), top_level_dir=str(ROOM.parents[1]))
result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
failed = len(result.failures) + len(result.errors)
skipped = len(result.skipped)
passed = result.testsRun - failed - skipped
good = result.wasSuccessful() and passed > 0
print(f"test result: {'ok' if good else 'FAILED'}. {passed} passed; {failed} failed; {skipped} ignored;")
sys.exit(0 if good else 1)
