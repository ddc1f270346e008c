"""The Dockerfile for a static site."""
