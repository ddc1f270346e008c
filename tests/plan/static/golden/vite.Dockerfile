# The site shop, built by Vite in one stage, served by nginx from another.
# Build it with laststage, or with any other builder.

FROM node:24-trixie-slim AS build
WORKDIR /app
RUN --mount=type=cache,target=/root/.npm \
    npm install --global pnpm@9
# The dependencies change less often than the sources: installed first.
COPY package.json pnpm-lock.yaml ./
RUN --mount=type=cache,target=/root/.local/share/pnpm/store \
    pnpm install --frozen-lockfile
COPY . .
RUN pnpm run build
RUN test -f /app/dist/index.html || \
    { echo "the build left no dist/index.html: say where the site is, output = FOLDER under [app] of laststage.toml" >&2; exit 1; }
# Compressed here, once, as well as gzip can; readable for whoever nginx runs as.
RUN find /app/dist -type f -size +1k -regex '.*\.\(html\|htm\|css\|js\|mjs\|json\|svg\|xml\|txt\|md\|wasm\|webmanifest\|ico\|ttf\|otf\|eot\|csv\|geojson\|rss\|atom\)' -exec gzip -9nkf {} + && \
    chmod -R a+rX /app/dist
RUN printf '%s\n' \
    '# A site as files: what the build left, and nothing that nginx brings.' \
    'map $uri $caching {' \
    '    default "no-cache";' \
    '    # the name of these changes with their content' \
    '    "~^/assets/.+-[\w-]{8}\.\w+$" "public, max-age=31536000, immutable";' \
    '}' \
    '' \
    'server {' \
    '    listen 8080;' \
    '    root /site;' \
    '    index index.html;' \
    '    charset utf-8;' \
    '    include /etc/nginx/mime.types;' \
    '    types {' \
    '        application/json map;' \
    '        application/manifest+json webmanifest;' \
    '        text/javascript mjs;' \
    '    }' \
    '    server_tokens off;' \
    '    absolute_redirect off;' \
    '' \
    '    # The build made a .gz beside each file of text.' \
    '    gzip_static on;' \
    '    gzip_vary on;' \
    '' \
    '    # Files in an image may all be of the same second, so their times tell nothing. The hash of the' \
    '    # whole site does: a browser that has a file of this site has it still.' \
    '    etag off;' \
    '    if_modified_since off;' \
    '    add_header Last-Modified "";' \
    '    add_header ETag "W/\"@SITE@\"";' \
    '    if ($http_if_none_match = "W/\"@SITE@\"") { return 304; }' \
    '' \
    '    add_header Cache-Control $caching;' \
    '    add_header X-Content-Type-Options nosniff always;' \
    '    add_header X-Frame-Options SAMEORIGIN always;' \
    '    add_header Referrer-Policy strict-origin-when-cross-origin always;' \
    '' \
    '    # Links in the page of a folder are relative to it: it is asked for with a slash.' \
    '    if (-f $request_filename/index.html) { rewrite ^(.*[^/])$ $1/ permanent; }' \
    '    # The router in the page knows what is at a path that is no file.' \
    '    location / { try_files $uri $uri.html $uri/index.html /index.html; }' \
    '    # A file of an earlier build is gone; a page in its place would be taken for a script.' \
    '    location ~ "^/assets/.+-[\w-]{8}\.\w+$" { try_files $uri =404; }' \
    '    location ~ /\.(?!well-known/) { return 404; }' \
    '    location = /healthz {' \
    '        access_log off;' \
    '        default_type text/plain;' \
    '        return 200 "ok\n";' \
    '    }' \
    '}' \
    > /default.conf
RUN site=$(find /app/dist -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c -16) && \
    sed -i "s/@SITE@/$site/" /default.conf

# nginx, without a shell: it writes to its output and below /tmp, and nowhere else.
FROM nginxinc/nginx-unprivileged:1.26
COPY --from=build /app/dist/ /site/
COPY --from=build /default.conf /etc/nginx/conf.d/default.conf
# at this signal it answers what it was asked before it ends
STOPSIGNAL SIGQUIT
EXPOSE 8080
ENTRYPOINT ["nginx", "-g", "daemon off;"]
