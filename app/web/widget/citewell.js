// Citewell in a portal's page: <citewell-chat portal="hr" token-url="/api/assistant-token">
//
// One module without dependencies, served as it is written here. It makes one custom element; all
// that it shows lives in a shadow root, made node by node, and what comes from the service or the
// portal is set as text, never as HTML. Until it is opened for the first time it asks for nothing.
//
// In this order: the words, the looks, small helpers, what is kept, the session, the stream of an
// answer, one turn of the conversation, the element.

export const VERSION = "1.0.0";

const HERE = import.meta.url;
const BASE = HERE.slice(0, HERE.lastIndexOf("/widget/")); // where the service is mounted
const LONGEST_QUESTION = 2_000; // characters
const EARLY = 60_000; // milliseconds before its end that a session is renewed
const STALE = 30_000; // milliseconds after which an opening asks the portal anew who the user is
const SILENCE = 40_000; // milliseconds; a living stream says something every 15 seconds
const TRIES = 6; // to find a lost stream again

// -- the words ----------------------------------------------------------------------------

const WORDS = {
  en: {
    label: "Ask the articles",
    open: "Open",
    close: "Close",
    fresh: "New conversation",
    conversation: "Conversation",
    welcome: "Ask a question. Every sentence of the answer shows where it comes from.",
    question: "Your question",
    send: "Send",
    stop: "Stop",
    again: "Try again",
    retry: "Ask again",
    copy: "Copy",
    copied: "Copied",
    uncopied: "The browser did not let the answer be copied.",
    up: "Helpful",
    down: "Not helpful",
    thanks: "Thank you for the feedback.",
    source: "Source",
    original: "Open the original at the passage",
    tab: "opens in a new tab",
    searching: "Searching the articles …",
    understood: "Understood as:",
    within: "Only articles of",
    partial: "The articles do not say:",
    none: "The articles do not say.",
    unsupported: "⚠ Not supported by the articles",
    unchecked: "Unchecked",
    closest: "The closest articles:",
    stopped: "Stopped.",
    erased: "What this answer quoted was erased.",
    broken: "The connection was lost before the answer was whole.",
    offline: "You are offline. The conversation goes on once there is a connection.",
    lost: "The connection was lost. Connecting again …",
    signin: "Log in to the portal to ask questions.",
    login: "Log in to ask questions.",
    enter: "Log in",
    unavailable: "The assistant cannot be used at the moment.",
    busy: "There are many questions just now. Try again in a moment.",
  },
  de: {
    label: "Die Artikel fragen",
    open: "Öffnen",
    close: "Schließen",
    fresh: "Neues Gespräch",
    conversation: "Gespräch",
    welcome: "Stellen Sie eine Frage. Jeder Satz der Antwort zeigt, woher er stammt.",
    question: "Ihre Frage",
    send: "Senden",
    stop: "Anhalten",
    again: "Erneut versuchen",
    retry: "Noch einmal fragen",
    copy: "Kopieren",
    copied: "Kopiert",
    uncopied: "Der Browser hat das Kopieren nicht erlaubt.",
    up: "Hilfreich",
    down: "Nicht hilfreich",
    thanks: "Danke für die Rückmeldung.",
    source: "Quelle",
    original: "Original an dieser Stelle öffnen",
    tab: "öffnet einen neuen Tab",
    searching: "Die Artikel werden durchsucht …",
    understood: "Verstanden als:",
    within: "Nur Artikel von",
    partial: "Das sagen die Artikel nicht:",
    none: "Die Artikel sagen das nicht.",
    unsupported: "⚠ Von den Artikeln nicht belegt",
    unchecked: "Ungeprüft",
    closest: "Die nächstliegenden Artikel:",
    stopped: "Angehalten.",
    erased: "Was diese Antwort zitierte, wurde gelöscht.",
    broken: "Die Verbindung brach ab, bevor die Antwort vollständig war.",
    offline: "Sie sind offline. Das Gespräch geht weiter, sobald es eine Verbindung gibt.",
    lost: "Die Verbindung ist abgebrochen. Sie wird wiederhergestellt …",
    signin: "Melden Sie sich im Portal an, um Fragen zu stellen.",
    login: "Melden Sie sich an, um Fragen zu stellen.",
    enter: "Anmelden",
    unavailable: "Der Assistent ist zurzeit nicht verfügbar.",
    busy: "Gerade gibt es viele Fragen. Versuchen Sie es gleich noch einmal.",
  },
  fr: {
    label: "Interroger les articles",
    open: "Ouvrir",
    close: "Fermer",
    fresh: "Nouvelle conversation",
    conversation: "Conversation",
    welcome: "Posez une question. Chaque phrase de la réponse indique d’où elle vient.",
    question: "Votre question",
    send: "Envoyer",
    stop: "Arrêter",
    again: "Réessayer",
    retry: "Poser à nouveau",
    copy: "Copier",
    copied: "Copié",
    uncopied: "Le navigateur n’a pas permis de copier la réponse.",
    up: "Utile",
    down: "Pas utile",
    thanks: "Merci pour votre avis.",
    source: "Source",
    original: "Ouvrir l’original à ce passage",
    tab: "s’ouvre dans un nouvel onglet",
    searching: "Recherche dans les articles …",
    understood: "Compris comme :",
    within: "Seulement les articles de :",
    partial: "Les articles ne le disent pas :",
    none: "Les articles ne le disent pas.",
    unsupported: "⚠ Non confirmé par les articles",
    unchecked: "Non vérifié",
    closest: "Les articles les plus proches :",
    stopped: "Arrêté.",
    erased: "Ce que cette réponse citait a été effacé.",
    broken: "La connexion a été perdue avant la fin de la réponse.",
    offline: "Vous êtes hors ligne. La conversation reprendra avec la connexion.",
    lost: "La connexion a été perdue. Nouvelle tentative …",
    signin: "Connectez-vous au portail pour poser des questions.",
    login: "Connectez-vous pour poser des questions.",
    enter: "Se connecter",
    unavailable: "L’assistant n’est pas disponible pour le moment.",
    busy: "Beaucoup de questions en ce moment. Réessayez dans un instant.",
  },
  es: {
    label: "Preguntar a los artículos",
    open: "Abrir",
    close: "Cerrar",
    fresh: "Nueva conversación",
    conversation: "Conversación",
    welcome: "Haga una pregunta. Cada frase de la respuesta muestra de dónde procede.",
    question: "Su pregunta",
    send: "Enviar",
    stop: "Detener",
    again: "Reintentar",
    retry: "Preguntar de nuevo",
    copy: "Copiar",
    copied: "Copiado",
    uncopied: "El navegador no permitió copiar la respuesta.",
    up: "Útil",
    down: "No es útil",
    thanks: "Gracias por su opinión.",
    source: "Fuente",
    original: "Abrir el original en este pasaje",
    tab: "se abre en una pestaña nueva",
    searching: "Buscando en los artículos …",
    understood: "Entendido como:",
    within: "Solo artículos de",
    partial: "Los artículos no lo dicen:",
    none: "Los artículos no lo dicen.",
    unsupported: "⚠ No respaldado por los artículos",
    unchecked: "Sin comprobar",
    closest: "Los artículos más cercanos:",
    stopped: "Detenido.",
    erased: "Lo que citaba esta respuesta fue borrado.",
    broken: "Se perdió la conexión antes de que la respuesta estuviera completa.",
    offline: "Está sin conexión. La conversación seguirá cuando vuelva.",
    lost: "Se perdió la conexión. Conectando de nuevo …",
    signin: "Inicie sesión en el portal para hacer preguntas.",
    login: "Inicie sesión para hacer preguntas.",
    enter: "Iniciar sesión",
    unavailable: "El asistente no está disponible en este momento.",
    busy: "Hay muchas preguntas ahora. Inténtelo en un momento.",
  },
  ar: {
    label: "اسأل المقالات",
    open: "فتح",
    close: "إغلاق",
    fresh: "محادثة جديدة",
    conversation: "المحادثة",
    welcome: "اطرح سؤالًا. كل جملة في الإجابة تبيّن مصدرها.",
    question: "سؤالك",
    send: "إرسال",
    stop: "إيقاف",
    again: "حاول مرة أخرى",
    retry: "اسأل مجددًا",
    copy: "نسخ",
    copied: "تم النسخ",
    uncopied: "لم يسمح المتصفح بنسخ الإجابة.",
    up: "مفيد",
    down: "غير مفيد",
    thanks: "شكرًا على رأيك.",
    source: "المصدر",
    original: "افتح الأصل عند هذا المقطع",
    tab: "يُفتح في علامة تبويب جديدة",
    searching: "جارٍ البحث في المقالات …",
    understood: "فُهم على أنه:",
    within: "المقالات من هذه الفترة فقط:",
    partial: "لا تذكر المقالات:",
    none: "المقالات لا تذكر ذلك.",
    unsupported: "⚠ غير مؤيد بالمقالات",
    unchecked: "لم يُتحقق منه",
    closest: "أقرب المقالات:",
    stopped: "تم الإيقاف.",
    erased: "حُذف ما اقتبسته هذه الإجابة.",
    broken: "انقطع الاتصال قبل اكتمال الإجابة.",
    offline: "أنت غير متصل. ستستمر المحادثة عند عودة الاتصال.",
    lost: "انقطع الاتصال. تجري إعادة الاتصال …",
    signin: "سجّل الدخول إلى البوابة لطرح الأسئلة.",
    login: "سجّل الدخول لطرح الأسئلة.",
    enter: "تسجيل الدخول",
    unavailable: "المساعد غير متاح حاليًا.",
    busy: "هناك أسئلة كثيرة الآن. حاول بعد قليل.",
  },
};
const RIGHT_TO_LEFT = new Set(["ar"]);

