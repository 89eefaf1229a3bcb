"""The prober: a process of its own that asks every target when its turn comes, and what the daemon makes of its answers."""
