"""How long a frame takes, how that grows, and how far it is from the machine's limit."""
