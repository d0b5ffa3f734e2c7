"""The errors Citewell raises, drawn once.

CitewellError                 anything Citewell tells its user
├── SettingsError             a setting is unknown or has a value that cannot be used
├── StoreError                the data folder or an index in it cannot be used
│   ├── StoreLockedError      another process owns the data folder
│   ├── IndexMismatchError    the index was built with another encoder, splitter or schema
│   ├── EncoderError          a model cannot be loaded or is not of the kind expected
│   └── UnknownNameError      no collection or article of that name
├── IngestError               a source, or one article of it, cannot be taken in
│   ├── SourceError           the source cannot be read at all
│   └── ArticleFormatError    one article is not what its kind promises
├── QuestionError             the question or query cannot be used as it is
├── AnswerError               an answer cannot be made
│   └── ModelError            the chat model did not answer; `kind` and `reason` tell why
├── ServerError               the running server cannot be reached or refused the command
├── AccessError               whoever asks may not have this
│   ├── UnauthenticatedError  nobody knows who asks
│   └── ForbiddenError        it is known who asks, and that right is not theirs
├── ConflictError             the request contradicts what is there already
└── BusyError                 too much was asked; after `retry_after` seconds it may be again

Every message says what happened, with which value, and what to do; faces show `str(error)`.
"""


class CitewellError(Exception):
    """Anything Citewell tells its user."""


class SettingsError(CitewellError):
    """A setting is unknown or has a value that cannot be used."""


class StoreError(CitewellError):
    """The data folder or an index in it cannot be used."""


class StoreLockedError(StoreError):
    """Another process owns the data folder."""


class IndexMismatchError(StoreError):
    """The index was built with another encoder, splitter or schema."""


class EncoderError(StoreError):
    """The encoder's or the reranker's model cannot be loaded or is not of the kind expected."""


class UnknownNameError(StoreError):
    """No collection or article of that name."""


class IngestError(CitewellError):
    """A source, or one article of it, cannot be taken in."""


class SourceError(IngestError):
    """The source cannot be read at all."""


class ArticleFormatError(IngestError):
    """One article is not what its kind promises."""


class QuestionError(CitewellError):
    """The question or query cannot be used as it is."""


class AnswerError(CitewellError):
    """An answer cannot be made."""


class ModelError(AnswerError):
    """The chat model did not answer.

    Args:
        kind: What programs tell apart; app/generation/failures.py lists them.
        reason: What stands in an answer's `degraded`: "chat model: no first token within 10 s".
        retry_after: Seconds after which the provider wants to be asked again, if it said so.
    """

    def __init__(
        self,
        message: str,
        kind: str = "failed",
        reason: str = "chat model: it failed",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.reason = reason
        self.retry_after = retry_after


class ServerError(CitewellError):
    """The running server cannot be reached or refused the command."""


class AccessError(CitewellError):
    """Whoever asks may not have this.

    `code` names the reason where programs act on it; problem documents have it in their `type`.
    """

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


class UnauthenticatedError(AccessError):
    """Nobody knows who asks."""


class ForbiddenError(AccessError):
    """It is known who asks, and that right is not theirs."""


class ConflictError(CitewellError):
    """The request contradicts what is there already."""


class BusyError(CitewellError):
    """Too much was asked; `retry_after` tells after how many seconds it may be again.

    `overloaded` tells whether the whole service is busy, or only this user's share is used up.
    """

    def __init__(self, message: str, retry_after: float = 1.0, overloaded: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.overloaded = overloaded
