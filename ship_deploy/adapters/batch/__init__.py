"""Archives on many cores and machines, by Ray Data. Only `cluster` imports Ray."""
