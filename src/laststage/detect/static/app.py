"""Static sites: what a tool builds, or what is there as it is, for nginx to serve."""

from __future__ import annotations

from laststage.detect.files import AppFolder
from laststage.detect.static.generators import generator_profile, is_hugo
from laststage.detect.static.packages import package_profile, site_package
from laststage.detect.static.plain import plain_profile
from laststage.detect.static.profile import StaticProfile


def detect(app: AppFolder) -> StaticProfile | None:
    """Return the profile of the site in the folder; see detect.folder.Detector."""
    forced = app.said.language == "static"
    if app.said.start and not forced:
        return None
    # Hugo has tools of JavaScript work for it, and is the one that makes the site
    if is_hugo(app) and (found := generator_profile(app)):
        return found
    if package := site_package(app, forced=forced):
        return package_profile(app, package)
    return generator_profile(app) or plain_profile(app, forced=forced)
