// The page for administrators. All that comes from the service is set as text, never as HTML.
//
// Without a login the reader gives an API key; it lives in `key` and nowhere else.

const PAGE = 25;
const BASE = "api/v1/admin";

let key = "";
let turn = 0; // of loading: what an earlier one brings too late is dropped

const find = (id) => document.getElementById(id);

class Refused extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

async function get(path) {
  const headers = key ? { authorization: `Bearer ${key}` } : {};
  const reply = await fetch(`${BASE}/${path}`, { headers, cache: "no-store" });
  if (reply.ok) return reply;
  const problem = await reply.json().catch(() => ({}));
  throw new Refused(reply.status, problem.detail || `The service replied ${reply.status}.`);
}

const getJson = async (path) => (await get(path)).json();

function make(tag, text, className) {
  const node = document.createElement(tag);
  if (text !== undefined && text !== null) node.textContent = String(text);
  if (className) node.className = className;
  return node;
}

// -- tables ---------------------------------------------------------------------------------

const text = (value, className) => make("td", value ?? "–", className);
const number = (value) => text(value === null ? null : value.toLocaleString("en"), "number");

function time(value) {
  const cell = make("td", undefined, "time");
  const shown = make("time", value.slice(0, 16).replace("T", " "));
  shown.dateTime = value;
  shown.title = `${value.replace("T", " ").replace("Z", "")} UTC`;
  cell.append(shown);
  return cell;
}

function fill(id, items, toCells, none) {
  const body = find(id);
  body.replaceChildren();
  append(id, items, toCells);
  if (items.length) return;
  const cell = make("td", none, "none");
  cell.colSpan = 10;
  const row = make("tr");
  row.append(cell);
  body.append(row);
}

function append(id, items, toCells) {
  const body = find(id);
  const labels = [...body.closest("table").tHead.rows[0].cells].map((each) => each.textContent);
  for (const item of items) {
    const row = make("tr");
    row.append(...toCells(item));
    [...row.cells].forEach((cell, index) => (cell.dataset.label = labels[index]));
    body.append(row);
  }
}

const words = (name) => name.replaceAll("_", " ");

function shareCell({ share }) {
  const cell = make("td");
  const meter = make("meter");
  meter.value = share;
  meter.ariaHidden = "true"; // the figure beside it says the same
  cell.append(meter, `${Math.round(share * 100)}\u00a0%`);
  return cell;
}

// -- what is shown --------------------------------------------------------------------------

function showStats(stats) {
  const totals = [
    ["Answers", stats.answers],
    ["People", stats.people],
    ["Helpful", stats.verdicts.helpful],
    ["Unhelpful", stats.verdicts.unhelpful],
  ];
  const tiles = totals.map(([name, value]) => {
    const tile = make("div");
    tile.append(make("dt", name), make("dd", value.toLocaleString("en")));
    return tile;
  });
  find("totals").replaceChildren(...tiles);
  showDays(stats.by_day);
  fill("outcomes", Object.entries(stats.outcomes), ([name, told]) => [
    text(words(name)),
    number(told.count),
    shareCell(told),
  ]);
  fill("latency", Object.entries(stats.latency_ms), ([stage, told]) => [
    text(stage === "total" ? "the end" : words(stage)),
    number(told.p50 && Math.round(told.p50)),
    number(told.p95 && Math.round(told.p95)),
  ]);
  fill(
    "reasons",
    Object.entries(stats.reasons),
    ([reason, count]) => [text(words(reason)), number(count)],
    "None was given.",
  );
  fill(
    "asked-rows",
    stats.most_asked,
    (each) => [text(each.question), number(each.count), time(each.last)],
    "Nothing was asked.",
  );
}

