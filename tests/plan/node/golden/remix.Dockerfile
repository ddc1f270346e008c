# The Node app app, built in one stage, run from another that has Node and the app in it.
# Build it with laststage, or with any other builder.

FROM node:24-trixie-slim AS build
WORKDIR /app
# The dependencies change less often than the sources: installed first.
COPY package.json package-lock.json ./
RUN --mount=type=cache,target=/root/.npm \
    npm ci --no-audit --no-fund
COPY . .
RUN --mount=type=cache,target=/root/.npm \
    npm run build
# Of the dependencies, the modules that the server imports go on, and no others.
RUN --mount=type=cache,target=/root/.npm \
    mkdir -p /traced/node_modules && \
    npx --yes @vercel/nft@1 print node_modules/.bin/remix-serve >> /traced/list && \
    npx --yes @vercel/nft@1 print build/server/index.js >> /traced/list && \
    grep ^node_modules/ /traced/list | sort -u | xargs -r -d '\n' cp -a --parents -t /traced && \
    cp -a --parents -t /traced node_modules/.bin/remix-serve "$(realpath --relative-to=. node_modules/@remix-run/serve)"

# Node is the entrypoint of this base, which has neither a shell nor npm.
FROM gcr.io/distroless/nodejs24-debian13:nonroot
WORKDIR /app
COPY --from=build /traced/node_modules ./node_modules
COPY --from=build /app/build ./build
COPY --from=build /app/package.json ./
ENV NODE_ENV=production \
    PORT=3000
EXPOSE 3000
CMD ["node_modules/.bin/remix-serve", "./build/server/index.js"]
