"""Other tools that read our models: what picture they make, and what does not work."""
