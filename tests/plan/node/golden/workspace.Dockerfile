# The Node app api, built in one stage, run from another that has Node and the app in it.
# Build it with laststage, or with any other builder.

FROM node:24-trixie-slim AS build
WORKDIR /app
# The dependencies change less often than the sources: installed first.
COPY package.json ./
COPY apps/api/package.json ./apps/api/
COPY libs/lib/package.json ./libs/lib/
RUN --mount=type=cache,target=/root/.npm \
    npm install --no-audit --no-fund --omit=dev
COPY . .
RUN --mount=type=cache,target=/root/.npm \
    cd libs/lib && npm run build

# Node is the entrypoint of this base, which has neither a shell nor npm.
FROM gcr.io/distroless/nodejs24-debian13:nonroot
WORKDIR /app
COPY --from=build /app ./
WORKDIR /app/apps/api
ENV NODE_ENV=production \
    PORT=4000
EXPOSE 4000
CMD ["index.js"]
