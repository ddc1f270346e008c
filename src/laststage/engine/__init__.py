"""A graph to layers to an image: cache, scheduling, and one module an operation."""
