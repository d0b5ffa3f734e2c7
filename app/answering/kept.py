"""What was found in a store, remembered while nothing has changed that it rests on."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

from vectorstore.store import Store

State = tuple[int, str | None]

Key = TypeVar("Key")
Value = TypeVar("Value")


class Kept(Generic[Key, Value]):
    """Values by their keys; a publication ends a state of the store, and with it all of them.

    Any number of threads may use it. It is locked for the look-up and the keeping, not while
    something is found: two who ask for the same at once both find it.

    Args:
        store: Where the values are found.
        most: How many are kept; the one that was not asked for longest goes first.
    """

    def __init__(self, store: Store, most: int) -> None:
        self._store = store
        self._most = most
        self._lock = threading.Lock()
        self._state: State = (0, None)
        self._values: OrderedDict[Key, Value] = OrderedDict()

    def state(self) -> State:
        """Return the state of the store, to be read before a value is found."""
        return self._store.state.version, self._store.degraded

    def find(self, state: State, key: Key) -> Value | None:
        """Return what was found in this state of the store."""
        with self._lock:
            if state != self._state:
                return None
            found = self._values.get(key)
            if found is not None:
                self._values.move_to_end(key)
            return found

    def keep(self, state: State, key: Key, value: Value) -> None:
        """Keep a value, unless what it rests on was changed while it was found."""
        if state[0] % 2 or state != self.state():
            return
        with self._lock:
            if state != self._state:
                if state[0] < self._state[0]:
                    return
                self._state = state
                self._values.clear()
            self._values[key] = value
            while len(self._values) > self._most:
                self._values.popitem(last=False)
