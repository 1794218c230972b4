"""The comparison that bench/side-by-side runs; bench/README.md says how to read it."""
