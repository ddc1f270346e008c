"""The port that a Go program listens on, as its sources say."""

from __future__ import annotations

import re

from msgspec import structs

from laststage.detect.files import AppFolder
from laststage.detect.listening import (
    EVERYWHERE,
    HOSTS,
    LOOPBACK,
    Port,
    port_of_dockerfile,
    port_of_literal,
    port_of_variable,
)
from laststage.detect.literals import line_of
from laststage.detect.profile import Decision, Evidence

_ASKED = (
    r"(?i:getenv\w*|lookupenv|getvariable|mustgetenv|env\w*|bindenv)\(\s*(?:\"[\w.-]+\"\s*,\s*)?\""
)
_ENV = re.compile(
    _ASKED + r"(PORT|HTTP_PORT|SERVER_PORT|APP_PORT|API_PORT|LISTEN_PORT)\""
    r"|`[^`]*(?:envconfig|env):\"(PORT|HTTP_PORT|SERVER_PORT|APP_PORT)\b[^`]*`"
)
_HOST_ENV = re.compile(_ASKED + r"(HOST|BIND_HOST|SERVER_HOST|LISTEN_HOST)\"")
_ADDRESS_ENV = re.compile(_ASKED + r"(\w*ADDR(?:ESS)?|BIND|LISTEN)\"")
_DEFAULT = re.compile(
    r"\"(?:[\w.]*:)?(\d{2,5})\"|(?:[dD]efault:\"):?(\d{2,5})\"|\bport\w*\s*:?=\s*(\d{4,5})\b|,\s*(\d{4,5})\s*\)"
)
_ADDRESS = r"\"(?P<host>[\w.\-\[\]]*):(?P<port>\d{2,5})\""
_CALL = re.compile(
    r"\b(?:ListenAndServe(?:TLS)?|Listen|Run|RunTLS|Start|StartTLS|Serve)\(\s*(?:\w+\s*,\s*)?"
    r"(?:\"tcp[46]?\"\s*,\s*)?" + _ADDRESS
)
_FIELD = re.compile(r"\b(?i:\w*addr(?:ess)?)\s*(?::?=|:)\s*" + _ADDRESS)
_FLAG = re.compile(
    r"\"(?i:[\w.-]*(?:addr|address|bind|listen|port|http))\"\s*,\s*(?:\"(?P<host>[\w.]*):?(?P<port>\d{2,5})\""
    r"|(?P<number>\d{2,5})\s*[,)])"
)
_NUMBER = re.compile(r"\b(?i:\w*port)\b(?:\s+\w+)?\s*:?=\s*\"?:?(?P<port>\d{2,5})\b")
_ANY = re.compile(_ADDRESS)
_GIN = re.compile(r"\bgin\.(?:Default|New)\(")
_RUN = re.compile(r"\.Run\(\s*\)")


def find_port(app: AppFolder, codes: list[tuple[str, str]]) -> Port:
    """Return the port that a program listens on; *codes* are the paths and texts of its sources."""
    found = _of_address(codes) or _of_variable(codes) or _of_source(codes)
    return found or port_of_dockerfile(app)


def _of_address(codes: list[tuple[str, str]]) -> Port | None:
    """Return the port of a program that asks its environment for a whole address."""
    for path, code in codes:
        for match in _ADDRESS_ENV.finditer(code):
            near = _ANY.search(code, match.end(), match.end() + 200)
            if near and near["host"] in HOSTS:
                where = f"{path}:{line_of(code, match.start())}"
                address = f"{EVERYWHERE}:{near['port']}"
                told = Decision(f"{match[1]}={address}", f"its own is {near[0]}")
                return Port(
                    number=int(near["port"]),
                    env={match[1]: address} if near["host"] in LOOPBACK else {},
                    evidence=(Evidence(f"its address is in {match[1]}", where),),
                    decisions=(told,) if near["host"] in LOOPBACK else (),
                )
    return None


def _of_variable(codes: list[tuple[str, str]]) -> Port | None:
    """Return the port of a program that asks its environment for it, as gin's Run does too."""
    is_gin = any(_GIN.search(code) for _, code in codes)
    for path, code in codes:
        match = _ENV.search(code)
        if match:
            name = match[1] or match[2]
            around = _DEFAULT.search(code, match.start(), match.end() + 400)
            number = int(next(filter(None, around.groups()))) if around else 0
            found = port_of_variable(name, number, f"{path}:{line_of(code, match.start())}")
            return _with_host(found, codes)
        if is_gin and (match := _RUN.search(code)):
            return port_of_variable("PORT", 8080, f"{path}:{line_of(code, match.start())}")
    return None


def _with_host(port: Port, codes: list[tuple[str, str]]) -> Port:
    """Return *port* with the host that its program asks for, which may be the loopback otherwise."""
    for path, code in codes:
        if match := _HOST_ENV.search(code):
            where = f"{path}:{line_of(code, match.start())}"
            why = f"it takes its host from there ({where}), and is reached from outside"
            told = Decision(f"{match[1]}={EVERYWHERE}", why)
            return structs.replace(
                port, env={match[1]: EVERYWHERE}, decisions=(*port.decisions, told)
            )
    return port


def _of_source(codes: list[tuple[str, str]]) -> Port | None:
    for pattern in (_CALL, _FIELD, _FLAG, _NUMBER, _ANY):
        for path, code in codes:
            for match in pattern.finditer(code):
                groups = match.groupdict()
                host = groups.get("host") or ""
                if pattern is _ANY and host not in HOSTS:
                    continue
                number = int(groups.get("port") or groups.get("number") or 0)
                where = f"{path}:{line_of(code, match.start())}"
                old, new = f'"{host}:{number}"', f'":{number}"'
                if found := port_of_literal(host, number, where, old, new):
                    return found
    return None
