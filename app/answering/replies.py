"""What Citewell says of itself: to a greeting, and to "what can you answer?"."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from vectorstore.types import ArticleHead

_GREETING = re.compile(
    r"^\W*(?:hi|hello|hey|hiya|howdy|greetings|good\s+(?:morning|afternoon|evening|day))"
    r"(?:\s+(?:there|all|everyone|citewell|team))?\W*$",
    re.IGNORECASE,
)
_THANKS = re.compile(
    r"^\W*(?:thanks?(?:\s+you)?|many\s+thanks|cheers|great|perfect|ok(?:ay)?)"
    r"(?:\s+(?:a\s+lot|so\s+much|very\s+much|citewell))?\W*$",
    re.IGNORECASE,
)
_ABOUT = re.compile(
    r"^\W*(?:what\s+(?:can|could|do)\s+(?:you|i)\s+(?:answer|do|know|ask|help\s+with)"
    r"(?:\s+(?:you|me|about|here|with|for\s+me))*|what\s+(?:questions\s+)?can\s+i\s+ask(?:\s+you)?"
    r"|who\s+are\s+you|what\s+are\s+you|what\s+is\s+(?:this|citewell)|help|how\s+does\s+this\s+work"
    r"|what\s+(?:articles|topics|subjects)\s+(?:do\s+you\s+(?:have|know|cover)|are\s+there))\W*$",
    re.IGNORECASE,
)
TITLES = 5
WHICH_ARTICLE = "Which article do you mean? Ask, for example: “Summarise TITLE”."


def own_reply(question: str, articles: Callable[[], Sequence[ArticleHead]]) -> list[str]:
    """Return the sentences of a reply to a greeting, thanks or a question about Citewell.

    Empty when the question is about something else. `articles` gives those the reader may see,
    newest first; it is called only for a reply that names some.
    """
    if _THANKS.match(question):
        return ["You are welcome.", "Ask another question whenever you like."]
    if _GREETING.match(question):
        return ["Hello!", *_about(articles())]
    if _ABOUT.match(question):
        return _about(articles())
    return []


def _about(articles: Sequence[ArticleHead]) -> list[str]:
    if not articles:
        return [
            "I answer from your articles and cite the passage for every sentence.",
            "There are no articles yet: add some with “citewell ingest FOLDER”.",
        ]
    noun = "article" if len(articles) == 1 else "articles"
    titles = "; ".join(f"“{head.title}”" for head in articles[:TITLES])
    some = "The newest are" if len(articles) > TITLES else "They are"
    return [
        f"I answer from {len(articles)} {noun} and cite the passage for every sentence.",
        f"{some if len(articles) > 1 else 'It is'}: {titles}.",
        "If the articles do not say, I tell you so.",
    ]
