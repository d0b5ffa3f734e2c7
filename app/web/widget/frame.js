// The page in a frame of a portal's (/widget/frame?portal=hr): has the element take its tokens from
// the page around it, or its session from a window in which the reader logs in.
//
// The page around it answers {type: "citewell:token-wanted"} with {type: "citewell:token", token}. Messages
// go to the portal's origins only and are believed from these only; that the token was made for
// the origin that has sent it is checked here, and everything else by the service.

const PATIENCE = 10_000; // milliseconds that the page around it may take

const script = document.querySelector("script[data-origins]");
const origins = JSON.parse(script.dataset.origins);
const module = document.querySelector('script[src$="/citewell.js"]');
const { supplyTokens, Failure } = await import(module.src); // the same module, not another copy

/** Return the portal's origins that may be around this page; browsers that tell leave one. */
function around() {
  const [parentOrigin] = location.ancestorOrigins ?? [];
  return parentOrigin ? origins.filter((origin) => origin === parentOrigin) : origins;
}

/** Return what a token claims, without believing it. */
function claimsOf(token) {
  try {
    const part = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    return JSON.parse(atob(part));
  } catch {
    return {};
  }
}

function askParent(signal) {
  if (parent === window) throw new Failure("portal", "This page is to be shown in a frame.");
  return new Promise((resolve, reject) => {
    const over = new AbortController();
    const end = (settle, value) => {
      clearTimeout(timer);
      over.abort();
      settle(value);
    };
    const late = `The page around the frame has sent no token within ${PATIENCE / 1000} seconds.`;
    const timer = setTimeout(() => end(reject, new Failure("token", late)), PATIENCE);
    const options = { signal: over.signal };
    addEventListener(
      "message",
      ({ source, origin, data }) => {
        if (source !== parent || !origins.includes(origin)) return;
        if (data?.type !== "citewell:token" || typeof data.token !== "string") return;
        if (claimsOf(data.token).origin === origin) end(resolve, data.token);
        else {
          const wrong = `The token that came from ${origin} was made for another origin.`;
          end(reject, new Failure("origin", wrong));
        }
      },
      options,
    );
    signal.addEventListener("abort", () => end(reject, signal.reason), options);
    for (const origin of around()) parent.postMessage({ type: "citewell:token-wanted" }, origin);
  });
}

/** Have the reader log in; browsers open a window only for a reader who has just done something. */
function askReader(signal) {
  const address = new URL(`login${location.search}`, import.meta.url);
  const opened =
    navigator.userActivation.isActive && open(address, "citewell-login", "popup,width=520,height=680");
  if (!opened) throw new Failure("login", "Nobody is logged in.", 401);
  return new Promise((resolve, reject) => {
    const over = new AbortController();
    const end = (settle, value) => {
      clearInterval(timer);
      over.abort();
      settle(value);
    };
    const closed = () => end(reject, new Failure("login", "The window to log in was closed.", 401));
    // The window may say that it is closed a moment before what it has sent arrives.
    const timer = setInterval(() => opened.closed && setTimeout(closed, 500), 500);
    const options = { signal: over.signal };
    addEventListener(
      "message",
      ({ origin, data }) => {
        if (origin !== location.origin || data?.type !== "citewell:session") return;
        end(resolve, { session: data.session });
      },
      options,
    );
    signal.addEventListener("abort", () => end(reject, signal.reason), options);
  });
}
askReader.lasts = true; // as long as the login does

const source = { public: null, token: askParent, login: askReader }[script.dataset.access];
for (const element of document.querySelectorAll("citewell-chat")) supplyTokens(element, source);
