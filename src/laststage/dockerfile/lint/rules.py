"""The checks as data: what each is called, what it says, and what to do about it.

Names and conditions are BuildKit's, so that what skips a check there skips it here.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from laststage.model.span import Span

Level = Literal["warning", "error"]


class Rule(Struct, frozen=True, kw_only=True):
    """One check; *bad* and *good* are Dockerfiles that show it.

    An experimental rule counts only where somebody asked for it.
    """

    name: str
    description: str
    mend: str
    bad: str
    good: str
    level: Level = "warning"
    experimental: bool = False


class Finding(Struct, frozen=True, kw_only=True):
    """What a rule found at one place; *help* says how to mend it."""

    rule: str
    level: Level
    message: str
    span: Span
    help: str

    @property
    def text(self) -> str:
        """The finding in one line, without its place."""
        return f"{self.rule}: {self.message}"


_ALL = (
    Rule(
        name="StageNameCasing",
        description="The name of a stage has capital letters. Names are compared without case, so "
        "they say nothing, and other tools may not find the stage.",
        mend="write the stage's name in lower case",
        bad="FROM alpine AS BuildBase\n",
        good="FROM alpine AS build-base\n",
    ),
    Rule(
        name="FromAsCasing",
        description="FROM and AS in one line are not both in capitals, or both in small letters.",
        mend="write AS in the same case as FROM",
        bad="FROM alpine as build\n",
        good="FROM alpine AS build\n",
    ),
    Rule(
        name="NoEmptyContinuation",
        description="An empty line follows a line that ends with a continuation character. It is "
        "skipped today; Docker means to refuse it.",
        mend="delete the empty line, or put a # on it",
        bad="FROM alpine\nRUN apk add \\\n\n    curl\n",
        good="FROM alpine\nRUN apk add \\\n    # fetches the feeds\n    curl\n",
    ),
    Rule(
        name="ConsistentInstructionCasing",
        description="The keyword of an instruction is in another case than those of most "
        "instructions in the file, or mixes cases.",
        mend="write all keywords in capitals, or all in small letters",
        bad="FROM alpine\nRun apk add curl\nUSER nobody\n",
        good="FROM alpine\nRUN apk add curl\nUSER nobody\n",
    ),
    Rule(
        name="DuplicateStageName",
        description="Two stages have the same name. The later one counts for everything below it.",
        mend="give one of the stages another name",
        bad="FROM alpine AS build\nFROM debian AS build\n",
        good="FROM alpine AS build\nFROM debian AS last\n",
    ),
    Rule(
        name="ReservedStageName",
        description="A stage is called scratch or context, which stand for the empty image and for "
        "the build context.",
        mend="give the stage another name",
        bad="FROM alpine AS context\n",
        good="FROM alpine AS sources\n",
    ),
    Rule(
        name="JSONArgsRecommended",
        description="CMD or ENTRYPOINT is in shell form. A shell then is process 1 and passes no "
        "signals on, so stopping the container waits for its timeout; an image without a shell "
        "cannot start it at all.",
        mend='write a JSON array: ["program", "argument"]; if a shell is meant, say so with SHELL',
        bad="FROM alpine\nENTRYPOINT server --port 80\n",
        good='FROM alpine\nENTRYPOINT ["server", "--port", "80"]\n',
    ),
    Rule(
        name="MaintainerDeprecated",
        description="MAINTAINER has been replaced by a label, which tools can read.",
        mend="write LABEL org.opencontainers.image.authors=...",
        bad="FROM alpine\nMAINTAINER me@example.org\n",
        good='FROM alpine\nLABEL org.opencontainers.image.authors="me@example.org"\n',
    ),
    Rule(
        name="UndefinedArgInFrom",
        description="A FROM line uses a variable that no ARG above the first FROM declares. It is "
        "empty there.",
        mend="declare it above the first FROM: ARG name=value",
        bad="FROM alpine:3${MINOR}\n",
        good="ARG MINOR=.22\nFROM alpine:3${MINOR}\n",
    ),
    Rule(
        name="UndefinedVar",
        description="An instruction uses a variable that neither ARG nor ENV nor the base image "
        "sets. It is empty there. Commands in shell form are left to the shell.",
        mend="declare it in this stage before its use: ARG name, or ENV name=value; an ARG above "
        "the first FROM must be taken into the stage with ARG name",
        bad="FROM alpine\nCOPY $files /srv/\n",
        good="FROM alpine\nARG files=public\nCOPY $files /srv/\n",
    ),
    Rule(
        name="WorkdirRelativePath",
        description="The first WORKDIR of a stage is relative, so where it leads depends on the "
        "base image, and changes with it.",
        mend="begin the path with a slash",
        bad="FROM alpine\nWORKDIR srv\n",
        good="FROM alpine\nWORKDIR /srv\nWORKDIR public\n",
    ),
    Rule(
        name="MultipleInstructionsDisallowed",
        description="A stage has CMD, ENTRYPOINT or HEALTHCHECK more than once. Only the last one "
        "has an effect; those before it are reported.",
        mend="delete all but the last one",
        bad='FROM alpine\nCMD ["a"]\nCMD ["b"]\n',
        good='FROM alpine\nENTRYPOINT ["a"]\nCMD ["b"]\n',
    ),
    Rule(
        name="LegacyKeyValueFormat",
        description="ENV or LABEL separates name and value with a blank, which allows one pair and "
        "hides where the value ends.",
        mend="write name=value, with quotes around a value that has blanks",
        bad="FROM alpine\nENV MODE very fast\n",
        good='FROM alpine\nENV MODE="very fast"\n',
    ),
    Rule(
        name="InvalidBaseImagePlatform",
        description="A base image is for another operating system or processor than the build.",
        mend="choose an image for the right platform, or ask for its own with FROM --platform",
        bad="FROM example/only-arm64\n",
        good="FROM alpine\n",
    ),
    Rule(
        name="RedundantTargetPlatform",
        description="FROM --platform=$TARGETPLATFORM asks for what FROM does anyway.",
        mend="take the flag away",
        bad="FROM --platform=$TARGETPLATFORM alpine\n",
        good="FROM --platform=$BUILDPLATFORM alpine AS build\nFROM alpine\n",
    ),
    Rule(
        name="SecretsUsedInArgOrEnv",
        description="An ARG or ENV has the name of a secret. What it holds can be read in the "
        "image's config and history.",
        mend="hand it over with RUN --mount=type=secret,id=NAME,env=NAME",
        bad="FROM alpine\nARG REGISTRY_TOKEN\n",
        good="FROM alpine\nRUN --mount=type=secret,id=token,env=REGISTRY_TOKEN ./fetch\n",
    ),
    Rule(
        name="InvalidDefaultArgInFrom",
        description="Without build arguments the name of a base image is empty or no image name, "
        "so the file cannot be built as it is.",
        mend="give the ARG a default with which the name is complete",
        bad="ARG VERSION\nFROM alpine:$VERSION\n",
        good="ARG VERSION=3.22\nFROM alpine:$VERSION\n",
    ),
    Rule(
        name="FromPlatformFlagConstDisallowed",
        description="FROM --platform names a fixed platform, so the image is built for it whatever "
        "is asked for. A stage whose name says so is not reported.",
        mend="take the flag away, use $BUILDPLATFORM, or name the platform in the stage's name",
        bad="FROM --platform=linux/amd64 alpine\n",
        good="FROM --platform=linux/amd64 alpine AS firmware-amd64\n",
    ),
    Rule(
        name="CopyIgnoredFile",
        description="COPY or ADD takes a file that the ignore file excludes, so it will not be "
        "found. Nothing is reported if the ignore file has exceptions (lines with !).",
        mend="delete the pattern from the ignore file, or copy something else",
        bad="FROM alpine\nCOPY notes.tmp /srv/\n",
        good="FROM alpine\nCOPY notes.txt /srv/\n",
    ),
    Rule(
        name="ExposeProtoCasing",
        description="The protocol of a port has capital letters.",
        mend="write tcp, udp or sctp",
        bad="FROM alpine\nEXPOSE 53/UDP\n",
        good="FROM alpine\nEXPOSE 53/udp\n",
    ),
    Rule(
        name="ExposeInvalidFormat",
        description="EXPOSE has an address or a port of the host. It can only say which ports the "
        "program listens on; Docker means to refuse more.",
        mend="write the container's port alone, and map it when the container is started",
        bad="FROM alpine\nEXPOSE 127.0.0.1:8080:80\n",
        good="FROM alpine\nEXPOSE 80\n",
    ),
    Rule(
        name="InvalidDefinitionDescription",
        description="The comment right above an ARG or a named stage does not begin with its name, "
        "so tools that list arguments and stages do not show it.",
        mend="begin the comment with the name, or put an empty line below it",
        bad="# the version to fetch\nARG VERSION=1\nFROM alpine\n",
        good="# VERSION is the version to fetch\nARG VERSION=1\nFROM alpine\n",
        experimental=True,
    ),
)

RULES: dict[str, Rule] = {rule.name: rule for rule in _ALL}
"""Every rule by its name, in the order in which BuildKit lists them."""
