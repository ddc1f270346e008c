# The Node app app, built in one stage, run from another that has Node and the app in it.
# Build it with laststage, or with any other builder.

FROM node:24-trixie-slim AS frontend
WORKDIR /app
# The dependencies change less often than the sources: installed first.
COPY client/package.json ./client/
RUN --mount=type=cache,target=/root/.npm \
    cd client && npm install --no-audit --no-fund
COPY . .
RUN --mount=type=cache,target=/root/.npm \
    cd client && npm run build

FROM node:24-trixie-slim AS build
WORKDIR /app
# The dependencies change less often than the sources: installed first.
COPY package.json package-lock.json ./
RUN --mount=type=cache,target=/root/.npm \
    npm ci --no-audit --no-fund --omit=dev
COPY . .

# Node is the entrypoint of this base, which has neither a shell nor npm.
FROM gcr.io/distroless/nodejs24-debian13:nonroot
WORKDIR /app
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/package.json /app/server.js ./
COPY --from=frontend /app/client/build ./client/build
ENV NODE_ENV=production \
    PORT=4000
EXPOSE 4000
CMD ["server.js"]
