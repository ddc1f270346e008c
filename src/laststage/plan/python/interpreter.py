"""The builder's own interpreter in the last stage, for a version that no distroless base has."""

from __future__ import annotations

from laststage.plan.writing import Stage

# Parts of the standard library that a server has no use for, or that need a display or a builder.
_LEFT_BEHIND = (
    "config-*", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "site-packages", "test", "tkinter",
    "turtle.py", "turtledemo", "lib-dynload/_tkinter*", "lib-dynload/_test*", "lib-dynload/_ctypes_test*",
)  # fmt: skip


def add_interpreter(stage: Stage, version: str) -> None:
    """Add the step that gathers the interpreter and its library under ``/python``.

    What both link to is added once the built image was examined.
    """
    library = f"/usr/local/lib/python{version}"
    stage.comment(
        "The interpreter with its library, without what no server uses. What it links to beyond",
        "the base comes from the look at the built image.",
    )
    left = " ".join(f"{library}/{name}" for name in _LEFT_BEHIND)
    stage.run(
        [
            "mkdir -p /python/usr/local/bin /python/usr/local/lib",
            f"cp -a /usr/local/bin/python3 /usr/local/bin/python{version} /python/usr/local/bin/",
            f"cp -a /usr/local/lib/libpython{version}*.so* /python/usr/local/lib/",
            f"cp -a {library} /python/usr/local/lib/",
            "cd /python",
            f"rm -rf {left.replace('/usr/', 'usr/')}",
            "find . -name __pycache__ -prune -exec rm -rf {} +",
            f"python -m compileall -q --invalidation-mode unchecked-hash -s /python -p / /python{library}",
        ]
    )