// -- the looks ----------------------------------------------------------------------------

// A page's rules reach the host element only, and a shadow root's `!important` outranks a page's.
// Sizes are in px: `rem` is the page's, and nothing of the page is inherited past `all: initial`.
const CSS = `
:host {
  all: initial !important;
  display: block !important;
  color-scheme: light dark !important;
  --accent: var(--citewell-accent, light-dark(#3450c8, #a3b5ff));
  --on-accent: var(--citewell-on-accent, light-dark(#ffffff, #10142a));
  --paper: var(--citewell-paper, light-dark(#ffffff, #17191f));
  --ink: var(--citewell-ink, light-dark(#1d222c, #e9ebf0));
  --soft: light-dark(#596273, #a6aebc);
  --line: light-dark(#e2e5eb, #31353f);
  --shade: light-dark(#f4f5f8, #20232b);
  --tint: color-mix(in srgb, var(--accent) 11%, var(--paper));
  --mark: light-dark(#fdf0b5, #544a1c);
  --doubt: light-dark(#9f1239, #fda4af);
  --edge: var(--citewell-edge, 20px);
  --round: var(--citewell-radius, 16px);
}
:host([theme="light"]) { color-scheme: light !important; }
:host([theme="dark"]) { color-scheme: dark !important; }
:host([hidden]) { display: none !important; }
[hidden] { display: none !important; }
* { box-sizing: border-box; }
.root {
  color: var(--ink);
  font: 15px/1.55 var(--citewell-font, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif);
  -webkit-font-smoothing: antialiased;
  text-align: start;
}
p, blockquote, ul { margin: 0; padding: 0; }
button, textarea { font: inherit; color: inherit; margin: 0; }
button { cursor: pointer; background: none; border: 0; padding: 0; }
svg {
  display: block; flex: none; width: 20px; height: 20px; fill: none; stroke: currentColor;
  stroke-width: 1.75; stroke-linecap: round; stroke-linejoin: round;
}
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.unseen {
  position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap;
}

.launcher {
  position: fixed; inset-block-end: var(--edge); inset-inline-end: var(--edge);
  z-index: var(--citewell-z, 2147483000);
  display: flex; align-items: center; gap: 10px; max-width: calc(100vw - 2 * var(--edge));
  min-height: 48px; padding-inline: 16px 20px; border-radius: 24px;
  background: var(--accent); color: var(--on-accent); font-weight: 600;
  box-shadow: 0 1px 2px rgb(12 18 40 / 18%), 0 8px 24px rgb(12 18 40 / 20%);
  transition: transform 160ms ease;
}
.launcher:hover { transform: translateY(-1px); }
.launcher:focus-visible { outline-color: var(--ink); outline-offset: 3px; }
.launcher span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }

.panel {
  display: flex; flex-direction: column; overflow: hidden; position: relative;
  background: var(--paper); border: 1px solid var(--line); border-radius: var(--round);
}
.panel:focus { outline: none; }
.bubble .panel, .panel-mode .panel {
  position: fixed; z-index: var(--citewell-z, 2147483000); inset-inline-end: var(--edge);
  box-shadow: 0 2px 6px rgb(12 18 40 / 8%), 0 20px 56px rgb(12 18 40 / 22%);
  animation: rise 180ms cubic-bezier(0.2, 0.8, 0.2, 1);
}
.bubble .panel {
  inset-block-end: calc(var(--edge) + 60px); width: min(var(--citewell-width, 400px), 100vw - 40px);
  height: min(var(--citewell-height, 640px), 100vh - 2 * var(--edge) - 60px);
}
.panel-mode .panel {
  inset-block: 0; inset-inline-end: 0; width: min(var(--citewell-width, 440px), 100vw);
  border-width: 0; border-inline-start-width: 1px; border-radius: 0;
}
.inline .panel { height: var(--citewell-height, 600px); }
.side-start .launcher, .bubble.side-start .panel {
  inset-inline: var(--edge) auto;
}
.panel-mode.side-start .panel {
  inset-inline: 0 auto; border-inline-width: 0 1px;
}
.panel-mode .launcher[aria-expanded="true"] { visibility: hidden; }
.frame .panel { position: fixed; inset: 0; height: auto; border: 0; border-radius: 0; }
@keyframes rise { from { opacity: 0; transform: translateY(10px); } }

.header {
  display: flex; align-items: center; gap: 4px; padding-block: 10px; padding-inline: 18px 10px; flex: none;
  border-block-end: 1px solid var(--line);
}
.title {
  flex: 1; min-width: 0; font-size: 16px; font-weight: 650; letter-spacing: -0.01em;
  overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
}
.tool {
  display: inline-flex; align-items: center; justify-content: center; flex: none;
  width: 36px; height: 36px; border-radius: 10px; color: var(--soft);
}
.tool:hover { background: var(--shade); color: var(--ink); }

.messages {
  flex: 1; overflow-y: auto; overscroll-behavior: contain; padding: 20px 18px 12px;
  overflow-wrap: anywhere; scrollbar-width: thin;
}
.messages:focus-visible { outline-offset: -3px; }
.welcome { font-size: 19px; font-weight: 600; line-height: 1.35; letter-spacing: -0.01em; }
.starters { display: flex; flex-direction: column; align-items: flex-start; gap: 8px; }
.starters:not(:empty) { margin-block-start: 16px; }
.starter {
  padding: 8px 14px; border: 1px solid var(--line); border-radius: 14px; text-align: start;
  transition: border-color 120ms;
}
.starter:hover { border-color: var(--accent); background: var(--tint); }

.turn + .turn { margin-block-start: 28px; }
.question {
  width: fit-content; max-width: 85%; margin-inline-start: auto; padding: 9px 14px;
  background: var(--tint); border-radius: 16px; border-end-end-radius: 5px; white-space: pre-wrap;
}
.answer { margin-block-start: 16px; }
.answer > * + * { margin-block-start: 10px; }
mark { background: var(--mark); color: inherit; border-radius: 3px; padding: 1px 2px; }
.chip {
  display: inline-flex; align-items: center; justify-content: center; vertical-align: 1px;
  min-width: 24px; height: 24px; padding: 0 7px; margin-inline-start: 4px; border-radius: 12px;
  background: var(--tint); color: var(--accent); font-size: 12px; font-weight: 650; line-height: 1;
  font-variant-numeric: tabular-nums; transition: background 120ms, color 120ms;
}
.chip:hover, .chip[aria-expanded="true"] { background: var(--accent); color: var(--on-accent); }
.quote {
  padding: 12px 14px; background: var(--shade); border-radius: 12px; animation: rise 160ms ease;
  border-inline-start: 3px solid var(--accent); border-start-start-radius: 3px;
  border-end-start-radius: 3px;
}
.quote blockquote { font-size: 14px; white-space: pre-line; max-height: 200px; overflow-y: auto; }
.quote .head { margin-block-start: 10px; font-size: 13px; font-weight: 600; line-height: 1.4; }
.quote .date { color: var(--soft); font-size: 13px; }
a {
  padding-block: 4px; border-radius: 4px; color: var(--accent); font-weight: 600;
  text-decoration: none;
}
a:hover { text-decoration: underline; text-underline-offset: 3px; }
.act svg { width: 16px; height: 16px; }
a svg {
  display: inline-block; width: 14px; height: 14px; margin-inline-start: 5px; vertical-align: -2px;
}
.quote a { display: inline-block; margin-block-start: 4px; font-size: 13px; }
.tail { white-space: nowrap; }
.items { padding-inline-start: 20px; }
.doubt { color: var(--soft); font-size: 12px; }
.unsupported { padding-inline: 6px; border: 1px solid; border-radius: 4px; color: var(--doubt); }
.note { color: var(--soft); }
.closest { list-style: none; }
.closest li { line-height: 1.4; font-size: 14px; font-weight: 600; }
.closest li + li { margin-block-start: 10px; }
.closest .date { display: block; color: var(--soft); font-size: 13px; font-weight: 400; }
.acts { display: flex; gap: 2px; margin-inline-start: -7px; }
.act {
  display: inline-flex; align-items: center; justify-content: center;
  width: 30px; height: 30px; border-radius: 8px; color: var(--soft);
}
.act:hover { background: var(--shade); color: var(--ink); }
.act[aria-pressed="true"] { color: var(--accent); background: var(--tint); }
.flip { transform: rotate(180deg); }
.dots { display: flex; gap: 5px; padding-block: 9px; }
.dots i { width: 7px; height: 7px; border-radius: 50%; background: var(--soft); animation: breathe 1.2s infinite; }
.dots i:nth-child(2) { animation-delay: 160ms; }
.dots i:nth-child(3) { animation-delay: 320ms; }
@keyframes breathe { 0%, 70%, 100% { opacity: 0.25; } 35% { opacity: 1; } }

.notice {
  flex: none; display: flex; align-items: center; gap: 12px; margin: 0 14px 10px;
  padding: 10px 14px; border-radius: 12px; background: var(--shade); font-size: 14px;
}
.notice span { flex: 1; }
.notice button { min-height: 24px; color: var(--accent); font-weight: 600; }

.composer {
  flex: none; display: flex; align-items: flex-end; gap: 8px; margin: 0 14px 14px;
  padding-block: 5px; padding-inline: 16px 5px; border: 1px solid light-dark(#878f9d, #6d7585);
  border-radius: 24px;
}
.composer:focus-within { border-color: var(--accent); box-shadow: 0 0 0 1px var(--accent); }
textarea {
  flex: 1; min-width: 0; height: 36px; max-height: 132px; padding: 6px 0; resize: none; border: 0;
  background: none; font-size: 16px; line-height: 24px; scrollbar-width: thin;
}
textarea:focus-visible { outline: none; }
textarea::placeholder { color: var(--soft); opacity: 1; }
.send {
  display: flex; align-items: center; justify-content: center; flex: none;
  width: 36px; height: 36px; border-radius: 50%; background: var(--accent); color: var(--on-accent);
}

@media (max-width: 640px), (max-height: 420px) {
  .bubble .panel, .panel-mode .panel {
    inset: var(--top, 0px) 0 auto; width: auto; height: var(--high, 100dvh); border: 0;
    border-radius: 0;
  }
  .launcher[aria-expanded="true"] { visibility: hidden; }
  .tool { width: 44px; height: 44px; }
}
@media (prefers-reduced-motion: reduce) {
  * { animation: none !important; transition: none !important; }
}
@media (forced-colors: active) {
  .launcher, .send, .chip, .question, .notice { border: 1px solid; }
}
@media print { .launcher { display: none; } }
`;

