"""One command in a root file system of its own, through an OCI runtime."""
