"""Lines that belong to the page, not to the article: never chunked, never cited.

Newsroom lines (contacts, calls to follow or subscribe) and lists of sources, which name what
the article rests on and would otherwise be quoted as if they answered.
"""

from __future__ import annotations

import re

MAX_WORDS = 40  # longer sentences say something of their own

# Each pattern is anchored at the sentence's start and names an act asked of the reader that
# leads away from the article; a report about such acts ("The ministry asked residents to get
# in touch") does not begin so.
_PATTERNS = re.compile(
    r"""^[\W_]*(?:
      (?:please\s+)?(?:get|keep|stay)\s+in\s+touch\b(?:\s+with\s+(?:(?-i:us)|our|the)\b|\W*$)
    | (?:please\s+)?(?:contact|e-?mail|call|write\s+to|message|whatsapp)\s+
        (?:(?-i:us)\s*(?:$|[.!]|(?:at|on|by|via|with|if|about)\b)|our\b|the\s+(?:newsroom|news\s*desk|editors?|author|reporter)\b|[\w.+-]+@)
    | do\s+you\s+have\s+(?:a|any)\s+(?:story|stories|tip|tips|news\s+tip)\b
    | (?:tell|send|write\s+to)\s+(?-i:us)\s+
        (?:about\s+(?:it|your)|what\s+you|if\s+you|your|by\s+e-?mail)\b
    | let\s+(?-i:us)\s+know\b
    | (?:do\s+you\s+have|have|got)\s+(?:a|any|more|an?\s+interesting)\s+
        (?:story|stories|tip|tips|news|information|question)\b.*
        (?:\bcontact\b|e-?mail|get\s+in\s+touch|(?-i:\bus)\b|@|\bshare\b.*\?$)
    | for\s+(?:more|other|further|all\s+the\s+latest)\s+
        (?:stories|news|articles|updates|coverage|information|headlines)\b.*
        (?:check|visit|click|follow|see|read|subscribe|sign\s+up|go\s+to|head\s+to)\b
    | (?:please\s+)?(?:follow|like|join|find|connect\s+with)\s+
        (?:@\w+|(?:(?-i:us)|(?-i:[A-Z])[\w\s]{0,30}|our\s[\w\s]{0,30})\s*
        (?:$|[.!]|\bon\s+(?:social|facebook|twitter|x|instagram|tiktok|linkedin|youtube)\b))
    | (?:please\s+)?(?:sign\s+up|subscribe|register)\s+(?:now\s+|here\s+|today\s+)?(?:to|for)\s+
        (?:our|the|receive|get|more|free|daily|weekly)\b
    | (?:please\s+)?(?:click|tap)\s+(?:here|below|on\s+the\s+link)\b
    | (?:please\s+)?(?:share|print|bookmark|e-?mail|save)\s+this\s+(?:article|story|page|post)\b
    | (?:read|see|watch|view)\s+(?:more|also|next|all)\s*(?::|$)
    | (?:read|see)\s+more\s+(?:stories|articles|news|on|about|from|at)\b.{0,80}$
    | (?:more|related)\s+(?:stories|articles|coverage|news)\s*(?::|$)
    | (?:advert|advertisement|sponsored\s+content|story\s+continues\s+below
        (?:\s+advertisement)?)[\W_]*$
    | (?:copyright|\(c\))\s*(?:©|\(c\))?\s*(?:19|20)\d\d\b
    | all\s+rights\s+reserved\b
    | (?:check|visit)\s+(?:out\s+)?our\s+
        (?:news\s+page|website|site|homepage|live\s+blog|channel|app)\b
    | download\s+(?:our|the)\s+(?:free\s+)?app\b
    | this\s+(?:article|story|post)\s+(?:was\s+)?(?:first|originally)\s+(?:appeared|published)\s+
        (?:on|by|at|in)\s+(?!\d)
    )""",
    re.IGNORECASE | re.VERBOSE,
)


def is_boilerplate(sentence: str) -> bool:
    """Tell whether a sentence is a contact line, a call to follow or subscribe, or the like.

    Example: "Get in touch with our news team by emailing us at news@example.org." -> True
    """
    if len(sentence.split()) > MAX_WORDS:
        return False
    return sentence.lstrip().startswith("©") or _PATTERNS.match(sentence) is not None


_REFERENCES = re.compile(
    r"^[\W_]*(?:sources?|references|bibliography|further\s+reading|works\s+cited)\s*"
    r"(?:(?P<title>$)|:|\s[–—-]\s)",
    re.IGNORECASE,
)


def is_reference_title(paragraph: str) -> bool:
    """Tell whether a paragraph is the title of a list of sources, which follows it.

    Example: "Sources" -> True, "Sources: BIPM" -> False
    """
    found = _REFERENCES.match(paragraph.rstrip(" :"))
    return found is not None and found["title"] is not None


def is_reference_list(paragraph: str) -> bool:
    """Tell whether a paragraph is itself a list of sources.

    Example: "Sources: BIPM, 26th General Conference on Weights and Measures." -> True
    """
    return _REFERENCES.match(paragraph) is not None
