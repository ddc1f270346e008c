# The Go program app, built in one stage, run from another with nothing else in it.
# Build it with laststage, or with any other builder.

# laststage: omit=c-compiler,tools,vcs
FROM golang:1.27-trixie AS build
WORKDIR /src
ENV CGO_ENABLED=0
ENV GOTOOLCHAIN=auto
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod \
    --mount=type=cache,target=/root/.cache/go-build \
    go build -trimpath -buildvcs=false -ldflags="-s -w -buildid=" -o /out/app .

# laststage: omit=ca-certificates,media-types,netbase,tzdata
FROM gcr.io/distroless/static-debian13:nonroot
COPY --from=build /out/app /app
ENTRYPOINT ["/app"]
