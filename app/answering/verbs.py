"""English verbs whose three forms are sure: what a question with "did" or "who" needs.

Only verbs of events that an article dates or gives a doer; of any other word nothing is said.
"""

from __future__ import annotations

from typing import Final

_REGULAR = """
abandon abolish accept achieve acquire add adopt announce annex appoint approve arrive attack ban
capture celebrate chair collapse commission complete compose conclude conquer convert create
cross declare defeat deliver demolish deposit design destroy develop die direct disappear discover
dissolve divide earn elect eliminate endorse enter erupt establish expand explode expel extend
finish found graduate host identify inaugurate introduce invade invent issue join kill
land launch legalise legalize marry merge move name nationalise nationalize order organise organize
occupy open outlaw paint pass patent perform plant premiere privatise privatize produce
publish purchase ratify reach receive recognise recognize record release rename replace report
require resign restore retire return score sign start suggest surrender transfer unify unite unveil
visit vote end close charter incorporate debut dedicate agree ask carry cause count cover
cancel decide describe detect discuss double employ estimate exceed explore export fail
follow import injure inspire measure need notice offer photograph propose protect prove raise
refuse register reject reopen request rescue save seize serve settle survey test threaten train
treat use warn approach consider control dominate encounter gather halve influence operate own
promise provide remove resume reveal supply support sponsor suffer translate travel trigger
"""

_IRREGULAR = """
become became become
find found found
grow grew grown
meet met met
rise rose risen
run ran run
see saw seen
spend spent spent
strike struck struck
catch caught caught
fight fought fought
teach taught taught
speak spoke spoken
sing sang sung
wear wore worn
drive drove driven
fly flew flown
go went gone
come came come
begin began begun
break broke broken
build built built
buy bought bought
choose chose chosen
draw drew drawn
fall fell fallen
give gave given
hold held held
lead led led
leave left left
lose lost lost
make made made
overthrow overthrew overthrown
sell sold sold
send sent sent
take took taken
win won won
withdraw withdrew withdrawn
write wrote written
"""

ALONE: Final = frozenset(
    """
    arrive begin close collapse die debut disappear dissolve end erupt explode finish graduate land
    marry merge open premiere reopen resign resume retire start surrender
    """.split()
)
"""Base forms that need no object: "When did it open?"."""

MAKING: Final = frozenset(
    """
    build chair commission compose create design develop direct discover establish found invent
    introduce lead paint patent publish win write unveil inaugurate host record
    """.split()
)
"""Base forms of which one asks who did it."""


def _past_of(base: str) -> str:
    """Return the past of a regular verb that doubles no letter.

    Example: "ratify" -> "ratified"
    """
    if base.endswith("e"):
        return f"{base}d"
    if base.endswith("y") and base[-2] not in "aeiou":
        return f"{base[:-1]}ied"
    if base in ("ban", "expel"):
        return f"{base}{base[-1]}ed"
    return f"{base}ed"


_FORMS = [line.split() for line in _IRREGULAR.strip().splitlines()]
_FORMS += [[base, _past_of(base), _past_of(base)] for base in _REGULAR.split()]

BASE_OF_PAST: Final = {past: base for base, past, _ in _FORMS}
"""Example: "wrote" -> "write"."""

BASE_OF_PARTICIPLE: Final = {participle: base for base, _, participle in _FORMS} | {"born": "born"}
"""Example: "written" -> "write"; "born" has no other form here."""

PAST_OF_BASE: Final = {base: past for base, past, _ in _FORMS}
