# The Node app app, built in one stage, run from another that has Node and the app in it.
# Build it with laststage, or with any other builder.

FROM node:24-trixie-slim AS build
WORKDIR /app
RUN --mount=type=cache,target=/root/.npm \
    npm install --global --force yarn@1.22.22
# The dependencies change less often than the sources: installed first.
COPY package.json yarn.lock ./
RUN --mount=type=cache,target=/usr/local/share/.cache/yarn \
    yarn install --non-interactive --ignore-engines --frozen-lockfile
COPY . .
RUN --mount=type=cache,target=/usr/local/share/.cache/yarn \
    yarn run build
# What only the build needed goes.
RUN --mount=type=cache,target=/usr/local/share/.cache/yarn \
    yarn install --production --ignore-scripts --ignore-engines --prefer-offline --non-interactive
# Add-ons for another C library than this one's, which npm installs as well.
RUN find . -path '*/node_modules/*' -type d -name '*linux*musl*' -prune -exec rm -rf {} +

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
