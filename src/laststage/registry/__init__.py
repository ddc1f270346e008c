"""The OCI distribution protocol: images from registries and to them; `client.Registry` is the door."""
