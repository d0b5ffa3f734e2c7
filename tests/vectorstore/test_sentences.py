from __future__ import annotations

import re
from pathlib import Path

import pytest
import sentencex

from vectorstore.sentences import find_sentences

EXAMPLES = Path(__file__).parents[2] / "examples" / "articles"


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Dr. Smith paid 3.50 dollars. He left.", ["Dr. Smith paid 3.50 dollars.", "He left."]),
        ("“Stop,” she said. “Now.”", ["“Stop,” she said.", "“Now.”"]),
        ("👩‍👩‍👧 one. 𝕏 two.", ["👩‍👩‍👧 one.", "𝕏 two."]),
        ("no stop at all", ["no stop at all"]),
    ],
)
def test_sentences_are_found(text: str, sentences: list[str]) -> None:
    """Sentences end where a reader would say so, with offsets in characters."""
    found = find_sentences(text, 0, len(text), "en")
    assert [text[s.start : s.end] for s in found] == sentences


@pytest.mark.parametrize(
    ("language", "sentences"),
    [
        ("ar", ["افتتح الجسر عام 1936.", "هل زاره أحد؟", "قال د. أحمد إنه جميل."]),
        ("ur", ["پل 1936 میں کھلا۔", "کیا کوئی آیا؟", "ہاں۔"]),
        ("de", ["Am 3. Oktober kam Dr. Müller, z. B. im 19. Jahrhundert.", "Wer noch?"]),
        ("de-CH", ["Es kostete ca. 3 Mio. Franken.", "Das war 1990.", "Dann kam 1991."]),
        ("es", ["¿Cuándo abrió?", "¡En 1936!", "El Sr. García lo vio.", "La pág. 3 lo dice."]),
        ("fr", ["M. Dupont est venu.", "Qu'a-t-il vu ?", "Env. 3 millions de francs."]),
        ("ru", ["Мост открыли в 1936 г. в Казани.", "Это стоило 3 млн. рублей.", "Да."]),
        ("fi", ["Silta avattiin 3. toukokuuta.", "Kuka tuli?"]),
        ("hi", ["पुल 1936 में खुला। ", "कौन आया?"]),
    ],
)
def test_sentences_end_by_the_rules_of_their_language(language: str, sentences: list[str]) -> None:
    """Ordinals, abbreviations and initials end no sentence; each language's own marks do."""
    sentences = [sentence.strip() for sentence in sentences]
    text = "\n" + " ".join(sentences)
    found = find_sentences(text, 1, len(text), language)
    assert [text[s.start : s.end] for s in found] == sentences


@pytest.mark.parametrize(
    ("language", "sentences"),
    [
        ("zh", ["大桥于1936年开放。", "有人来过吗？", "有！", "然后走了。"]),
        ("ja", ["橋は1936年に開通した。", "誰か来ましたか？", "はい！"]),
    ],
)
def test_sentences_without_blanks_are_found(language: str, sentences: list[str]) -> None:
    """Full-width marks end sentences that no blank parts."""
    text = "".join(sentences)
    found = find_sentences(text, 0, len(text), language)
    assert [text[s.start : s.end] for s in found] == sentences


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.md")), ids=lambda path: path.name)
def test_english_is_cut_as_it_was(path: Path) -> None:
    """English sentences are those that sentencex gives, so that no chunk changes."""
    text = path.read_text(encoding="utf-8")
    for match in re.finditer(r"[^\s][^\n]*", text):
        paragraph = match.group()
        cuts = sentencex.get_sentence_boundaries("en", paragraph)
        plain = [paragraph[b["start_index"] : b["end_index"]].strip() for b in cuts]
        found = find_sentences(text, *match.span(), "en-GB")
        assert [text[s.start : s.end] for s in found] == [each for each in plain if each]
