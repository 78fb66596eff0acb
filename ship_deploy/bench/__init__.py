"""How long a frame takes on this machine, and whether that has changed. Needs no torch."""
