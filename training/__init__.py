"""Networks, losses, data and the training loop. Runs from a checkout; not part of the wheel."""
