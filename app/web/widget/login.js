// The window in which a reader logs in for a frame of a portal's (/widget/login?portal=hr).
//
// Who is logged in already needs no more than this page; others go by the login provider and come
// back to it. The session goes to the page that opened the window, if that is ours too, and to
// nobody else; a window that the provider cut off from it says what to do.

const { portal, login } = document.querySelector("script[data-portal]").dataset;
const status = document.querySelector("[role=status]");
const service = new URL("..", import.meta.url); // where the service is mounted

const reply = await fetch(new URL("api/v1/sessions", service), {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ portal, login: true }),
  cache: "no-store",
});
const told = await reply.json().catch(() => ({}));
if (reply.ok) {
  if (opener) {
    opener.postMessage({ type: "citewell:session", session: told }, location.origin);
    close();
  }
  status.textContent = "You are logged in. Close this window and ask again.";
} else if (String(told.type).endsWith(":session-ended")) {
  const here = `${location.pathname.slice(login.length - "/login".length)}${location.search}`;
  location.replace(`${login}?next=${encodeURIComponent(here)}`);
} else {
  status.textContent = told.detail || `The service replied ${reply.status}.`;
}
