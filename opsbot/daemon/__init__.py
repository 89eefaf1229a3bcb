"""The daemon: one clock, one ledger, runs as child processes, and loops that prove they are alive."""
