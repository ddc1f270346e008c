"""Go apps: their programs, what these need of C, and what they read."""
