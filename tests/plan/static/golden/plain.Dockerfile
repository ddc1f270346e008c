# The site tree1, as it is in one stage, served by nginx from another.
# Build it with laststage, or with any other builder.

FROM debian:trixie-slim AS build
COPY . /site/
# Compressed here, once, as well as gzip can; readable for whoever nginx runs as.
RUN find /site -type f -size +1k -regex '.*\.\(html\|htm\|css\|js\|mjs\|json\|svg\|xml\|txt\|md\|wasm\|webmanifest\|ico\|ttf\|otf\|eot\|csv\|geojson\|rss\|atom\)' -exec gzip -9nkf {} + && \
    chmod -R a+rX /site
RUN printf '%s\n' \
    '# A site as files: what the build left, and nothing that nginx brings.' \
    '' \
    'server {' \
    '    listen 8080;' \
    '    root /site;' \
    '    index index.html;' \
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
    '    add_header Cache-Control "no-cache";' \
    '    add_header X-Content-Type-Options nosniff always;' \
    '    add_header X-Frame-Options SAMEORIGIN always;' \
    '    add_header Referrer-Policy strict-origin-when-cross-origin always;' \
    '' \
    '    # Links in the page of a folder are relative to it: it is asked for with a slash.' \
    '    if (-f $request_filename/index.html) { rewrite ^(.*[^/])$ $1/ permanent; }' \
    '    location / { try_files $uri $uri.html $uri/index.html =404; }' \
    '    error_page 404 /404.html;' \
    '    location = /404.html { internal; }' \
    '    location ~ /\.(?!well-known/) { return 404; }' \
    '    location = /healthz {' \
    '        access_log off;' \
    '        default_type text/plain;' \
    '        return 200 "ok\n";' \
    '    }' \
    '}' \
    > /default.conf
RUN site=$(find /site -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c -16) && \
    sed -i "s/@SITE@/$site/" /default.conf

# nginx, without a shell: it writes to its output and below /tmp, and nowhere else.
FROM nginxinc/nginx-unprivileged:1.26
COPY --from=build /site/ /site/
COPY --from=build /default.conf /etc/nginx/conf.d/default.conf
# at this signal it answers what it was asked before it ends
STOPSIGNAL SIGQUIT
EXPOSE 8080
ENTRYPOINT ["nginx", "-g", "daemon off;"]
