// Every tune that was played or kept. In: what is searched. Out: the tunes with their first bars; to be played again, kept, chosen
// and taken home.

import { ask, at, calmly, clock, make, order } from "./ask.js";
import { follow, refresh } from "./band.js";
import { DANCES, KEYS, choices, facts, keyName } from "./music.js";

const PAGE = 24;
const FILES = [["pdf", "print"], ["abc", "ABC"], ["mid", "MIDI"], ["flac", "sound"]];
const form = at("search");
const chosen = new Map();
let shown = [];
let asking = 0;

function query(before) {
  const asked = { limit: PAGE };
  for (const name of ["text", "dance", "key", "day"]) {
    const value = form.elements[name].value.trim();
    if (value && value !== "any") asked[name] = value;
  }
  if (form.elements.kept.checked) asked.kept = true;
  if (asked.day) {
    // The day as it is here: from its midnight to the next.
    const from = new Date(`${asked.day}T00:00`);
    asked.since = Math.floor(from.getTime() / 1000);
    asked.until = asked.since + 86400;
    delete asked.day;
  }
  if (before) asked.before = before;
  return new URLSearchParams(asked);
}

async function search(before) {
  const mine = ++asking;
  try {
    const found = await ask(`api/book?${query(before)}`);
    if (mine !== asking) return;
    shown = before ? [...shown, ...found] : found;
    const rows = found.map(card);
    if (before) at("tunes").append(...rows);
    else at("tunes").replaceChildren(...rows);
    at("older").hidden = found.length < PAGE;
    at("book-state").textContent = shown.length ? "" : "No tune here yet. Keep one while it plays, or search for less.";
  } catch (error) {
    at("book-state").textContent = error.message;
  }
}

const when = (seconds) => new Date(seconds * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });

function card(tune) {
  const keep = make("button", { type: "button", "aria-pressed": String(tune.kept) }, tune.kept ? "Kept" : "Keep");
  keep.addEventListener("click", async () => {
    if (!await order(`api/keep?id=${tune.id}&kept=${!tune.kept}`)) return;
    tune.kept = !tune.kept;
    keep.textContent = tune.kept ? "Kept" : "Keep";
    keep.setAttribute("aria-pressed", String(tune.kept));
  });
  const choose = make("input", { type: "checkbox", "aria-label": `Choose ${tune.title}` });
  choose.checked = chosen.has(tune.id);
  choose.addEventListener("change", () => {
    if (choose.checked) chosen.set(tune.id, tune);
    else chosen.delete(tune.id);
    showChosen();
  });
  const again = make("button", { type: "button", onclick: async () => {
    if (await order("api/queue", { id: tune.id })) {
      again.textContent = "Comes soon";
      refresh();
    }
  } }, "Play again");
  const files = FILES.flatMap(([kind, words]) => [" ",
    make("a", { href: `api/tunes/${tune.id}.${kind}`, download: `${name(tune)}.${kind}`, "aria-label": `${words}: ${tune.title}` }, words)]);
  const time = tune.started ? `${when(tune.started)}` : "never played";
  return make("li", { class: "card" },
    make("label", { class: "choose" }, choose, make("b", {}, tune.title)),
    make("p", { class: "soft" }, `${facts(tune)} · ${clock(tune.length_s)}`),
    make("img", { class: "bars", loading: "lazy", alt: "", src: `api/tunes/${tune.id}.svg?first_bars=true&width=330&staff=5` }),
    make("p", { class: "soft" }, `${time}${tune.set ? ` · ${tune.set}` : ""}`),
    make("p", { class: "buttons" }, again, keep, make("span", { class: "files" }, ...files)));
}

const name = (tune) => tune.title.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "") || String(tune.id);

function showChosen() {
  const place = at("selection");
  place.hidden = chosen.size === 0;
  const ids = [...chosen.keys()].join(",");
  const words = chosen.size === 1 ? "1 tune chosen" : `${chosen.size} tunes chosen`;
  place.replaceChildren(make("span", {}, words),
    make("a", { class: "button", href: `api/book.pdf?ids=${ids}`, download: "tunes.pdf" }, "Print: one PDF"),
    make("a", { class: "button", href: `api/book.abc?ids=${ids}`, download: "tunes.abc" }, "Tunebook"),
    make("button", { type: "button", onclick: playChosen }, "Play as a set"),
    make("button", { type: "button", onclick: () => {
      chosen.clear();
      for (const box of at("tunes").querySelectorAll("input:checked")) box.checked = false;
      showChosen();
    } }, "None"));
}

async function playChosen() {
  for (const id of chosen.keys()) if (!await order("api/queue", { id })) return;
  refresh();
}

export const seen = () => search();

export function begin() {
  choices(form.elements.dance, [["any", "any dance"], ...DANCES]);
  choices(form.elements.key, [["any", "any key"], ...KEYS.map((key) => [key, keyName(key)])]);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", calmly(() => search(), 200));
  at("older").addEventListener("click", () => search(shown[shown.length - 1].id));
  let last = null;
  follow(({ status }) => {
    // A tune that began stands in the book now.
    const id = status.now ? status.now.id : null;
    if (last !== null && id !== last && !at("book").hidden && shown.length <= PAGE) search();
    last = id;
  });
  search();
}
