"""laststage: any app, or any Dockerfile, as the smallest container image that still runs.

The command line is `laststage.cli`, Python's way in is `laststage.api`. This file stays empty of
imports: every no-op build pays for what stands here.
"""

__version__ = "0.1.0"
