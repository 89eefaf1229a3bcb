"""Judging: pure functions of numbers and an instant; nothing here asks, waits or prints."""
