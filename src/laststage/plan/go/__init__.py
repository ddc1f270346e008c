"""The Dockerfile for a Go program."""
