"""Words that carry the form of a question or a sentence, not its subject, by language.

They are indexed, and left out of queries: an OR over them would score every chunk. The only file
that imports stopwordsiso.
"""

from __future__ import annotations

import unicodedata
from functools import cache

STOP_WORDS = frozenset(
    """
    a about after again all also am an and any are as at be because been before being between
    both but by can could did do does doing down during each few for from further had has have
    having he her here hers herself him himself his how i if in into is it its itself just let
    many me more most much my myself no nor not now of off on once only or other our ours ourselves
    out over own please same shall she should so some such tell than that the their theirs them
    themselves then there these they this those through to too under until up us very was we
    were what when where which while who whom whose why will with would you your yours yourself
    yourselves s t d ll re ve m don didn doesn isn wasn aren won couldn wouldn shouldn
    """.split()
)


@cache
def stop_words(language: str) -> frozenset[str]:
    """Return a language's stop words in lower case; for English ours, none where none are known.

    Numbers stay, whatever a list says: they are what many questions ask by.
    """
    if language == "en":
        return STOP_WORDS
    import stopwordsiso

    found = stopwordsiso.stopwords("no" if language in ("nb", "nn") else language)
    words = (unicodedata.normalize("NFKC", word).lower() for word in found)
    return frozenset(word for word in words if not any(letter.isdigit() for letter in word))
