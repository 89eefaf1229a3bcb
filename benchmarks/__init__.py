"""Measured, never asserted: each file prints what it measured beside its target, and says how to measure it again."""
