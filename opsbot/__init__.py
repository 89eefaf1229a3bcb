"""opsbot: the ops engineer that never sleeps."""

__version__ = "0.1.0"
