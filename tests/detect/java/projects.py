"""Maven's and Gradle's files, as the tests write them."""

from __future__ import annotations

from laststage.detect.java.profile import JavaProfile

MAIN = "package com.example;\n\npublic class App {\n  public static void main(String[] args) {\n  }\n}\n"
SOURCE = "src/main/java/com/example/App.java"
BOOT = "<plugin><artifactId>spring-boot-maven-plugin</artifactId></plugin>"


def pom(inside: str = "", *, plugins: str = "", name: str = "shop", more: str = "") -> str:
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0">\n<modelVersion>4.0.0</modelVersion>\n'
        f"<groupId>example</groupId>\n<artifactId>{name}</artifactId>\n<version>1.0</version>\n"
        f"{inside}\n<build>{more}<plugins>\n{plugins}\n</plugins></build>\n</project>\n"
    )


def boot(version: str, inside: str = "", plugins: str = BOOT) -> str:
    parent = (
        "<parent><groupId>org.springframework.boot</groupId>"
        f"<artifactId>spring-boot-starter-parent</artifactId><version>{version}</version>"
        "<relativePath/></parent>"
    )
    return pom(parent + inside, plugins=plugins)


def depends(*names: str) -> str:
    listed = "".join(
        f"<dependency><groupId>{name.partition(':')[0]}</groupId>"
        f"<artifactId>{name.partition(':')[2]}</artifactId></dependency>"
        for name in names
    )
    return f"<dependencies>{listed}</dependencies>"


def plugin(name: str, inside: str) -> str:
    return f"<plugin><artifactId>{name}</artifactId>{inside}</plugin>"


def facts(profile: JavaProfile) -> dict[str, str]:
    return {evidence.fact: evidence.where for evidence in profile.evidence}
