"""The Dockerfile for an app that Node runs."""
