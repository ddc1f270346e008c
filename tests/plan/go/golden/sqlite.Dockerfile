# The Go program app, built in one stage, run from another with nothing else in it.
# Build it with laststage, or with any other builder.

# laststage: omit=tools,vcs
FROM golang:1.24-trixie AS build
WORKDIR /src
ENV CGO_ENABLED=1
# The modules change less often than the sources: fetched first, kept in the cache.
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod \
    go mod download
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod \
    --mount=type=cache,target=/root/.cache/go-build \
    go build -trimpath -buildvcs=false -tags=netgo,osusergo,sqlite_omit_load_extension -ldflags="-s -w -buildid= -linkmode=external -extldflags=-static" -o /out/app .

# laststage: omit=ca-certificates,media-types,netbase,tzdata
FROM gcr.io/distroless/static-debian13:nonroot
COPY --from=build /out/app /usr/local/bin/app
# What the program reads and makes, by paths from the folder that it runs in.
WORKDIR /home/nonroot
ENTRYPOINT ["/usr/local/bin/app"]
