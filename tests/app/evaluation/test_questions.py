from __future__ import annotations

import pytest

from app.evaluation.bootstrap import Resamplers
from app.evaluation.figures import Row
from app.evaluation.questions import foreign_questions, refusal_curves
from app.evaluation.sample import draw, sample
from app.evaluation.sets import FOREIGN, Question, QuestionSet, Record

RECORD = (Record("u", "T", "Text."),)


def asked(name: str, size: int, donates: bool = True) -> QuestionSet:
    """Return a set of questions over a corpus."""
    questions = tuple(
        Question(str(at), f"{name} {at}?", relevant={"u": 1}, answers=(("x",),))
        for at in range(size)
    )
    return QuestionSet(name, "", RECORD, questions, donates)


def test_a_sample_is_the_same_each_time_and_of_each_group() -> None:
    """The same limit gives the same questions, in their order; a small group is whole."""
    questions = [Question(str(at), "?", group="a" if at % 10 else "b") for at in range(100)]
    some = sample(questions, 12)
    assert some == sample(questions, 12)
    assert [question.group for question in some].count("a") == 12
    assert [question.group for question in some].count("b") == 10
    order = [int(question.id) for question in some if question.group == "a"]
    assert order == sorted(order)
    assert order != list(range(12))


def test_no_limit_is_everything() -> None:
    """Without a limit, and with one that is large enough, all are taken."""
    assert draw([3, 1, 2], None, "x") == [3, 1, 2]
    assert draw([3, 1, 2], 3, "x") == [3, 1, 2]


def test_foreign_questions_come_from_other_corpora() -> None:
    """Each other set gives as many, to be refused; parts of the same data give none."""
    own, twin, other, third = asked("a/dev", 5), asked("a/held", 5), asked("b", 600), asked("c", 9)
    found = foreign_questions(own, [twin, other, third, asked("d", 9, donates=False)])
    assert [question.id.split("/")[0] for question in found].count("b") == 250
    assert [question.id.split("/")[0] for question in found].count("c") == 9
    assert len(found) == 259
    assert {(q.group, q.answerable, bool(q.relevant)) for q in found} == {(FOREIGN, False, False)}


def test_nobody_knows_what_the_user_s_articles_do_not_answer() -> None:
    """A user's own set gets no foreign questions."""
    own = QuestionSet("own", "", None, (Question("1", "?"),))
    assert foreign_questions(own, [asked("b", 3)]) == []


def row(key: str, group: str, right: bool, chance: float) -> Row:
    """Return a row that was answered with some chance."""
    return Row(key, group, "", True, "?", {}, right, chance)


def test_a_curve_by_hand() -> None:
    """At .5 one of two answerable is refused, and two of three others."""
    rows = [
        row("1", "corpus", True, 0.9),
        row("2", "corpus", True, 0.4),
        row("3", "removed", False, 0.6),
        row("4", "removed", False, 0.2),
        row("5", "removed", False, 0.1),
    ]
    (curve,), (area,) = refusal_curves(rows, 0.5, Resamplers())
    assert (curve.name, curve.right, curve.wrong) == ("removed", 2, 3)
    setting = curve.operating[0]
    assert (setting.wrongly, setting.rightly) == (0.5, pytest.approx(2 / 3))
    assert area.interval.value == pytest.approx(5 / 6)
    assert area.interval.n == 5


def test_a_group_with_both_kinds_stands_for_itself() -> None:
    """Unanswerable questions are set against the answerable ones of their own group."""
    rows = [
        row("1", "corpus", True, 0.1),
        row("2", "own paragraph", True, 0.9),
        row("3", "own paragraph", False, 0.5),
    ]
    (curve,), (area,) = refusal_curves(rows, 0.5, Resamplers())
    assert (curve.right, curve.wrong, area.interval.value) == (1, 1, 1.0)


def test_without_unanswerable_questions_there_is_no_curve() -> None:
    """Nothing can be said of refusals where everything can be answered."""
    assert refusal_curves([row("1", "corpus", True, 0.9)], 0.5, Resamplers()) == ([], [])
