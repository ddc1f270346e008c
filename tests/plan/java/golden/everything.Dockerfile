# The Java app shop, built in one stage, run from another with its Java and nothing else.
# Build it with laststage, or with any other builder.

FROM maven:3-eclipse-temurin-21 AS build
WORKDIR /src
COPY . .
# What is downloaded stays in a cache, so a changed build file costs no more than a source.
RUN --mount=type=cache,target=/root/.m2 \
    mvn -B -ntp -Dmaven.test.skip=true -Dproject.build.outputTimestamp=1980-01-01T00:00:02Z \
      package org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
      -DincludeScope=runtime -DoutputDirectory=/src/target/laststage-lib
RUN mkdir -p /layers target/laststage-lib && \
    mv target/laststage-lib /layers/lib && \
    cp target/shop-1.0.jar /layers/app.jar

# What the app loads as it runs cannot be known: it gets all of Java.
# laststage: omit=media-types,netbase,tzdata
FROM gcr.io/distroless/java21-debian13:nonroot
# what changes least comes first
COPY --from=build /layers/lib/ /app/lib/
COPY --from=build /layers/app.jar /app/
ENTRYPOINT ["/usr/bin/java", "-XX:MaxRAMPercentage=75", "-cp", "/app/app.jar:/app/lib/*", "App"]
