# The Node app app, built in one stage, run from another that has Node and the app in it.
# Build it with laststage, or with any other builder.

FROM node:24-trixie-slim AS build
WORKDIR /app
ENV YARN_NODE_LINKER=node-modules \
    YARN_ENABLE_GLOBAL_CACHE=true \
    YARN_ENABLE_TELEMETRY=0
RUN --mount=type=cache,target=/root/.npm \
    npm install --global --force @yarnpkg/cli-dist@4
# The dependencies change less often than the sources: installed first.
COPY package.json yarn.lock .yarnrc.yml ./
RUN --mount=type=cache,target=/root/.yarn/berry/cache \
    yarn install --immutable
COPY . .
RUN --mount=type=cache,target=/root/.yarn/berry/cache \
    yarn run build
# What only the build needed goes.
RUN --mount=type=cache,target=/root/.yarn/berry/cache \
    yarn workspaces focus --production --all

# Node is the entrypoint of this base, which has neither a shell nor npm.
FROM gcr.io/distroless/nodejs24-debian13:nonroot
WORKDIR /app
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY --from=build /app/package.json ./
ENV NODE_ENV=production \
    PORT=4000
EXPOSE 4000
CMD ["dist/main.js"]
