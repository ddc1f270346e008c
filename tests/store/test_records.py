from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct

from laststage.store.locks import locked, try_lock
from laststage.store.records import Records
from laststage.store.root import Store


class Fact(Struct, frozen=True):
    name: str
    size: int


class OtherFact(Struct, frozen=True):
    size: str


def test_put_get_drop(store: Store) -> None:
    facts = Records(store, "facts", Fact)
    assert facts.get("abcdef") is None
    facts.put("abcdef", Fact("x", 1))
    assert Records(store, "facts", Fact).get("abcdef") == Fact("x", 1)
    assert Records(store, "others", Fact).get("abcdef") is None
    facts.drop("abcdef")
    facts.drop("abcdef")
    assert facts.get("abcdef") is None


def test_what_does_not_decode_is_absent(store: Store) -> None:
    facts = Records(store, "facts", Fact)
    facts.put("abcdef", Fact("x", 1))
    assert Records(store, "facts", OtherFact).get("abcdef") is None
    for damage in (b"", b"{", b"\xff", b"[]", b'{"name":1,"size":2}'):
        Path(facts.path("abcdef")).write_bytes(damage)
        assert facts.get("abcdef") is None


def test_the_same_fact_has_the_same_bytes(store: Store) -> None:
    facts = Records(store, "facts", dict[str, int])
    facts.put("aa", {"a": 1, "b": 2})
    facts.put("bb", {"b": 2, "a": 1})
    assert Path(facts.path("aa")).read_bytes() == Path(facts.path("bb")).read_bytes()


def test_locks(store: Store) -> None:
    path = store.path("locks", "x")
    with locked(store, "x"):
        assert try_lock(path) is None
    with locked(store, "x", shared=True), locked(store, "x", shared=True):
        assert try_lock(path) is None
    descriptor = try_lock(path)
    assert descriptor is not None
    assert try_lock(path) is None
    os.close(descriptor)
