"""Java apps: their build, what runs of what it leaves, and on which Java."""
