"""A Dockerfile to a graph of operations and their cache keys. Pure: nothing is read or run here."""
