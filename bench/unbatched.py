"""`citewell` with every question encoded on its own; serve.py starts it to compare."""

from __future__ import annotations

from functools import partial

from app.session import be_quiet

be_quiet()  # before the libraries are imported that read what it says

import app.service  # noqa: E402
from app.cli import main  # noqa: E402
from vectorstore.retriever import Retriever  # noqa: E402

if __name__ == "__main__":
    app.service.Retriever = partial(Retriever, batching=False)  # type: ignore[misc, assignment]
    main()
