"""OCI images: their documents, layers, layouts and archives (image specification 1.1)."""