const ICONS = {
  chat: "M20 11.5a7.5 7.5 0 0 1-7.5 7.5H4l1.9-2.7A7.5 7.5 0 1 1 20 11.5zM9 10h7M9 13.5h4",
  close: "M6 6l12 12M18 6L6 18",
  fold: "M6 9.5l6 6 6-6",
  fresh: "M12 5v14M5 12h14",
  send: "M12 19V5M5.5 11.5L12 5l6.5 6.5",
  stop: "M8 8h8v8H8z",
  copy: "M9 9h11v11H9zM15 5.5V4H4v11h1.5",
  copied: "M5 12.5l4.5 4.5L19 7.5",
  thumb:
    "M7 11v9H4v-9zM7 11l4-7.5a2.3 2.3 0 0 1 2.3 2.3V9.5h5a2 2 0 0 1 2 2.3l-1.1 6.5a2 2 0 0 1-2 1.7H7",
  retry: "M19.5 12a7.5 7.5 0 1 1-2.2-5.3L19.5 9M19.5 4.5V9H15",
  out: "M14 5h5v5M19 5l-8.5 8.5M11 6H6a1 1 0 0 0-1 1v11a1 1 0 0 0 1 1h11a1 1 0 0 0 1-1v-5",
};

let sheet; // one for all elements, made for the first

function looks() {
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(CSS);
  }
  return sheet;
}

// -- small helpers ------------------------------------------------------------------------

