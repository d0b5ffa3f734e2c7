from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from vectorstore.child import FEW, NICENESS, ChildEncoder
from vectorstore.encoder import SentenceTransformerEncoder
from vectorstore.errors import EncoderError
from vectorstore.types import EncoderInput

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0  # seconds that a process may take to start or to end
INPUTS = [
    EncoderInput("Title. ", f"Penguin {n} eats krill. It swims.", ((0, 22), (23, 32)))
    for n in range(FEW)
]
ORPHAN = """
import sys, threading, time
from vectorstore.child import FEW, ChildEncoder
from vectorstore.encoder import SentenceTransformerEncoder
from vectorstore.errors import EncoderError
from vectorstore.types import EncoderInput

def tell(encoder):
    while encoder.pid is None:
        time.sleep(0.01)
    print(encoder.pid, flush=True)

if __name__ == "__main__":
    encoder = ChildEncoder(SentenceTransformerEncoder(*sys.argv[1:]))
    telling = threading.Thread(target=tell, args=(encoder,))
    try:
        telling.start()
        encoder.encode_chunks([EncoderInput("", "word " * 200, ())] * 1000)
    except EncoderError:
        time.sleep(300)
"""


@pytest.fixture(scope="module")
def child(real_encoder: SentenceTransformerEncoder) -> Iterator[ChildEncoder]:
    """An encoder whose child has the real model, started once."""
    encoder = ChildEncoder(real_encoder)
    encoder.encode_chunks(INPUTS)
    yield encoder
    encoder.close()


@pytest.fixture
def modelless(tmp_path: Path) -> Iterator[Callable[[float], ChildEncoder]]:
    """Encoders whose folder holds no model, so that a child starts fast and says so."""
    opened = []

    def open_one(idle: float = 60) -> ChildEncoder:
        opened.append(ChildEncoder(SentenceTransformerEncoder(str(tmp_path)), idle=idle))
        with pytest.raises(EncoderError, match=r"holds no \.safetensors"):
            opened[-1].encode_chunks(INPUTS)
        return opened[-1]

    yield open_one
    for encoder in opened:
        encoder.close()


def pid_of(encoder: ChildEncoder) -> int:
    """Return the process id of the child, which there must be."""
    assert encoder.pid is not None
    return encoder.pid


def runs(pid: int) -> bool:
    """Tell whether a process runs; one that ended and awaits its parent does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_the_child_gives_the_same_embeddings(
    child: ChildEncoder, real_encoder: SentenceTransformerEncoder
) -> None:
    """Chunks and sentences have the vectors they have in this process, in order."""
    found = child.encode_chunks(INPUTS)
    for here, there in zip(real_encoder.encode_chunks(INPUTS), found, strict=True):
        assert there.chunk.dtype == np.float32
        assert there.sentences.dtype == np.float16
        assert there.chunk == pytest.approx(here.chunk, abs=1e-5)
        assert there.sentences.astype(np.float32) == pytest.approx(
            here.sentences.astype(np.float32), abs=1e-3
        )


def test_all_else_is_the_encoders(
    child: ChildEncoder, real_encoder: SentenceTransformerEncoder
) -> None:
    """Queries, lengths and fingerprint are those of the encoder in this process."""
    assert child.fingerprint == real_encoder.fingerprint
    assert child.max_tokens == real_encoder.max_tokens
    assert child.count_tokens(["penguins eat krill"]) == [4]
    query = "What do penguins feed on?"
    assert (child.encode_query(query) == real_encoder.encode_query(query)).all()
    (there, _) = child.encode_queries([query, "Who?"])
    assert there == pytest.approx(real_encoder.encode_query(query), abs=1e-5)


def test_the_child_gives_way(child: ChildEncoder) -> None:
    """The child is another process, nicer than this one."""
    child.encode_chunks(INPUTS)
    pid = pid_of(child)
    assert pid != os.getpid()
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, pid) == min(19, own + NICENESS)


def test_a_killed_child_is_replaced(modelless: Callable[..., ChildEncoder]) -> None:
    """A batch that the child was killed under is answered by a new child."""
    encoder = modelless()
    old = pid_of(encoder)
    os.kill(old, signal.SIGSTOP)  # so that it cannot be done before it is killed
    threading.Timer(0.5, os.kill, (old, signal.SIGKILL)).start()
    with pytest.raises(EncoderError, match=r"holds no \.safetensors"):
        encoder.encode_chunks(INPUTS)
    assert pid_of(encoder) != old


def test_few_inputs_start_no_child(real_encoder: SentenceTransformerEncoder) -> None:
    """A small article is encoded here while there is no child."""
    encoder = ChildEncoder(real_encoder)
    assert len(encoder.encode_chunks(INPUTS[:-1])) == FEW - 1
    assert encoder.encode_chunks([]) == []
    assert encoder.pid is None


def test_the_childs_error_comes_out(modelless: Callable[..., ChildEncoder]) -> None:
    """An error of ours passes from the child, which lives on."""
    encoder = modelless()
    pid = pid_of(encoder)
    with pytest.raises(EncoderError, match=r"holds no \.safetensors"):
        encoder.encode_chunks(INPUTS)
    assert pid_of(encoder) == pid


def test_an_idle_child_ends(modelless: Callable[..., ChildEncoder]) -> None:
    """Without work the child ends by itself, and the next batch starts another."""
    encoder = modelless(0.05)
    wait_for(lambda: encoder.pid is None)
    with pytest.raises(EncoderError, match=r"holds no \.safetensors"):
        encoder.encode_chunks(INPUTS)


def test_closing_ends_the_child(modelless: Callable[..., ChildEncoder]) -> None:
    """After `close`, which may be repeated, there is no child."""
    encoder = modelless()
    pid = pid_of(encoder)
    encoder.close()
    encoder.close()
    assert encoder.pid is None
    assert not runs(pid)


def test_an_interrupt_spares_the_child(modelless: Callable[..., ChildEncoder]) -> None:
    """Ctrl-C, which a terminal sends to both processes, leaves ending the child to us."""
    encoder = modelless()
    pid = pid_of(encoder)
    os.kill(pid, signal.SIGINT)
    with pytest.raises(EncoderError, match=r"holds no \.safetensors"):
        encoder.encode_chunks(INPUTS)
    assert pid_of(encoder) == pid
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_a_child_that_ends_twice_is_an_error() -> None:
    """When a second child ends too, the error says how and what to do."""
    encoder = ChildEncoder(SentenceTransformerEncoder())
    encoder._options = ("", 1, "no such precision")  # an error where none is expected
    with pytest.raises(EncoderError, match=r"ended twice \(exit code -?\d+\).*memory"):
        encoder.encode_chunks(INPUTS)
    assert encoder.pid is None


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_an_orphan_ends(tmp_path: Path, busy: bool) -> None:
    """A child whose parent was killed ends by itself, even in the middle of its work."""
    script = tmp_path / "orphan.py"
    script.write_text(ORPHAN)
    parent = subprocess.Popen(
        [sys.executable, str(script), *([] if busy else [str(tmp_path)])],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    with parent, parent.stdout:
        pid = int(parent.stdout.readline())
        assert runs(pid)
        parent.kill()
    wait_for(lambda: not runs(pid))
