// Asks the daemon. In: a path of its API, relative to the page. Out: its answer; or an error in its own words, which is shown.

const place = document.getElementById("trouble");
let hides = 0;

/** Shows what went wrong, or nothing. */
export function trouble(text) {
  clearTimeout(hides);
  place.textContent = text || "";
  place.hidden = !text;
  if (text) hides = setTimeout(() => trouble(""), 8000);
}

/** The answer, as JSON or as it comes. */
export async function ask(path, options = {}) {
  const response = await fetch(path, options);
  const isJson = (response.headers.get("content-type") || "").includes("json");
  if (response.ok) return isJson ? response.json() : response;
  const answer = isJson ? await response.json().catch(() => ({})) : {};
  throw new Error(answer.error || `${path}: ${response.status}`);
}

/** Sends JSON. */
export const send = (path, value, method = "POST") =>
  ask(path, { method, headers: { "content-type": "application/json" }, body: JSON.stringify(value) });

/** Sends a tune's text to be turned into `to`; more is asked in `query`. */
export const convert = (text, to, query = {}, signal) =>
  ask(`api/convert?${new URLSearchParams({ to, ...query })}`,
    { method: "POST", headers: { "content-type": "text/vnd.abc" }, body: text, signal });

/** A command: true when it was taken; its trouble is shown. */
export async function order(path, value) {
  try {
    await (value === undefined ? ask(path, { method: "POST" }) : send(path, value));
    trouble("");
    return true;
  } catch (error) {
    trouble(error.message);
    return false;
  }
}

/** Whether the page hangs on a wall: a score and a title, large. */
export const isWall = new URLSearchParams(location.search).get("view") === "wall";

export const at = (id) => document.getElementById(id);

/** An element with text or children. */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

export const clock = (seconds) => {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
};

/** Calls `work` once it was not asked for a while. */
export function calmly(work, ms) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...given), ms);
  };
}
