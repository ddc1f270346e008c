"""Python apps: what they need, on which Python, and how they start."""
