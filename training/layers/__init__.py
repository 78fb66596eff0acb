"""Parts that several networks are made of, and their folded forms."""
