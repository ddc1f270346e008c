"""Folders to tar and back: deterministic, and never outside the root."""
