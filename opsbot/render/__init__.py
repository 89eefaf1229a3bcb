"""A Report becomes bytes: one file per medium. Pure: no clock, no network, no disk but this package's own fonts."""
