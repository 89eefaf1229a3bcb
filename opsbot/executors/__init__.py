"""Who runs the runs: this daemon's children, or the workers of a task queue."""
