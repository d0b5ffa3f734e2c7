// Client-side navigation: a link changes <main> and the address; the page and the assistant in it
// stay. The content comes as JSON and becomes nodes, never HTML from strings.
const main = document.querySelector("main");
let wanted = new AbortController();

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

async function show(path) {
  wanted.abort(); // of two quick clicks the later one wins
  wanted = new AbortController();
  const { signal } = wanted;
  try {
    const reply = await fetch(`/api/pages?path=${encodeURIComponent(path)}`, { signal });
    if (!reply.ok) return location.assign(path); // logged out meanwhile, or no such page
    render(path, await reply.json());
  } catch (error) {
    if (error.name !== "AbortError") location.assign(path);
  }
}

function render(path, page) {
  const heading = element("h1", page.title);
  heading.tabIndex = -1;
  const sections = page.sections.flatMap((section) => [
    element("h2", section.heading),
    ...section.paragraphs.map((paragraph) => element("p", paragraph)),
  ]);
  main.replaceChildren(heading, ...sections);
  document.title = `${page.title} · Halden Ferries`;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.pathname === path) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  heading.focus();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("header a");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  history.pushState(null, "", link.pathname);
  show(link.pathname);
});
addEventListener("popstate", () => show(location.pathname));

// Whoever logs in next in this tab finds nothing of who was here before.
document.querySelector("#logout").addEventListener("submit", () => {
  document.querySelector("citewell-chat").logout?.();
});
