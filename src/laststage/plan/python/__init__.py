"""The Dockerfile for a Python app."""