function showDays(days) {
  const [width, height] = [600, 120];
  const most = Math.max(1, ...days.map((day) => day.answers));
  const step = width / days.length;
  const bar = (index, base, value, className, title) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    const tall = (value / most) * height;
    node.setAttribute("x", index * step + step * 0.1);
    node.setAttribute("width", step * 0.8);
    node.setAttribute("y", height - (base / most) * height - tall);
    node.setAttribute("height", tall);
    node.setAttribute("class", className);
    const named = document.createElementNS("http://www.w3.org/2000/svg", "title");
    named.textContent = title;
    node.append(named);
    return node;
  };
  const bars = days.flatMap((day, index) => {
    const title = `${day.day}: ${day.answers} answers, ${day.not_found} not found`;
    return [
      bar(index, 0, day.not_found, "bar missing", title),
      bar(index, day.not_found, day.answers - day.not_found, "bar", title),
    ];
  });
  const chart = find("by-day");
  chart.replaceChildren(...bars);
  const span = `Answers a day, ${days[0].day} to ${days.at(-1).day}, ${most} at most.`;
  chart.ariaLabel = span;
  const legend = [make("span", "", "key"), "answered", make("span", "", "key missing"), "not found"];
  find("by-day-caption").replaceChildren(span, ...legend);
}

const gapCells = (gap) => [
  text(gap.question),
  number(gap.count),
  time(gap.last),
  text(gap.closest.join("; ") || null),
];

const feedbackCells = (given) => [
  time(given.given),
  text(given.reason ? `${given.verdict}: ${words(given.reason)}` : given.verdict, given.verdict),
  text(given.question),
  text(given.text),
  text(given.comment),
];

const entryCells = (entry) => [
  time(entry.at),
  text(entry.actor),
  text(entry.action),
  text(entry.target),
  text(entry.address),
  entry.allowed ? text("yes") : text("no", "refused"),
];

// A list whose button brings the next page.
function paged(name, path, toCells, none) {
  const button = find(`${name}-more`);
  let cursor = null;
  const read = () => {
    const after = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    return getJson(`${path}?limit=${PAGE}${after}`);
  };
  const note = (page) => {
    cursor = page.next_cursor;
    button.hidden = cursor === null;
  };
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      const page = await read();
      append(`${name}-rows`, page.items, toCells);
      note(page);
    } catch (error) {
      tell(error);
    } finally {
      button.disabled = false;
    }
  });
  return {
    first() {
      cursor = null;
      return read();
    },
    show(page) {
      fill(`${name}-rows`, page.items, toCells, none);
      note(page);
    },
  };
}

const feedback = paged("feedback", "feedback", feedbackCells, "Nobody gave any.");
const audit = paged("audit", "audit", entryCells, "Nothing was written yet.");

// -- loading --------------------------------------------------------------------------------

function tell(error) {
  find("status").textContent = error.message;
  if (error.status !== 401 && error.status !== 403) return;
  find("shown").hidden = true;
  find("key-form").hidden = false;
  find("key").focus();
}

async function load() {
  const mine = ++turn;
  const days = find("days").value;
  find("status").textContent = "Loading …";
  find("gaps-csv").href = `${BASE}/gaps?format=csv&limit=500&days=${days}`;
  try {
    const [stats, gaps, given, entries] = await Promise.all([
      getJson(`stats?days=${days}`),
      getJson(`gaps?days=${days}`),
      feedback.first(),
      audit.first(),
    ]);
    if (mine !== turn) return;
    showStats(stats);
    fill("gaps-rows", gaps.items, gapCells, "Every question was answered.");
    feedback.show(given);
    audit.show(entries);
    find("shown").hidden = false;
    find("key-form").hidden = true;
    find("status").textContent = "";
  } catch (error) {
    if (mine === turn) tell(error);
  }
}

find("days").addEventListener("change", load);

find("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  key = find("key").value.trim();
  find("key").value = "";
  load();
});

// A link sends no key, so with one the table is fetched and then given to the browser.
find("gaps-csv").addEventListener("click", async (event) => {
  if (!key) return;
  event.preventDefault();
  const path = event.currentTarget.getAttribute("href").slice(BASE.length + 1);
  try {
    const address = URL.createObjectURL(await (await get(path)).blob());
    const link = make("a");
    link.href = address;
    link.download = "gaps.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  } catch (error) {
    tell(error);
  }
});

load();
