"""Readers of a store that changes under them."""

from __future__ import annotations

from tests.fakes import put
from vectorstore.seqlock import ATTEMPTS
from vectorstore.store import Store


def test_a_reader_waits_for_a_store_that_never_rests(store: Store) -> None:
    """When every look meets a change, the last one keeps changes out until it is done."""
    looks = []

    def read() -> str:
        looks.append(store.state._changing.locked())
        if len(looks) <= ATTEMPTS:
            put(store, "a", f"Glaciers number {len(looks)}.")
        return f"look {len(looks)}"

    assert store.state.consistently(read) == f"look {ATTEMPTS + 1}"
    assert looks == [False] * ATTEMPTS + [True]
