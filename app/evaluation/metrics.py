"""What one answer is worth: pure functions of texts."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

from app.evaluation.sets import Answers

SHINGLE = 4  # words
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_WORD = re.compile(r"\w+")


def normalize(answer: str) -> list[str]:
    """Return an answer's words as SQuAD's evaluation compares them.

    Lower case, without punctuation and articles (Rajpurkar et al. 2016, arXiv 1606.05250).

    Example: "The Denver Broncos." -> ["denver", "broncos"]
    """
    bare = "".join(c for c in answer.lower() if c not in string.punctuation)
    return _ARTICLES.sub(" ", bare).split()


def word_f1(answer: str, gold: str) -> float:
    """Return the F1 of the words two answers share, in [0, 1].

    Example: "in Denver", "Denver, Colorado" -> 0.5
    """
    words, wanted = normalize(answer), normalize(gold)
    common = sum((Counter(words) & Counter(wanted)).values())
    return 2 * common / (len(words) + len(wanted)) if common else 0.0


def exact_match(answer: str, gold: str) -> bool:
    """Whether two answers have the same words, at least one."""
    words = normalize(answer)
    return bool(words) and words == normalize(gold)


def holds(sentences: Sequence[str], answers: Answers, any_case: bool = False) -> bool:
    """Whether each part of the gold answer is a part of one of the sentences."""
    said = [sentence.casefold() if any_case else sentence for sentence in sentences]
    return bool(answers) and all(
        any(
            (spelling.casefold() if any_case else spelling) in text
            for spelling in part
            for text in said
        )
        for part in answers
    )


def shingles(text: str) -> Counter[tuple[str, ...]]:
    """Return the bag of a text's runs of SHINGLE words; one shorter run if it has fewer words.

    Example: "a b c d e" -> {(a, b, c, d): 1, (b, c, d, e): 1}
    """
    words = _WORD.findall(text)
    size = min(SHINGLE, len(words))
    if not size:
        return Counter()
    return Counter(tuple(words[at : at + size]) for at in range(len(words) - size + 1))


def extraction_scores(found: str, gold: str) -> tuple[float, float, bool]:
    """Return precision and recall of the shingles, and whether the words are exactly the same.

    As the article extraction benchmark of Scrapinghub defines them; an empty text has precision 1
    if the other is empty too, else 0.
    """
    ours, theirs = shingles(found), shingles(gold)
    common = sum((ours & theirs).values())
    precision = common / sum(ours.values()) if ours else float(not theirs)
    recall = common / sum(theirs.values()) if theirs else float(not ours)
    return precision, recall, _WORD.findall(found) == _WORD.findall(gold)
