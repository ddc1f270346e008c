"""The Dockerfile for a Rust program."""
