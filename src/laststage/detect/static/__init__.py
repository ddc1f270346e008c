"""Static sites: what builds them, and what serving them takes."""
