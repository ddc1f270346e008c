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
# A Java with the modules that the classes use, and those that are looked up by name as they
# run; where the classes do not tell, with all that a program can use.
RUN { jdeps --ignore-missing-deps -q --multi-release 21 --print-module-deps \
        $(find /layers -name '*.jar' -o -name classes -type d) > /tmp/modules || \
      echo java.se,jdk.charsets,jdk.httpserver,jdk.jfr > /tmp/modules; } && \
    jlink --add-modules "$(cat /tmp/modules)" \
      --add-modules java.instrument,java.logging,java.management,java.naming \
      --add-modules java.security.jgss,jdk.crypto.ec,jdk.management,jdk.naming.dns,jdk.net \
      --add-modules jdk.security.auth,jdk.unsupported,jdk.zipfs \
      --strip-java-debug-attributes --no-header-files --no-man-pages \
      --compress=zip-9 --output /jre
# It needs no symbols, no windows and no sound, and trusts the authorities that its base trusts.
RUN cd /jre/lib && \
    strip --strip-unneeded server/libjvm.so && \
    rm -f libawt_xawt.so libjawt.so libjsound.so libsplashscreen.so && \
    ln -sf /etc/ssl/certs/java/cacerts security/cacerts

# laststage: omit=media-types,netbase,tzdata
FROM gcr.io/distroless/java-base-debian13:nonroot
COPY --from=build /jre /jre
# what changes least comes first
COPY --from=build /layers/lib/ /app/lib/
COPY --from=build /layers/app.jar /app/
ENTRYPOINT ["/jre/bin/java", "-XX:MaxRAMPercentage=75", "-cp", "/app/app.jar:/app/lib/*", "App"]
