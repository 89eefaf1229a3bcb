"""The embedded AWS: real API traffic for the demo and the tests, from one deterministic world."""
