"""Rust apps: their programs, what these need beside Rust, and what they read."""
