# The Node app app, built in one stage, run from another that has Node and the app in it.
# Build it with laststage, or with any other builder.

FROM node:24-trixie-slim AS build
WORKDIR /app
# The dependencies change less often than the sources: installed first.
COPY package.json package-lock.json ./
RUN --mount=type=cache,target=/root/.npm \
    npm ci --no-audit --no-fund
COPY . .
ENV NEXT_TELEMETRY_DISABLED=1 \
    NEXT_PRIVATE_STANDALONE=1
RUN --mount=type=cache,target=/root/.npm \
    npm run build

# Node is the entrypoint of this base, which has neither a shell nor npm.
FROM gcr.io/distroless/nodejs24-debian13:nonroot
WORKDIR /app
# Caches are written beside the server, so its files are the user's own.
COPY --from=build --chown=65532:65532 /app/.next/standalone ./
COPY --from=build /app/.next/static ./.next/static
COPY --from=build /app/public ./public
ENV NODE_ENV=production \
    PORT=3000 \
    HOSTNAME=0.0.0.0
EXPOSE 3000
CMD ["server.js"]
