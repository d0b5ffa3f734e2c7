"""Pick the sentences that answer a question, word for word, and mark the answering words.

A sentence's score is a sum of small trees over the features in features.py, grown on SQuAD 1.1
and SciFact by bench/fit_answers.py, which prints what it gives on articles it has not seen. Two
features count once more. The cosine, since questions there repeat the words of their articles
more than readers do; and the share of the question's words that the sentence has in its place,
since trees see steps of it only, and where few articles make the words' weights, a step is easily
missed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.answering import weights
from app.answering.alike import elsewhere, repeats
from app.answering.features import SENTENCE, Asked, Features, Read, sentence_features
from app.answering.kinds import Span
from app.answering.span import Spans
from app.answering.trees import Floats, Trees, chance
from vectorstore.retriever import Retrieved
from vectorstore.types import Passage, Sentence

_COSINE = SENTENCE.index("cosine")
_COVERED = SENTENCE.index("with title and neighbours")
MEANING = 12.0  # logits for a cosine of 1: SQuAD's figures stay, paraphrases are found
COVERED = 2.0  # logits for all of the question's words, in a few articles as in many
SHOWN = 3
LISTED = 6  # where several things are asked for
WORTH = 5.0  # how far, in logits, a further sentence may be below the best one to be shown
SURE = 0.05  # of its being the answer, for a span to be marked


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence that may answer; `score` is a logit, `features` what it was made of.

    `again` is where the very same text stands once more.
    """

    passage: Passage
    sentence: Sentence
    text: str
    score: float
    features: Features
    read: Read
    asked: Asked
    again: tuple[Read, ...] = ()

    @property
    def cosine(self) -> float:
        """The cosine of the sentence with the question."""
        return float(self.features[_COSINE])

    def span(self) -> Span | None:
        """Return the answering words as offsets into `text`, None where none is likely."""
        found, features = Spans(self.asked).candidates(self.read)
        if not found:
            return None
        logits = weights.span_trees().logits(features)
        best = int(logits.argmax())
        return found[best] if chance(logits[best]) >= SURE else None


def scores_of(trees: Trees, features: Floats) -> Floats:
    """Return the logits of sentences, shape (sentences,)."""
    again = MEANING * (features[:, _COSINE] - 0.5) + COVERED * (features[:, _COVERED] - 0.75)
    return trees.logits(features) + again


def rank_sentences(question: str, retrieved: Retrieved) -> list[Candidate]:
    """Return every sentence of the passages, best first, each text once."""
    asked = Asked(question, retrieved.idf, retrieved.language)
    sentences, features = sentence_features(asked, retrieved)
    if not sentences:
        return []
    scores = scores_of(weights.sentence_trees(), features).tolist()
    same: dict[str, list[int]] = {}
    for number in sorted(range(len(scores)), key=lambda n: -scores[n]):
        same.setdefault(sentences[number].text, []).append(number)
    ranked = []
    for text, (best, *others) in same.items():
        read = sentences[best]
        again = tuple(sentences[number] for number in others)
        ranked.append(
            Candidate(
                read.passage, read.sentence, text, scores[best], features[best], read, asked, again
            )
        )
    return sorted(ranked, key=lambda c: (-c.score, c.passage.rank, c.sentence.start))


def choose(ranked: Sequence[Candidate], most: int = SHOWN) -> list[Candidate]:
    """Return up to `most` sentences: the best, then others in the order of their articles.

    None of them says what another one says.
    """
    picked: list[Candidate] = []
    for candidate in ranked:
        if len(picked) == most or candidate.score < ranked[0].score - WORTH:
            break
        if not any(repeats(candidate.read, each.read) for each in picked):
            picked.append(candidate)
    lead, others = picked[:1], picked[1:]
    return lead + sorted(others, key=lambda c: (c.passage.rank, c.sentence.start))


def also_said(shown: Candidate, ranked: Sequence[Candidate]) -> list[Read]:
    """Return the sentences of other articles that say the same, best first."""
    reads = (read for each in ranked for read in (each.read, *each.again))
    return elsewhere(shown.read, reads)
