# The Node app app, built in one stage, run from another that has Node and the app in it.
# Build it with laststage, or with any other builder.

FROM node:24-trixie-slim AS build
WORKDIR /app
# The dependencies change less often than the sources: installed first.
COPY package.json package-lock.json ./
RUN --mount=type=cache,target=/root/.npm \
    npm ci --no-audit --no-fund
COPY . .
ENV GCP_BUILDPACKS=1
RUN --mount=type=cache,target=/root/.npm \
    npm install --no-audit --no-fund @sveltejs/adapter-node@5
RUN --mount=type=cache,target=/root/.npm \
    npm run build

# Node is the entrypoint of this base, which has neither a shell nor npm.
FROM gcr.io/distroless/nodejs24-debian13:nonroot
WORKDIR /app
COPY --from=build /app/build ./build
COPY --from=build /app/package.json ./
ENV NODE_ENV=production \
    PORT=3000
EXPOSE 3000
CMD ["build"]
