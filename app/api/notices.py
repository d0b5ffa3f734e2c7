"""Small pages of our own: what a person is told instead of the chat. They need no script."""

from __future__ import annotations

from html import escape

from starlette.responses import HTMLResponse

# Of a window that a portal's frame has opened and waits for word from.
LINKED = {"cross-origin-opener-policy": "unsafe-none"}
# Forms are sent with their origin only under a policy that sends it; the guard wants to see it.
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="same-origin">
<title>{title} – Citewell</title>
<style>
:root {{ color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }}
body {{ max-width: 34rem; margin: 15vh auto 0; padding: 0 1rem; }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{text}</p>
{actions}
</main>
</body>
</html>
"""


def page(
    status: int, title: str, text: str, login: str | None = None, logout: str | None = None
) -> HTMLResponse:
    """Return a page that says one thing.

    Args:
        status: The HTTP status.
        title: What happened.
        text: What it means, and what to do.
        login: Where a link to log in leads, if there is to be one.
        logout: Where a button to log out leads, if there is to be one.
    """
    actions = ""
    if login is not None:
        actions += f'<p><a href="{escape(login)}">Log in</a></p>\n'
    if logout is not None:
        actions += (
            f'<form method="post" action="{escape(logout)}"><button>Log out</button></form>\n'
        )
    filled = _PAGE.format(title=escape(title), text=escape(text), actions=actions)
    return HTMLResponse(filled, status, {"cache-control": "no-store"})