function make(tag, part, text, attributes = {}) {
  const node = document.createElement(tag);
  if (part) {
    node.className = part;
    node.part = part;
  }
  if (text) node.textContent = text;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

function icon(name) {
  const drawn = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  drawn.setAttribute("viewBox", "0 0 24 24");
  drawn.setAttribute("aria-hidden", "true");
  path.setAttribute("d", ICONS[name]);
  drawn.append(path);
  return drawn;
}

function iconButton(part, name, label, onClick) {
  const button = make("button", part, "", { type: "button", "aria-label": label, title: label });
  button.append(icon(name));
  button.addEventListener("click", onClick);
  return button;
}

function choices(questions, ask) {
  const list = make("div", "starters");
  for (const question of questions) {
    const starter = make("button", "starter", question, { type: "button", dir: "auto" });
    starter.addEventListener("click", (event) => event.isTrusted && ask(question));
    list.append(starter);
  }
  return list;
}

/** Return an absolute http(s) address, or null for whatever else a document may claim. */
function webAddress(text) {
  try {
    const url = new URL(text);
    return /^https?:$/.test(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/** Resolve after some milliseconds; reject as soon as `signal` is aborted. */
function pause(milliseconds, signal, wakes) {
  return new Promise((resolve, reject) => {
    const done = (settle) => () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
      if (wakes) removeEventListener(wakes, wake);
      settle();
    };
    const wake = done(resolve);
    const stop = done(() => reject(signal.reason));
    const timer = milliseconds === Infinity ? 0 : setTimeout(wake, milliseconds);
    if (wakes) addEventListener(wakes, wake);
    signal?.addEventListener("abort", stop);
  });
}

const shown = (date, language) =>
  date
    ? new Intl.DateTimeFormat(language, { dateStyle: "long", timeZone: "UTC" }).format(
        new Date(date),
      )
    : "";

/** Write the days from `first` to `last`, whole years and months as such; "" is an open end. */
const period = (first, last, language) => {
  if (!first || !last) return `${shown(first, language)} – ${shown(last, language)}`;
  const next = new Date(Date.parse(last) + 864e5).toISOString();
  const [year, month] = ["-01-01", "-01"].map((end) => first.endsWith(end) && next.includes(`${end}T`));
  const form = month ? { year: "numeric", ...(!year && { month: "long" }) } : { dateStyle: "long" };
  const days = new Intl.DateTimeFormat(language, { ...form, timeZone: "UTC" });
  return days.formatRange(new Date(first), new Date(last));
};

/** What went wrong: a code for the console and `citewell:error`, and what an admin does about it. */
export class Failure extends Error {
  constructor(code, message, status = 0) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

// -- what is kept -------------------------------------------------------------------------

/** The open state, the user and the conversation's id; never a token, a question or an answer. */
class Memory {
  #key;
  #held = {};

  constructor(key) {
    this.#key = `citewell:${key}`;
  }

  read() {
    try {
      return JSON.parse(sessionStorage.getItem(this.#key)) || {};
    } catch {
      return this.#held; // storage is blocked: it is kept while the element lives
    }
  }

  write(changes) {
    this.#held = { ...this.read(), ...changes };
    try {
      sessionStorage.setItem(this.#key, JSON.stringify(this.#held));
    } catch {
      // as above
    }
  }

  clear() {
    this.#held = {};
    try {
      sessionStorage.removeItem(this.#key);
    } catch {
      // as above
    }
  }
}

// -- the session --------------------------------------------------------------------------

const PROBLEM = "urn:citewell:problem:";
const CODES = {
  "portal-unknown": "portal",
  "portal-private": "portal",
  "token-invalid": "token",
  "token-long": "token",
  "token-used": "token",
  "token-audience": "token",
  "token-expired": "clock",
  "token-clock": "clock",
  "token-origin": "origin",
  "session-ended": "session",
};
const BY_STATUS = { 401: "token", 403: "origin", 404: "missing", 429: "busy", 503: "busy" };

/** Return the failure that a reply tells of (RFC 9457). */
async function refusal(reply) {
  const told = await reply.json().catch(() => ({}));
  const kind = String(told.type).replace(PROBLEM, "");
  const code = CODES[kind] || BY_STATUS[reply.status] || "service";
  return new Failure(code, told.detail || `The service replied ${reply.status}.`, reply.status);
}

/** Fetch from the service; where nothing comes back, find out why. */
async function reach(path, options, isKnown) {
  const address = BASE + path;
  const watch = new AbortController();
  let isBlocked = false;
  document.addEventListener(
    "securitypolicyviolation",
    (event) => (isBlocked ||= event.blockedURI.startsWith(new URL(BASE).origin)),
    { signal: watch.signal },
  );
  try {
    return await fetch(address, { credentials: "omit", cache: "no-store", ...options });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    await pause(50, options.signal); // the violation is told a moment later
    const { origin } = location;
    if (isBlocked) {
      throw new Failure(
        "csp",
        `The page's policy forbids ${address}. Add to it: connect-src ${new URL(BASE).origin}`,
      );
    }
    // A foreign origin is refused without a word; the module itself may be read from anywhere.
    const isThere =
      !isKnown &&
      (await fetch(HERE, { cache: "no-store", signal: options.signal }).then(
        (reply) => reply.ok,
        () => false,
      ));
    throw isThere
      ? new Failure(
          "origin",
          `The service refuses pages of ${origin}. Add it to the portal's origins: citewell portals list`,
        )
      : new Failure("unreachable", `${BASE} cannot be reached from ${origin}: ${error.message}`);
  } finally {
    watch.abort();
  }
}

/** A portal user's session with the service; its token is held here and nowhere else. */
class Session {
  user = null;
  portal = {};
  #name;
  #extra;
  #source;
  #signal;
  #onChange;
  #token = "";
  #begun = 0;
  #ends = 0;
  #pending = null;
  #timer = 0;

  /**
   * @param name The portal's name.
   * @param source Returns a token of the portal's backend; null in a public portal.
   * @param extra Further fields of the request for a session.
   * @param signal Ends it all.
   * @param onChange Is called when the portal names another user than before.
   */
  constructor(name, source, extra, signal, onChange) {
    this.#name = name;
    this.#source = source;
    this.#extra = extra;
    this.#signal = signal;
    this.#onChange = onChange;
    signal.addEventListener("abort", () => this.#drop());
  }

  /** See that there is a session that lasts a while, begun no longer ago than `age`. */
  begin(age = Infinity) {
    const now = Date.now();
    // Nobody's identity can have changed, or a login's end ends the session.
    if (!this.#source || this.#source.lasts) age = Infinity;
    if (this.#token && now < this.#ends - EARLY && now - this.#begun <= age)
      return Promise.resolve();
    this.#pending ||= this.#exchange().finally(() => (this.#pending = null));
    return this.#pending;
  }

  async call(path, options = {}) {
    await this.begin();
    let reply = await this.#fetch(path, options);
    if (reply.status === 401) {
      this.#token = "";
      await this.begin();
      reply = await this.#fetch(path, options);
    }
    if (!reply.ok) throw await refusal(reply);
    return reply;
  }

  async end() {
    const token = this.#token;
    this.#drop();
    if (!token) return;
    const options = {
      method: "DELETE",
      headers: { authorization: `Bearer ${token}` },
      keepalive: true,
    };
    await reach("/api/v1/sessions", options, true).catch(() => {}); // it ends by itself soon
  }

  #drop() {
    clearTimeout(this.#timer);
    this.#token = "";
  }

  #fetch(path, { body, headers, ...options }) {
    return reach(
      `/api/v1/${path}`,
      {
        signal: this.#signal,
        method: body ? "POST" : "GET",
        body: body && JSON.stringify(body),
        ...options,
        headers: {
          ...(body && { "content-type": "application/json" }),
          ...headers,
          authorization: `Bearer ${this.#token}`,
        },
      },
      true,
    );
  }

  async #exchange() {
    const given = await this.#source?.(this.#signal);
    const told = given?.session || (await this.#request(given));
    this.#signal.throwIfAborted();
    if (told.portal && told.portal.name !== this.#name) {
      const message = `The token is for the portal "${told.portal.name}", the element names "${this.#name}".`;
      throw new Failure("portal", message);
    }
    const isOther = this.#begun && told.user !== this.user && this.#source;
    this.#token = told.access_token;
    this.#begun = Date.now();
    this.#ends = this.#begun + told.expires_in * 1000;
    this.user = told.user ?? null;
    this.portal = told.portal || {};
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#renew(), Math.max(0, told.expires_in * 1000 - EARLY));
    if (isOther) {
      this.#onChange();
      throw new Failure("changed", "The portal names another user now.");
    }
  }

  /** Exchange a token for a session; a public portal's name is enough. */
  async #request(token) {
    const asked = token ? { token } : { portal: this.#name };
    const options = {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ ...asked, ...this.#extra }),
      signal: this.#signal,
    };
    const reply = await reach("/api/v1/sessions", options, Boolean(this.#begun));
    if (!reply.ok) throw await refusal(reply);
    return reply.json();
  }

  /** Renew the session of a page that is looked at; others renew theirs when they need it. */
  #renew() {
    this.#token = "";
    if (!document.hidden) this.begin().catch(() => {}); // whoever needs it next is told
  }
}

function tokenSource(address) {
  const url = new URL(address, document.baseURI);
  return async (signal) => {
    const wrong = (what) => new Failure("token-url", `${url.pathname} ${what}`);
    if (url.origin !== location.origin)
      throw wrong(`is at ${url.origin}; it has to be at ${location.origin}.`);
    const options = {
      method: "POST",
      headers: { accept: "application/json" },
      credentials: "same-origin",
    };
    let reply;
    try {
      reply = await fetch(url, { ...options, cache: "no-store", redirect: "manual", signal });
    } catch (error) {
      if (signal.aborted) throw error;
      throw wrong(`cannot be reached: ${error.message}`);
    }
    if (reply.type === "opaqueredirect" || reply.status === 401) {
      throw new Failure(
        "token-url",
        `${url.pathname} gives no token: nobody is logged in to the portal.`,
        401,
      );
    }
    const { token } = await reply.json().catch(() => ({}));
    if (!reply.ok || typeof token !== "string")
      throw wrong(`replied ${reply.status} without {"token": "…"}.`);
    return token;
  };
}

// -- the stream of an answer --------------------------------------------------------------

/** Yield {id, name, data} of each event (HTML standard, section 9.2). */
async function* events(body, onWord) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let event = { name: "message", lines: [] };
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      onWord();
      const lines = (rest + value).split(/\r?\n/);
      rest = lines.pop();
      for (const line of lines) {
        const [, field, told] = /^([^:]*):? ?(.*)$/.exec(line) || [];
        if (!line) {
          if (event.lines.length) yield { ...event, data: JSON.parse(event.lines.join("\n")) };
          event = { name: "message", lines: [], id: event.id };
        } else if (field === "data") event.lines.push(told);
        else if (field === "event") event.name = told;
        else if (field === "id") event.id = told;
      }
    }
  } finally {
    reader.cancel().catch(() => {}); // also where nobody listens to the end
  }
}

/** Yield the events of an answer to the end; a connection that is lost is made again. */
async function* listen(session, asked, signal, onLost) {
  const headers = { accept: "text/event-stream" };
  let answer = "";
  let seen = "-1";
  for (let tries = 0; ; tries++) {
    const attempt = new AbortController();
    const stop = () => attempt.abort(signal.reason);
    const still = () => attempt.abort(new Failure("unreachable", "The stream fell silent."));
    let timer = setTimeout(still, SILENCE);
    signal.addEventListener("abort", stop);
    try {
      signal.throwIfAborted();
      const reply = answer
        ? await session.call(`answers/${answer}/events`, {
            headers: { ...headers, "last-event-id": seen },
            signal: attempt.signal,
          })
        : await session.call("answers", { body: asked, headers, signal: attempt.signal });
      const onWord = () => {
        clearTimeout(timer);
        timer = setTimeout(still, SILENCE);
      };
      for await (const event of events(reply.body, onWord)) {
        if (event.name === "start") answer = event.data.answer_id;
        seen = event.id;
        tries = 0;
        yield event;
        if (event.name === "done" || event.name === "error") return;
      }
    } catch (error) {
      if (signal.aborted) throw error;
      // An answer that nobody listened to for a while is given up, and is not there any more.
      if (error.code === "missing" && answer) throw new Failure("interrupted", error.message);
      if (error instanceof Failure && (error.code !== "unreachable" || !answer)) throw error;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      attempt.abort();
    }
    if (!answer || tries >= TRIES)
      throw new Failure("interrupted", "The answer's stream was lost.");
    onLost();
    await pause(navigator.onLine ? 250 * 2 ** tries : Infinity, signal, "online");
  }
}

// -- one turn of the conversation ---------------------------------------------------------

let quotes = 0; // ids of opened quotes

class Turn {
  node = make("div", "turn");
  answerId = "";
  #words;
  #language;
  #on;
  #answer = make("div", "answer");
  #told = ""; // the sentences as they are copied
  #block = null; // the paragraph or item that goes on
  #offered = null; // questions to go on with
  #part = ""; // of the question that is being answered
  #sources = new Map();
  #dots = make("div", "dots", "", { "aria-hidden": "true" });
  #opened = null;

  /**
   * @param on What the reader does: cite(citation), retry(turn), rate(turn, verdict), say(text).
   */
  constructor(question, words, language, on) {
    this.question = question;
    this.#words = words;
    this.#language = language;
    this.#on = on;
    this.#dots.append(make("i"), make("i"), make("i"));
    this.#answer.append(this.#dots);
    this.node.append(make("p", "question", question, { dir: "auto" }), this.#answer);
  }

  sentence({ text, span, citations, support, reason, part = "", begins = "" }) {
    if (part !== this.#part) this.note((this.#part = part));
    const block = this.#begin(begins);
    const line = block ? make("span", "sentence") : make("p", "sentence", "", { dir: "auto" });
    const doubt = this.#words[support]; // no other verdict has a word
    const letters = Array.from(text); // offsets count code points
    const [from, to] = span || [0, 0];
    line.append(letters.slice(0, from).join(""));
    if (from < to) line.append(make("mark", "", letters.slice(from, to).join("")));
    const [, rest, last] = /^(.*?)(\S{0,30})$/s.exec(letters.slice(to).join(""));
    const tail = make("span", "tail", last); // a chip never stands alone on a line
    for (const citation of citations) {
      this.#sources.set(citation.number, citation);
      tail.append(this.#chip(citation, block || line));
    }
    line.append(rest, tail);
    if (doubt) {
      const warning = make("strong", "doubt", doubt, { title: reason });
      warning.classList.add(support);
      line.append(" ", warning);
    }
    const warned = doubt ? ` (${doubt})` : "";
    this.#told += { paragraph: "\n\n", item: "\n- " }[begins] || " ";
    this.#told += text + citations.map(({ number }) => ` [${number}]`).join("") + warned;
    if (block) block.append(line, " ");
    else this.#add(line);
    return text + warned;
  }

  /** Return the paragraph or item that a sentence is in; null where it stands alone. */
  #begin(begins) {
    if (!begins) return this.#block;
    let list = this.#block?.closest("ul");
    if (begins === "item") {
      if (!list) this.#add((list = make("ul", "items")));
      list.append((this.#block = make("li", "item")));
    } else this.#add((this.#block = make("p", "paragraph")));
    this.#block.dir = "auto";
    return this.#block;
  }

  /** Offer questions to go on with; none takes them back. */
  offer(questions, ask) {
    this.#offered?.remove();
    if (questions.length) this.node.append((this.#offered = choices(questions, ask)));
  }

  note(text) {
    this.#block = null;
    this.#add(make("p", "note", text, { dir: "auto" }));
  }

  understood({ question, question_used: used, filters }) {
    const { published_from: first, published_to: last } = filters;
    if (used !== question) this.note(`${this.#words.understood} ${used}`);
    if (first || last) this.note(`${this.#words.within} ${period(first, last, this.#language)}`);
  }

  /** Show an answer whole, as the service has kept it; null where it was erased. */
  restore(answer) {
    if (!answer) {
      this.note(this.#words.erased);
      this.end();
      return;
    }
    const cited = new Map(answer.citations.map((each) => [each.number, each]));
    this.answerId = answer.id;
    this.understood(answer);
    for (const each of answer.sentences) {
      this.sentence({
        ...each,
        citations: each.citations.map((number) => cited.get(number)).filter(Boolean),
      });
    }
    this.finish(answer);
  }

  finish({ outcome, closest, unanswered = [] }) {
    const words = this.#words;
    if (unanswered.length) {
      const lacking = `${words.partial} ${unanswered.join(" · ")}`;
      this.note(lacking);
      this.#told += ` ${lacking}`;
    }
    if (outcome === "not_found") {
      this.#add(make("p", "sentence", words.none));
      this.#told += ` ${words.none}`;
      if (closest.length) {
        this.note(words.closest);
        this.#add(this.#list(closest));
      }
    }
    const copy = iconButton("act", "copy", words.copy, () => this.#copy(copy));
    const [up, down] = ["helpful", "unhelpful"].map((verdict, index) => {
      const button = iconButton("act", "thumb", index ? words.down : words.up, () => {
        up.ariaPressed = String(button === up);
        down.ariaPressed = String(button === down);
        this.#on.rate(this, verdict);
      });
      button.ariaPressed = "false";
      return button;
    });
    down.firstChild.classList.add("flip");
    this.end(copy, up, down);
  }

  end(...acts) {
    const row = make("div", "acts");
    const retry = iconButton(
      "act",
      "retry",
      this.#words.retry,
      (event) => event.isTrusted && this.#on.retry(this),
    );
    row.append(...acts, retry);
    this.#add(row);
    this.#dots.remove();
  }

  /** Close the quote that is open, if one is, and return to its button; tell whether one was. */
  closeQuote() {
    const opened = this.#opened;
    if (!opened) return false;
    opened.card.remove();
    opened.chip.ariaExpanded = "false";
    opened.chip.removeAttribute("aria-controls");
    this.#opened = null;
    if (!opened.chip.getRootNode().activeElement) opened.chip.focus();
    return true;
  }

  #add(node) {
    if (this.#dots.isConnected || this.#dots.parentNode) this.#dots.before(node);
    else this.#answer.append(node);
  }

  #chip(citation, place) {
    const label = `${this.#words.source} ${citation.number}: ${citation.title}`;
    const chip = make("button", "chip", String(citation.number), {
      type: "button",
      "aria-label": label,
      title: citation.title,
    });
    chip.part = "citation";
    chip.ariaExpanded = "false";
    chip.addEventListener("click", () => {
      const isOpen = this.#opened?.chip === chip;
      this.closeQuote();
      if (isOpen) return;
      const card = this.#quote(citation);
      chip.ariaExpanded = "true";
      chip.setAttribute("aria-controls", card.id);
      this.#opened = { chip, card };
      if (place.localName === "li") place.append(card);
      else place.after(card);
      card.scrollIntoView({ block: "nearest" });
      this.#on.cite(this, citation);
    });
    return chip;
  }

  #quote({ quote, title, published, url }) {
    const card = make("div", "quote", "", { id: `quote-${++quotes}` });
    card.append(
      make("blockquote", "", quote, { dir: "auto" }),
      make("p", "head", title, { dir: "auto" }),
    );
    if (published) card.append(make("p", "date", shown(published, this.#language)));
    const link = this.#link(url, this.#words.original);
    if (link) card.append(link);
    return card;
  }

  #link(address, text) {
    const href = webAddress(address);
    if (!href) return null;
    const link = make("a", "link", text, {
      href,
      target: "_blank",
      rel: "noopener noreferrer",
      dir: "auto",
    });
    link.append(icon("out"), make("span", "unseen", `(${this.#words.tab})`));
    return link;
  }

  #list(articles) {
    const list = make("ul", "closest", "", { role: "list" });
    for (const { title, url, published } of articles) {
      const item = make("li");
      item.append(this.#link(url, title) || make("span", "", title, { dir: "auto" }));
      if (published) item.append(" ", make("span", "date", shown(published, this.#language)));
      list.append(item);
    }
    return list;
  }

  async #copy(button) {
    const sources = [...this.#sources.values()].map(
      ({ number, title, published, url }) =>
        `[${number}] ${[title, published, webAddress(url)].filter(Boolean).join(", ")}`,
    );
    const text = [this.#told.trim(), sources.join("\n")].filter(Boolean).join("\n\n");
    try {
      await navigator.clipboard.writeText(text);
      button.replaceChildren(icon("copied"));
      this.#on.say(this.#words.copied);
    } catch {
      this.#on.say(this.#words.uncopied, true);
    }
  }
}

// -- the element --------------------------------------------------------------------------

/**
 * Has an element take its tokens from elsewhere than its token-url; for the page in a frame.
 *
 * @param element A <citewell-chat>.
 * @param source Returns a promise of a token, or of {session}, which the service has begun; null in a
 *   public portal. One that `lasts` is not asked again before its session has ended.
 */
export let supplyTokens;

export class CitewellChat extends HTMLElement {
  static observedAttributes = ["portal", "token-url", "mode", "label", "lang", "side", "frame"];
  static base = BASE;
  static {
    supplyTokens = (element, source) => {
      element.#supplied = { source };
      element.#reset();
    };
  }

  #root = this.attachShadow({ mode: "open" });
  #supplied = null;
  #life = null; // ends listeners, timers and requests when the element leaves the page
  #isChanged = false;
  #draft = "";

  // All of these are of one life.
  #words;
  #language;
  #session;
  #memory;
  #nodes;
  #turns;
  #conversation;
  #asking; // ends the answer that is being streamed
  #opener;
  #isOpen;
  #shown; // ends what is needed while it is open
  #selection;

  connectedCallback() {
    if (!this.#life) this.#begin();
  }

  disconnectedCallback() {
    // A node that is only moved comes back at once, and keeps what it has.
    queueMicrotask(() => !this.isConnected && this.#end());
  }

  connectedMoveCallback() {}

  attributeChangedCallback(name, before, after) {
    if (before !== after) this.#reset();
  }

  // -- what a page may call --------------------------------------------------------------

  open() {
    this.#show(true);
  }

  close() {
    if (!this.#isOpen || this.#isInline) return;
    const { panel, launcher } = this.#nodes;
    const hadFocus = Boolean(this.#root.activeElement);
    this.#isOpen = false;
    this.#shown.abort();
    panel.hidden = true;
    this.#mark();
    this.#memory.write({ open: false });
    if (hadFocus) (this.#opener?.isConnected ? this.#opener : launcher).focus();
    this.#emit("close");
  }

  toggle() {
    if (this.#isOpen) this.close();
    else this.open();
  }

  prefill(text) {
    this.#draft = String(text).slice(0, LONGEST_QUESTION);
    if (this.#nodes?.input) {
      this.#nodes.input.value = this.#draft;
      this.#fit();
    }
  }

  /** End the session and forget all that was shown; for when the user logs out of the portal. */
  async logout() {
    const session = this.#session;
    if (!session) return;
    this.#draft = "";
    this.#forget();
    this.close();
    this.#memory.clear();
    await session.end();
  }

  // -- its life --------------------------------------------------------------------------

  #begin() {
    const life = new AbortController();
    const { signal } = life;
    const asked = (
      this.getAttribute("lang") ||
      this.closest("[lang]")?.lang ||
      document.documentElement.lang ||
      navigator.language
    ).toLowerCase();
    const short = asked.split("-")[0];
    this.#life = life;
    this.#language = short in WORDS ? asked : "en";
    this.#words = WORDS[short] || WORDS.en;
    this.#turns = [];
    this.#conversation = null;
    this.#isOpen = false;
    this.#selection = "";
    const portal = this.getAttribute("portal") || "";
    const url = this.getAttribute("token-url");
    const source = this.#supplied ? this.#supplied.source : url === null ? null : tokenSource(url);
    const extra = this.#isFrame ? { frame: true } : {};
    this.#session = new Session(portal, source, extra, signal, () => this.#forget());
    this.#memory = new Memory(`${portal}:${this.id}`);
    this.#root.adoptedStyleSheets = [looks()];
    this.#frame();
    document.addEventListener("selectionchange", () => this.#select(), { signal });
    if (this.#isFrame && !this.#supplied) return; // its script has yet to say where tokens are
    if (this.#isInline) this.#openInView(signal);
    else if (this.#memory.read().open) this.#show(false);
  }

  #end() {
    this.#life?.abort();
    this.#shown?.abort();
    this.#asking?.abort();
    this.#life = this.#shown = this.#asking = this.#session = this.#nodes = this.#opener = null;
    this.#isOpen = false;
    this.#turns = [];
    this.#root.replaceChildren();
    this.#root.adoptedStyleSheets = [];
  }

  #reset() {
    if (!this.#life || this.#isChanged) return;
    this.#isChanged = true;
    queueMicrotask(() => {
      this.#isChanged = false;
      if (!this.isConnected) return;
      const wasOpen = this.#isOpen && !this.#isInline;
      this.#end();
      this.#begin();
      if (wasOpen) this.#show(false);
    });
  }

  #openInView(signal) {
    const watch = new IntersectionObserver((seen) => {
      if (!seen.some((each) => each.isIntersecting)) return;
      watch.disconnect();
      this.#show(false);
    });
    watch.observe(this.#nodes.panel);
    signal.addEventListener("abort", () => watch.disconnect());
  }

  get #isInline() {
    return this.getAttribute("mode") === "inline" || this.#isFrame;
  }

  /** Whether it is all that a page of the service's own shows, in a frame. */
  get #isFrame() {
    return this.hasAttribute("frame");
  }

  get #label() {
    return this.getAttribute("label") || this.#words.label;
  }

  #emit(name, detail = {}) {
    this.dispatchEvent(
      new CustomEvent(`citewell:${name}`, { bubbles: true, composed: true, detail }),
    );
  }

  // -- what it is made of ----------------------------------------------------------------

  #frame() {
    const isRight = RIGHT_TO_LEFT.has(this.#language.split("-")[0]);
    const mode = this.#isInline
      ? "inline"
      : this.getAttribute("mode") === "panel"
        ? "panel-mode"
        : "bubble";
    const root = make("div", "", "", {
      lang: this.#language,
      dir: isRight ? "rtl" : "ltr",
      role: "region",
      "aria-label": this.#label,
    });
    root.className = `root ${mode} side-${this.getAttribute("side") === "start" ? "start" : "end"}${this.#isFrame ? " frame" : ""}`;
    this.#nodes = { root };
    if (!this.#isInline) {
      const launcher = make("button", "launcher", "", {
        type: "button",
        "aria-haspopup": "dialog",
      });
      launcher.append(icon("chat"), make("span", "", this.#label));
      launcher.addEventListener("click", () => this.toggle());
      this.#nodes.launcher = launcher;
      root.append(launcher);
      this.#mark();
    } else this.#build();
    this.#root.replaceChildren(root);
  }

  #build() {
    const words = this.#words;
    const { root } = this.#nodes;
    const panel = make(
      "div",
      "panel",
      "",
      this.#isInline
        ? {}
        : { role: "dialog", "aria-label": this.#label, id: "panel", tabindex: "-1" },
    );
    const header = make("div", "header");
    header.append(
      make("div", "title", this.#label, { dir: "auto" }),
      iconButton("tool", "fresh", words.fresh, () => this.#startOver()),
    );
    if (!this.#isInline)
      header.append(iconButton("tool", "close", words.close, () => this.close()));
    const messages = make("div", "messages", "", {
      role: "log",
      "aria-live": "off",
      "aria-label": words.conversation,
      tabindex: "0",
    });
    const live = make("div", "unseen", "", { "aria-live": "polite" });
    const notice = make("div", "notice", "", { role: "status" });
    const composer = make("div", "composer");
    const input = make("textarea", "input", "", {
      rows: "1",
      maxlength: LONGEST_QUESTION,
      placeholder: words.question,
      "aria-label": words.question,
      dir: "auto",
    });
    const send = iconButton(
      "send",
      "send",
      words.send,
      (event) => event.isTrusted && this.#press(),
    );
    input.value = this.#draft;
    input.addEventListener("input", () => this.#fit());
    input.addEventListener("keydown", (event) => {
      // Another page's script may type and press, but its events are not trusted.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      if (event.isTrusted && !this.#asking) this.#press();
    });
    panel.addEventListener("keydown", (event) => this.#escape(event));
    notice.hidden = true;
    composer.append(input, send);
    panel.append(header, messages, live, notice, composer);
    root.append(panel);
    Object.assign(this.#nodes, { panel, messages, live, notice, input, send });
    this.#greet();
  }

  #mark() {
    const { launcher } = this.#nodes;
    if (!launcher) return;
    launcher.ariaExpanded = String(this.#isOpen);
    if (this.#isOpen) launcher.setAttribute("aria-controls", "panel");
    else launcher.removeAttribute("aria-controls");
    launcher.replaceChild(icon(this.#isOpen ? "fold" : "chat"), launcher.firstChild);
  }

  #greet() {
    if (this.#turns.length) return;
    const { welcome, starters = [] } = this.#session.portal;
    this.#nodes.messages.replaceChildren(
      make("p", "welcome", welcome || this.#words.welcome, { dir: "auto" }),
      choices(starters, (question) => this.#ask(question)),
    );
  }

  // -- opening ---------------------------------------------------------------------------

  #show(takesFocus) {
    if (this.#isOpen || !this.#life) return;
    const shown = new AbortController();
    const { signal } = shown;
    if (!this.#nodes.panel) this.#build();
    const { panel, input } = this.#nodes;
    this.#isOpen = true;
    this.#shown = shown;
    if (!this.#isInline) {
      this.#opener = focused();
      panel.hidden = false;
      this.#mark();
      this.#memory.write({ open: true });
    }
    addEventListener("online", () => this.#start(), { signal });
    addEventListener("offline", () => this.#say(this.#words.offline, true), { signal });
    for (const name of ["resize", "scroll"]) {
      visualViewport?.addEventListener(name, () => this.#fitScreen(), { signal });
    }
    this.#fitScreen();
    this.#fit();
    if (takesFocus) input.focus({ preventScroll: true });
    this.#emit("open");
    this.#start();
  }

  #fitScreen() {
    const { style } = this.#nodes.panel;
    style.setProperty("--top", `${visualViewport?.offsetTop ?? 0}px`);
    style.setProperty("--high", visualViewport ? `${visualViewport.height}px` : "100dvh");
  }

  async #start() {
    const { signal } = this.#life;
    const { messages } = this.#nodes;
    if (!navigator.onLine) return this.#say(this.#words.offline, true);
    // What an earlier user asked is not to be seen while it is not known who is there.
    if (this.#turns.length && !this.#asking) messages.style.visibility = "hidden";
    try {
      await this.#session.begin(STALE);
      await this.#recall(signal);
      if (signal.aborted) return;
      this.#hush();
      this.#greet();
    } catch (error) {
      if (signal.aborted) return;
      if (error.code === "changed") return this.#start();
      this.#fail(error);
      return;
    }
    messages.style.visibility = "";
  }

  async #recall(signal) {
    const { user, conversation } = this.#memory.read();
    if (user !== this.#session.user)
      this.#memory.write({ user: this.#session.user, conversation: null });
    else if (conversation && !this.#turns.length && !this.#conversation) {
      try {
        const reply = await this.#session.call(
          `conversations/${encodeURIComponent(conversation)}`,
          { signal },
        );
        const { answers } = await reply.json();
        if (signal.aborted || this.#turns.length) return;
        this.#conversation = conversation;
        for (const each of answers) this.#turn(each.question).restore(each.answer);
      } catch (error) {
        if (error.code !== "missing") throw error;
        this.#memory.write({ conversation: null });
      }
    }
  }

  #forget() {
    this.#asking?.abort();
    this.#asking = null;
    this.#turns = [];
    this.#conversation = null;
    this.#selection = "";
    this.#draft = "";
    if (!this.#nodes?.panel) return;
    this.#nodes.input.value = "";
    this.#nodes.live.replaceChildren();
    this.#hush();
    this.#sending(false);
    this.#greet();
  }

  #startOver() {
    this.#forget();
    this.#memory.write({ conversation: null });
    this.#nodes.input.focus();
  }

  #escape(event) {
    if (event.key !== "Escape" || event.isComposing) return;
    if (this.#turns.some((turn) => turn.closeQuote())) event.stopPropagation();
    else if (!this.#isInline) {
      event.stopPropagation();
      this.close();
    }
  }

  // -- asking ----------------------------------------------------------------------------

  #press() {
    if (this.#asking) this.#asking.abort();
    else this.#ask(this.#nodes.input.value);
  }

  async #ask(written, earlier) {
    const question = written.trim();
    if (!question || this.#asking) return;
    if (!navigator.onLine) return this.#say(this.#words.offline, true);
    const { input, live, messages } = this.#nodes;
    const asking = (this.#asking = new AbortController());
    const { signal } = asking;
    const context = this.#context();
    if (earlier) {
      earlier.node.remove();
      this.#turns = this.#turns.filter((each) => each !== earlier);
    } else input.value = this.#draft = "";
    this.#fit();
    this.#sending(true);
    this.#hush();
    live.replaceChildren();
    const turn = this.#turn(question);
    this.#tell(this.#words.searching);
    this.#scroll();
    try {
      await this.#session.begin();
      messages.style.visibility = "";
      const asked = { question, ...(context && { context }) };
      const known = this.#conversation;
      try {
        await this.#hear(turn, asked, signal);
      } catch (error) {
        if (error.code !== "missing" || !known) throw error;
        this.#conversation = null; // it was deleted, or was a stranger's whose session has ended
        await this.#hear(turn, asked, signal);
      }
    } catch (error) {
      if (!this.#life || this.#asking !== asking) return; // gone, or another user's turn
      if (signal.aborted) turn.note(this.#words.stopped);
      else this.#fail(error, turn);
      turn.end();
    } finally {
      if (this.#asking === asking) {
        this.#asking = null;
        this.#sending(false);
      }
    }
  }

  async #conversationOf(question, signal) {
    if (this.#conversation) return this.#conversation;
    const reply = await this.#session.call("conversations", {
      body: { title: question.slice(0, 100) },
      signal,
    });
    this.#conversation = (await reply.json()).id;
    const { user } = this.#session;
    if (user) this.#memory.write({ user, conversation: this.#conversation }); // strangers' ends
    return this.#conversation;
  }

  async #hear(turn, asked, signal) {
    const onLost = () => this.#say(navigator.onLine ? this.#words.lost : this.#words.offline, true);
    const whole = { ...asked, conversation_id: await this.#conversationOf(asked.question, signal) };
    for await (const { name, data } of listen(this.#session, whole, signal, onLost)) {
      const wasLow = this.#isLow;
      this.#hush();
      if (name === "start") {
        turn.answerId = data.answer_id;
        turn.understood(data);
      } else if (name === "degraded") turn.note(data.reason);
      else if (name === "sentence") {
        this.#tell(turn.sentence(data));
      } else if (name === "error") throw new Failure("answer", data.detail);
      else if (name === "done") {
        turn.finish(data);
        if (data.outcome === "not_found") this.#tell(this.#words.none);
        if (data.unanswered.length)
          this.#tell(`${this.#words.partial} ${data.unanswered.join(" · ")}`);
        this.#emit("answer", {
          answer_id: turn.answerId,
          outcome: data.outcome,
          conversation_id: this.#conversation,
        });
        this.#offer(turn);
      }
      if (wasLow) this.#scroll();
    }
  }

  /** Offer what the service finds to go on with; an answer is as good without. */
  async #offer(turn) {
    try {
      const reply = await this.#session.call(`answers/${turn.answerId}/suggestions`);
      const { items } = await reply.json();
      if (this.#turns.at(-1) !== turn) return;
      const wasLow = this.#isLow;
      turn.offer(items, (question) => this.#ask(question));
      if (wasLow) this.#scroll();
    } catch {
      // the next question will tell what is wrong
    }
  }

  #turn(question) {
    const { messages } = this.#nodes;
    const turn = new Turn(question, this.#words, this.#language, {
      cite: ({ answerId }, { number, article_id, title, url }) =>
        this.#emit("citation", {
          answer_id: answerId,
          number,
          article_id,
          title,
          url: webAddress(url),
        }),
      retry: (old) => this.#ask(old.question, old),
      rate: (old, verdict) => this.#rate(old, verdict),
      say: (text, isSeen) => this.#say(text, isSeen),
    });
    if (!this.#turns.length) messages.replaceChildren();
    this.#turns.at(-1)?.offer([]);
    this.#turns.push(turn);
    messages.append(turn.node);
    return turn;
  }

  async #rate(turn, verdict) {
    try {
      await this.#session.call("feedback", { body: { answer_id: turn.answerId, verdict } });
      this.#say(this.#words.thanks);
    } catch (error) {
      if (this.#life) this.#fail(error);
    }
  }

  /** What the page is, if the portal says that this may be told; never its query string. */
  #context() {
    const wanted = this.getAttribute("context");
    if ((wanted !== "page" && wanted !== "selection") || this.#isFrame) return null;
    const page = {
      origin: location.origin,
      path: location.pathname.slice(0, 500),
      title: document.title.slice(0, 300),
    };
    return wanted === "selection" && this.#selection
      ? { ...page, selection: this.#selection }
      : page;
  }

  /** Keep what is selected on the page: the selection is gone once the reader types here. */
  #select() {
    if (this.getAttribute("context") !== "selection" || document.activeElement === this) return;
    this.#selection = String(getSelection()).trim().slice(0, 2_000);
  }

  // -- saying ----------------------------------------------------------------------------

  /** Have a screen reader say something, after what it is saying. */
  #tell(text) {
    this.#nodes?.live.append(make("p", "", text));
  }

  /** The same; a notice besides, where it has to be seen. */
  #say(text, isSeen) {
    if (!isSeen) return this.#tell(text);
    this.#notice(make("span", "", text));
  }

  #notice(...nodes) {
    const { notice } = this.#nodes;
    notice.hidden = false;
    notice.replaceChildren(...nodes);
  }

  #hush() {
    this.#nodes.notice.hidden = true;
    this.#nodes.notice.replaceChildren();
  }

  /** Say what went wrong: to the reader, in the console, to the page. */
  #fail(error, turn) {
    const { code = "bug", message, status } = error;
    const words = this.#words;
    const known = {
      busy: words.busy,
      interrupted: words.broken,
      unreachable: turn ? words.broken : words.unavailable,
    };
    const told =
      status === 422
        ? message
        : code === "token-url" && status === 401
          ? words.signin
          : code === "login"
            ? words.login
          : known[code] || words.unavailable;
    if (code === "changed") return;
    if (turn) {
      turn.note(told);
      this.#tell(told);
    } else {
      const again = make("button", "", code === "login" ? words.enter : words.again, {
        type: "button",
      });
      again.addEventListener("click", () => {
        this.#hush();
        this.#start();
      });
      this.#notice(make("span", "", told), again);
    }
    if (code !== "busy" && code !== "login" && status !== 422) console.error(`citewell: [${code}] ${message}`);
    this.#emit("error", { code, message });
  }

  // -- small things ----------------------------------------------------------------------

  #sending(isBusy) {
    const { send } = this.#nodes;
    const label = isBusy ? this.#words.stop : this.#words.send;
    send.replaceChildren(icon(isBusy ? "stop" : "send"));
    send.ariaLabel = send.title = label;
  }

  #fit() {
    const { input } = this.#nodes;
    this.#draft = input.value;
    input.style.height = "";
    if (input.scrollHeight > 36) input.style.height = `${Math.min(input.scrollHeight, 132)}px`;
  }

  get #isLow() {
    const { scrollHeight, scrollTop, clientHeight } = this.#nodes.messages;
    return scrollHeight - scrollTop - clientHeight < 60;
  }

  #scroll() {
    const { messages } = this.#nodes;
    messages.scrollTop = messages.scrollHeight;
  }
}

function focused() {
  let found = document.activeElement;
  while (found?.shadowRoot?.activeElement) found = found.shadowRoot.activeElement;
  return found === document.body ? null : found;
}

const known = customElements.get("citewell-chat");
if (!known) customElements.define("citewell-chat", CitewellChat);
else if (known.base !== BASE) {
  console.error(
    `citewell: [portal] This page has the widget of ${known.base} already; that of ${BASE} is not used.`,
  );
}
