# The Go program app, built in one stage, run from another with nothing else in it.
# Build it with laststage, or with any other builder.

# laststage: omit=c-compiler,tools,vcs
FROM golang:1.24-trixie AS build
WORKDIR /src
ENV CGO_ENABLED=0
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod \
    --mount=type=cache,target=/root/.cache/go-build \
    go build -trimpath -buildvcs=false -ldflags="-s -w -buildid=" -o /out/app .

FROM gcr.io/distroless/static-debian13:nonroot
COPY --from=build /out/app /app
EXPOSE 80
ENTRYPOINT ["/app"]
