"""The prober: one long-lived process that probes, judges and hands on what it found."""
