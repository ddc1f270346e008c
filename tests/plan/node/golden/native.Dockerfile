# The Node app app, built in one stage, run from another that has Node and the app in it.
# Build it with laststage, or with any other builder.

FROM node:24-trixie-slim AS build
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt/lists,sharing=locked \
    apt-get update && \
    apt-get install -y --no-install-recommends g++ libcairo2-dev libgif-dev libjpeg-dev libpango1.0-dev librsvg2-dev make pkg-config python3 python3-setuptools
WORKDIR /app
# Add-ons are compiled against the headers of this Node, none are fetched.
ENV npm_config_nodedir=/usr/local
# The dependencies change less often than the sources: installed first.
COPY package.json package-lock.json ./
RUN --mount=type=cache,target=/root/.npm \
    npm ci --no-audit --no-fund --omit=dev
COPY . .
# Of a compiled add-on, its sources and the compiler's own files stay behind.
RUN find . -path '*/node_modules/*' -name binding.gyp -printf '%h\n' | while read -r addon; do \
      find "$addon" -depth ! -path "$addon/node_modules/*" \( -path '*/Release/obj*' -o -path '*/deps/*.tar.gz' -o ! -type d \( -name '*.[acho]' -o -name '*.cc' -o -name '*.cpp' -o -name '*.hpp' \) \) -delete; done

# Node is the entrypoint of this base, which has neither a shell nor npm.
FROM gcr.io/distroless/nodejs24-debian13:nonroot
WORKDIR /app
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/a.js /app/package.json ./
ENV NODE_ENV=production
CMD ["a.js"]
