# The Python app.
# interpreter, what the app depends on and the app, and nothing else.
# Build it with laststage, or with any other builder.

FROM node:24-trixie-slim AS frontend
WORKDIR /app
# The dependencies change less often than the sources: installed first.
COPY site/package.json site/package-lock.json ./site/
RUN --mount=type=cache,target=/root/.npm \
    cd site && npm ci --no-audit --no-fund
COPY . .
RUN --mount=type=cache,target=/root/.npm \
    cd site && npm run build

FROM python:3.13-slim-trixie AS build
# The environment stands where it will run, and its interpreter too. It has no pip of its own:
# the builder's installs into it, so that none is left in the image.
RUN { [ -e /usr/bin/python3.13 ] || ln -s "$(command -v python3.13)" /usr/bin/python3.13; } && \
    /usr/bin/python3.13 -m venv --without-pip /app/.venv
ENV PATH=/app/.venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PIP_PYTHON=/app/.venv/bin/python \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONHASHSEED=0
# Another index than pip's own: --build-arg PIP_INDEX_URL=...
ARG PIP_INDEX_URL
WORKDIR /src
# Dependencies change less often than sources: installed first, kept in a cache.
COPY requirements.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --no-compile -r requirements.txt gunicorn==23.0.0
# Old packages import what only setuptools brings, and do not ask for it.
RUN --mount=type=cache,target=/root/.cache/pip \
    cd /app/.venv/lib/python3.13/site-packages && \
    if [ ! -d pkg_resources ] && grep -rqE '^(import|from) (pkg_resources|distutils)' --include='*.py' \
      --exclude-dir=setuptools --exclude-dir=_distutils_hack --exclude-dir=cffi --exclude-dir=Cython --exclude-dir=numpy .; then pip install --no-compile 'setuptools<81'; fi
# Some wheels bring native modules with their debug information, most of the file: nothing
# reads it here. (Those with $ORIGIN were edited after they were linked: better left alone.)
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt/lists,sharing=locked \
    cd /app/.venv/lib/python3.13/site-packages && \
    large=$(find . -name '*.so' -size +400k -exec grep -lF .debug_info {} + | xargs -r grep -LF '$ORIGIN' || true) && \
    if [ -n "$large" ] && { command -v strip > /dev/null || { apt-get update && apt-get install -y --no-install-recommends binutils; }; }; then strip --strip-unneeded $large; fi
# Tests of packages stay behind, unless something imports them, and so do the sources of
# translations, programs for Windows, what extends a Jupyter that is not there, and what is
# for interactive shells. Then byte code, made once, and valid whatever the time stamps say.
RUN cd /app/.venv/lib/python3.13/site-packages && \
    for package in */; do [ -d "$package" ] || continue; grep -rqE '^ *(from|import) .*\btests\b' --include='*.py' --exclude-dir=tests "$package" || \
      find "$package" -type d -name tests -prune -exec rm -rf {} +; done && \
    find . '(' -name '*.po' -o -name '*.exe' ')' -delete && \
    { [ -d jupyter_core ] || rm -rf ../../../share/jupyter ../../../etc/jupyter; } && \
    rm -f ../../../bin/[Aa]ctivate* ../../../.gitignore && \
    { python -m compileall -q --invalidation-mode unchecked-hash . || true; }
COPY . .
COPY --from=frontend /app/site/dist /src/site/dist
# Byte code that is valid whatever the time stamps say; the paths in it are the last stage's.
RUN python -m compileall -q --invalidation-mode unchecked-hash -s /src -p /app /src || true

FROM gcr.io/distroless/python3-debian13:nonroot
COPY --from=build /app/.venv /app/.venv
COPY --from=build /src /app
WORKDIR /app
ENV PATH=/app/.venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    PORT=8000
EXPOSE 8000
ENTRYPOINT ["/app/.venv/bin/python", "-m", "gunicorn", "--worker-tmp-dir", "/dev/shm", "--threads", "4", "app:app"]
