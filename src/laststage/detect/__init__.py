"""A folder to an app profile, with the evidence for each fact."""
