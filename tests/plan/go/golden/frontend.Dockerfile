# The Go program app, built in one stage, run from another with nothing else in it.
# Build it with laststage, or with any other builder.

FROM node:24-trixie-slim AS frontend
WORKDIR /app
# The dependencies change less often than the sources: installed first.
COPY ui/package.json ui/package-lock.json ./ui/
RUN --mount=type=cache,target=/root/.npm \
    cd ui && npm ci --no-audit --no-fund
COPY . .
RUN --mount=type=cache,target=/root/.npm \
    cd ui && npm run build

# laststage: omit=c-compiler,tools,vcs
FROM golang:1.24-trixie AS build
WORKDIR /src
ENV CGO_ENABLED=0
COPY . .
COPY --from=frontend /app/ui/dist /src/ui/dist
RUN --mount=type=cache,target=/go/pkg/mod \
    --mount=type=cache,target=/root/.cache/go-build \
    go build -trimpath -buildvcs=false -ldflags="-s -w -buildid=" -o /out/app .

# laststage: omit=ca-certificates,media-types,netbase,tzdata
FROM gcr.io/distroless/static-debian13:nonroot
COPY --from=build /out/app /app
ENTRYPOINT ["/app"]
