"""The Dockerfile for a Java app."""
