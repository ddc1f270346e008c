# The Node app app, built in one stage, run from another that has Node and the app in it.
# Build it with laststage, or with any other builder.

FROM node:24-trixie-slim AS build
WORKDIR /app
RUN --mount=type=cache,target=/root/.npm \
    npm install --global pnpm@9
# The dependencies change less often than the sources: installed first.
COPY package.json pnpm-lock.yaml ./
RUN --mount=type=cache,target=/root/.local/share/pnpm/store \
    pnpm install --frozen-lockfile --prod
COPY . .
# The program's own script, where node finds it without a shell.
RUN ln -s "node_modules/json-server/$(node -p 'const {bin} = require("./node_modules/json-server/package.json"); bin["json-server"] ?? bin')" start

# Node is the entrypoint of this base, which has neither a shell nor npm.
FROM gcr.io/distroless/nodejs24-debian13:nonroot
WORKDIR /app
COPY --from=build /app ./
ENV NODE_ENV=production \
    PORT=8080
EXPOSE 8080
CMD ["start", "db.json"]
