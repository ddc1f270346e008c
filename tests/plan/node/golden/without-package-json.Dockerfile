# The Node app tree1, which needs no build and no dependencies.
# Build it with laststage, or with any other builder.

# Node is the entrypoint of this base, which has neither a shell nor npm.
FROM gcr.io/distroless/nodejs24-debian13:nonroot
WORKDIR /app
COPY . .
ENV NODE_ENV=production
EXPOSE 8000
CMD ["server.js"]
