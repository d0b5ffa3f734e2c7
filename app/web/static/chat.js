// The source pane: a click on a citation's chip opens the article at the quote.
//
// All text is set as text, never as HTML. A chip's href says what it points to:
// #cite/<article>/<version>/<start>/<end>; #article/<article> opens an article as a whole.
// Offsets count code points, as Python does, not UTF-16 units.

const base = new URL("../", import.meta.url).pathname; // where the service is mounted
const articles = new Map(); // address and version -> promise of the article

function fetchArticle({ id, version, start, end }) {
  const place = start === undefined ? "" : `?start=${start}&end=${end}`;
  const address = `${base}api/v1/articles/${encodeURIComponent(id)}${place}`;
  const key = `${address} ${version}`;
  if (!articles.has(key)) {
    const found = fetch(address).then((reply) => {
      if (!reply.ok) throw new Error(reply.status === 404 ? "gone" : `status ${reply.status}`);
      return reply.json();
    });
    found.catch(() => articles.delete(key));
    articles.set(key, found);
    setTimeout(() => articles.delete(key), 60_000); // an article may be updated
  }
  return articles.get(key);
}

function parse(anchor) {
  const parts = (anchor.getAttribute("href") || "").split("/");
  if (parts[0] === "#cite" && parts.length === 5) {
    return { id: parts[1], version: parts[2], start: Number(parts[3]), end: Number(parts[4]) };
  }
  if (parts[0] === "#article" && parts.length === 2) return { id: parts[1] };
  return null;
}

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

// -- the pane -----------------------------------------------------------------------------

const pane = make("aside");
pane.id = "cw-source";
pane.hidden = true;
pane.tabIndex = -1;
pane.setAttribute("aria-label", "Source");
let opener = null;

function close() {
  pane.hidden = true;
  document.body.classList.remove("cw-open");
  opener?.focus();
}

function header(article) {
  const top = make("header");
  const shut = make("button", "cw-close", "×");
  shut.type = "button";
  shut.setAttribute("aria-label", "Close the source");
  shut.addEventListener("click", close);
  top.append(shut);
  if (article) {
    top.append(make("h2", "", article.title));
    const facts = [article.published, ...article.authors].filter(Boolean).join(" · ");
    top.append(make("p", "cw-facts", facts || "undated"));
    top.append(original(article));
  }
  return top;
}

function original(article) {
  const line = make("p", "cw-facts");
  if (/^https?:\/\//i.test(article.link || "")) {
    const link = make("a", "", "Open the original at the passage");
    link.href = article.link;
    link.target = "_blank";
    link.rel = "noopener noreferrer";
    line.append(link);
  } else {
    line.textContent = article.uri;
  }
  return line;
}

function body(text, start, end) {
  const box = make("div", "cw-text");
  let at = 0;
  for (const line of text.split("\n")) {
    const size = [...line].length;
    if (line.trim()) {
      const paragraph = make("p");
      const from = Math.max(start, at) - at;
      const to = Math.min(end, at + size) - at;
      if (start < end && from < to) {
        const letters = [...line];
        paragraph.append(
          letters.slice(0, from).join(""),
          make("mark", "", letters.slice(from, to).join("")),
          letters.slice(to).join(""),
        );
      } else {
        paragraph.textContent = line;
      }
      box.append(paragraph);
    }
    at += size + 1;
  }
  return box;
}

async function open(anchor) {
  const target = parse(anchor);
  if (!target) return;
  opener = anchor;
  pane.hidden = false;
  document.body.classList.add("cw-open");
  pane.replaceChildren(header(null), make("p", "cw-notice", "Loading …"));
  try {
    const article = await fetchArticle(target);
    if (opener !== anchor) return; // another chip was clicked meanwhile
    const whole = target.start === undefined;
    const current = whole || article.sha256.startsWith(target.version);
    const quoted = !whole && current;
    const parts = [header(article)];
    if (!current) {
      const said = "This article has changed since it was cited; ask again for its present words.";
      parts.push(make("p", "cw-notice", said));
    }
    parts.push(body(article.text, quoted ? target.start : 0, quoted ? target.end : 0));
    pane.replaceChildren(...parts);
    pane.scrollTop = 0;
    pane.querySelector("mark")?.scrollIntoView({ block: "center" });
  } catch (error) {
    if (opener !== anchor) return;
    const said =
      error.message === "gone"
        ? "This article is no longer among the articles."
        : "The article could not be loaded. Is Citewell still running?";
    pane.replaceChildren(header(null), make("p", "cw-notice", said));
  }
  pane.focus({ preventScroll: true });
}

// -- the chips ----------------------------------------------------------------------------

const CHIP = 'a[href^="#cite/"], a[href^="#article/"]';

document.addEventListener(
  "click",
  (event) => {
    const anchor = event.target.closest?.(CHIP);
    if (!anchor) return;
    event.preventDefault();
    event.stopPropagation();
    open(anchor);
  },
  true,
);

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !pane.hidden) close();
});

// Hovering over or focusing a chip shows the quote before the pane is opened.
async function hint(event) {
  const anchor = event.target.closest?.('a[href^="#cite/"]');
  if (!anchor || anchor.title) return;
  const target = parse(anchor);
  anchor.setAttribute("aria-label", `Source ${anchor.textContent}`);
  try {
    const article = await fetchArticle(target);
    const quote = [...article.text].slice(target.start, target.end).join("");
    const date = article.published ? `, ${article.published}` : "";
    if (article.sha256.startsWith(target.version)) {
      anchor.title = `“${quote}”\n${article.title}${date}`;
    }
  } catch {
    // the click will say what is wrong
  }
}
document.addEventListener("mouseover", hint);
document.addEventListener("focusin", hint);

// -- what the chat component gets wrong ---------------------------------------------------

// It labels a message with its markup and copies that; both shall be the words.
new MutationObserver(() => {
  for (const message of document.querySelectorAll('#cw-chat [aria-label*="<p"]')) {
    message.removeAttribute("aria-label");
  }
}).observe(document.body, { subtree: true, childList: true, attributeFilter: ["aria-label"] });

function words(message) {
  const copy = message.cloneNode(true);
  for (const chip of copy.querySelectorAll("a.cw-chip")) chip.textContent = `[${chip.textContent}]`;
  return [...copy.querySelectorAll("p, li")].map((line) => line.textContent.trim()).join("\n");
}

document.addEventListener(
  "click",
  (event) => {
    const button = event.target.closest?.('#cw-chat button[aria-label="Copy message"]');
    if (!button) return;
    const row = button.closest(".message-row, .bot-row, .user-row, .message-wrap > *");
    const message = row?.querySelector("[data-testid]");
    if (!message) return;
    event.preventDefault();
    event.stopPropagation();
    navigator.clipboard.writeText(words(message));
  },
  true,
);

document.body.append(pane);

// -- leaving ------------------------------------------------------------------------------

// The server says in the page's head whether there is a login to end.
const leave = document.querySelector('meta[name="citewell-logout"]');
if (leave) {
  const button = make("button", "cw-logout", "Log out");
  button.type = "button";
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      const reply = await fetch(leave.content, { method: "POST" });
      location.assign(reply.ok ? reply.url : "/");
    } catch {
      button.disabled = false; // the server cannot be reached: still logged in
    }
  });
  document.body.append(button);
}
