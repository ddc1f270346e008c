# The Rust program app, built in one stage, run on base, which has the libraries that it links to.
# Build it with laststage, or with any other builder.

FROM rust:1.96-slim-trixie AS build
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt/lists,sharing=locked \
    apt-get update && \
    apt-get install -y --no-install-recommends libssl-dev pkg-config
WORKDIR /app
ENV CARGO_TARGET_DIR=/target \
    CARGO_PROFILE_RELEASE_STRIP=symbols
COPY . .
# Crates and what they compile to are kept in caches; the app's own sources are made new,
# for Cargo tells by their times what to compile again.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/usr/local/cargo/git \
    --mount=type=cache,target=/target,sharing=locked,id=target-app \
    find /app -type f -exec touch {} + && \
    host=$(rustc -vV | sed -n 's/^host: //p') && \
    cargo build --release --locked --bin app --target "$host" && \
    install -D "/target/$host/release/app" /out/app
# what the last stage needs of these packages, and what scanners read of them
RUN mkdir -p /native/var/lib/dpkg/status.d && \
    cd / && \
    dpkg -L libgcc-s1 | grep -Ev '^/usr/share/(doc|man|info|locale|lintian)(/|$)' | while read -r path; do if [ ! -d "$path" ] || [ -L "$path" ]; then cp -a --parents "$path" /native; fi; done && \
    for package in libgcc-s1; do dpkg-query -s "$package" > "/native/var/lib/dpkg/status.d/$package"; cp -a --parents "/usr/share/doc/$package/copyright" /native; done

FROM gcr.io/distroless/base-debian13:nonroot
COPY --from=build /out/app /usr/local/bin/app
# libraries that the app links to and its base does not have
COPY --from=build /native/ /
ENTRYPOINT ["/usr/local/bin/app"]
