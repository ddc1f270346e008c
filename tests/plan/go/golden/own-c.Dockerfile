# The Go program app, built in one stage, run from another with nothing else in it.
# Build it with laststage, or with any other builder.

# laststage: omit=tools,vcs
FROM golang:1.24-trixie AS build
WORKDIR /src
ENV CGO_ENABLED=1
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod \
    --mount=type=cache,target=/root/.cache/go-build \
    go build -trimpath -buildvcs=false -tags=netgo,osusergo -ldflags="-s -w -buildid=" -o /out/app .

# laststage: omit=ca-certificates,media-types,netbase,tzdata
FROM gcr.io/distroless/base-nossl-debian13:nonroot
COPY --from=build /out/app /app
ENTRYPOINT ["/app"]
