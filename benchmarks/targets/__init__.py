"""What a fused picture must keep: targets and detail that a source shows, and nothing made up."""
