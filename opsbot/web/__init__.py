"""The daemon's own web page, its health and its metrics."""
