"""An app profile to Dockerfile text: one pure recipe a language."""
