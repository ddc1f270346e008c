# The Rust program app, built in one stage, run without libraries.
# Build it with laststage, or with any other builder.

FROM rust:1.96-slim-trixie AS build
WORKDIR /app
ENV CARGO_TARGET_DIR=/target \
    CARGO_PROFILE_RELEASE_STRIP=symbols \
    RUSTFLAGS="-C target-feature=+crt-static"
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

FROM gcr.io/distroless/static-debian13:nonroot
COPY --from=build /out/app /usr/local/bin/app
ENTRYPOINT ["/usr/local/bin/app"]
