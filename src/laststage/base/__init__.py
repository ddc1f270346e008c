"""Bases made from signed Debian packages: distroless ones to run on, builders to build in."""
