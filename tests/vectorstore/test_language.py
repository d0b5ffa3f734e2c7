"""A text's language is told where it is sure; a question is English unless it surely is not."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectorstore.language import detect, language_of, load, name_of

ROOT = Path(__file__).parents[2]

QUESTIONS = {
    "ar": [
        "متى افتتح الجسر؟",
        "كم عدد سكان المدينة؟",
        "من يدير المتحف الجديد؟",
        "لماذا تذوب الأنهار الجليدية؟",
        "كم سعر التذكرة إلى الإسكندرية؟",
        "ما اللغات المستخدمة في لوكسمبورغ؟",
    ],
    "de": [
        "Wann wurde die Brücke eröffnet?",
        "Wie viele Einwohner hat die Stadt?",
        "Wer leitet das neue Museum?",
        "Warum schmelzen die Gletscher?",
        "Was kostet eine Fahrkarte nach Bern?",
        "Welche Sprachen spricht man in Luxemburg?",
    ],
    "el": [
        "Πότε άνοιξε η γέφυρα;",
        "Πόσους κατοίκους έχει η πόλη;",
        "Ποιος διευθύνει το νέο μουσείο;",
    ],
    "es": [
        "¿Cuándo se inauguró el puente?",
        "¿Cuántos habitantes tiene la ciudad?",
        "¿Quién dirige el nuevo museo?",
        "¿Por qué se derriten los glaciares?",
        "¿Cuánto cuesta un billete a Sevilla?",
        "Qué idiomas se hablan en Luxemburgo",
    ],
    "fa": [
        "پل چه زمانی افتتاح شد؟",
        "جمعیت شهر چقدر است؟",
        "چه کسی موزه جدید را اداره می\u200cکند؟",
    ],
    "fr": [
        "Quand le pont a-t-il été inauguré ?",
        "Combien d'habitants compte la ville ?",
        "Qui dirige le nouveau musée ?",
        "Pourquoi les glaciers fondent-ils ?",
        "Combien coûte un billet pour Lyon ?",
        "Quelles langues parle-t-on au Luxembourg ?",
    ],
    "he": ["מתי נפתח הגשר?", "כמה תושבים יש בעיר?", "מי מנהל את המוזיאון החדש?"],
    "hi": ["पुल कब खोला गया?", "शहर की आबादी कितनी है?", "नए संग्रहालय का निदेशक कौन है?"],
    "it": [
        "Quando è stato inaugurato il ponte?",
        "Quanti abitanti ha la città?",
        "Chi dirige il nuovo museo?",
        "Perché si sciolgono i ghiacciai?",
        "Quanto costa un biglietto per Torino?",
        "Che lingue si parlano in Lussemburgo?",
    ],
    "ja": [
        "橋はいつ開通しましたか？",
        "その都市の人口は何人ですか？",
        "新しい博物館の館長は誰ですか？",
    ],
    "ko": [
        "다리는 언제 개통되었습니까?",
        "이 도시의 인구는 얼마입니까?",
        "새 박물관은 누가 이끄나요?",
    ],
    "nl": [
        "Wanneer werd de brug geopend?",
        "Hoeveel inwoners heeft de stad?",
        "Wie leidt het nieuwe museum?",
        "Waarom smelten de gletsjers?",
        "Wat kost een kaartje naar Utrecht?",
        "Welke talen spreekt men in Luxemburg?",
    ],
    "pl": [
        "Kiedy otwarto most?",
        "Ilu mieszkańców ma miasto?",
        "Kto kieruje nowym muzeum?",
        "Dlaczego lodowce topnieją?",
        "Ile kosztuje bilet do Krakowa?",
        "Jakimi językami mówi się w Luksemburgu?",
    ],
    "pt": [
        "Quando foi inaugurada a ponte?",
        "Quantos habitantes tem a cidade?",
        "Quem dirige o novo museu?",
        "Por que os glaciares estão a derreter?",
        "Quanto custa um bilhete para o Porto?",
        "Que línguas se falam no Luxemburgo?",
    ],
    "ru": [
        "Когда открыли мост?",
        "Сколько жителей в городе?",
        "Кто руководит новым музеем?",
        "Почему тают ледники?",
        "Сколько стоит билет до Казани?",
        "На каких языках говорят в Люксембурге?",
        "Почему ягода сладкая?",
    ],
    "sv": [
        "När öppnades bron?",
        "Hur många invånare har staden?",
        "Vem leder det nya museet?",
        "Varför smälter glaciärerna?",
        "Vad kostar en biljett till Uppsala?",
        "Vilka språk talas i Luxemburg?",
    ],
    "th": ["สะพานเปิดเมื่อไร", "เมืองนี้มีประชากรกี่คน"],
    "tr": [
        "Köprü ne zaman açıldı?",
        "Şehrin nüfusu kaç?",
        "Yeni müzeyi kim yönetiyor?",
        "Buzullar neden eriyor?",
        "Ankara'ya bilet ne kadar?",
        "Lüksemburg'da hangi diller konuşuluyor?",
    ],
    "uk": [
        "Коли відкрили міст?",
        "Скільки мешканців у місті?",
        "Хто керує новим музеєм?",
        "Чому тануть льодовики?",
        "Скільки коштує квиток до Львова?",
        "Якими мовами розмовляють у Люксембурзі?",
    ],
    "zh": [
        "大桥是什么时候开放的？",
        "这座城市有多少居民？",
        "谁领导新博物馆？",
        "冰川为什么融化？",
        "EMNLP2022和2023的举办地",
    ],
}
ENGLISH = [
    "When was the bridge opened?",
    "Who is Angela Merkel?",
    "glacier melt",
    "Where is the Musée d'Orsay?",
    "Who founded Médecins Sans Frontières?",
    "What is Vergangenheitsbewältigung?",
    "What does 東京 mean in English?",
    "Schröder coalition",
    "Marie Curie",
    "coal",
    "in 1936?",
    "?!",
    "",
]


@pytest.mark.parametrize(
    ("language", "question"), [(tag, each) for tag, some in QUESTIONS.items() for each in some]
)
def test_the_language_of_a_short_question_is_told(language: str, question: str) -> None:
    """A question of a few words is known to be in its language."""
    assert language_of(question) == language


@pytest.mark.parametrize("question", ENGLISH)
def test_what_is_unsure_is_english(question: str) -> None:
    """Names, single words, and English questions about foreign ones are taken as English."""
    assert language_of(question) == "en"


def test_the_question_before_decides_where_words_do_not_tell() -> None:
    """A bare name is in the language of what was said before it; a sentence in its own."""
    german = "Wann wurde die Brücke in Bern eröffnet?"
    assert language_of("Bern?", german) == "de"
    assert language_of("When was the bridge opened?", german) == "en"


def test_an_articles_language_is_told_or_left_open() -> None:
    """Some sentences tell their language; a line, a list of names or figures tells none."""
    assert detect("Der Gletscher ist kürzer geworden. " * 3) == "de"
    assert detect("冰川每年都在变小。研究人员测量了它的长度。") == "zh"
    for text in ("Der Gletscher ist kürzer.", "Anna Bert Carl " * 8, "1, 2, 3, 4 " * 50, ""):
        assert detect(text) is None, text


@given(st.text(max_size=400))
def test_any_text_can_be_asked(text: str) -> None:
    """Whatever stands in a text, telling its language fails nowhere and is a function of it."""
    assert detect(text) == detect(text)
    assert language_of(text) == language_of(text)


def test_telling_takes_no_time() -> None:
    """A question's language is told in under a millisecond."""
    load()
    times = []
    for question in [each for some in QUESTIONS.values() for each in some] * 5:
        start = time.perf_counter()
        language_of(question)
        times.append(time.perf_counter() - start)
    assert sorted(times)[len(times) // 2] < 1e-3


def test_nothing_is_loaded_by_importing() -> None:
    """The model and the lists of stop words are read when they are asked for first."""
    code = (
        "import sys, vectorstore.analysis, vectorstore.language\n"
        "print([m for m in ('py3langid', 'stopwordsiso', 'babel') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"


def test_languages_have_names() -> None:
    """A tag is named for people; what has no name is told as it is."""
    assert name_of("de-AT") == "German"
    assert name_of("zh-Hans") == "Chinese"
    assert name_of("xx") == "xx"
