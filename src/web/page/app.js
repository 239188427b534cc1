// The page. In: the address's hash and keys. Out: the view that is asked for, and its work begun when it is first seen.

import { at, isWall } from "./ask.js";
import * as band from "./band.js";
import * as behind from "./behind.js";
import * as book from "./book.js";
import * as compose from "./compose.js";
import * as now from "./now.js";
import * as settings from "./settings.js";
import * as sound from "./sound.js";

document.documentElement.classList.toggle("wall", isWall);

const views = { now: {}, compose, book, behind };
const begun = new Set(["now"]);
let last = "now";

function show() {
  const wished = location.hash.slice(1).split(/[?&]/)[0];
  const name = wished in views && !isWall ? wished : "now";
  for (const view of Object.keys(views)) at(view).hidden = view !== name;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (name !== last) scrollTo(0, 0);
  last = name;
  if (begun.has(name)) {
    if (views[name].seen) views[name].seen();
  } else {
    begun.add(name);
    views[name].begin();
  }
}

function key(event) {
  const isTyping = event.target.closest("input, textarea, select, dialog, [contenteditable]");
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  const onButton = event.target.closest("button, a, summary");
  const isComposing = !at("compose").hidden;
  const works = {
    " ": () => !onButton && (isComposing ? compose.togglePlay() : sound.toggle()),
    ArrowRight: now.skip,
    ArrowUp: () => sound.changeVolume(0.1),
    ArrowDown: () => sound.changeVolume(-0.1),
    p: now.pause,
    k: () => (isComposing ? compose.keep() : now.keep()),
    "?": () => at("help").showModal(),
    1: () => { location.hash = "now"; },
    2: () => { location.hash = "compose"; },
    3: () => { location.hash = "book"; },
    4: () => { location.hash = "behind"; },
  };
  const work = works[event.key];
  if (!work || (event.key === " " && onButton)) return;
  event.preventDefault();
  work();
}

addEventListener("hashchange", show);
addEventListener("keydown", key);
at("help-open").addEventListener("click", () => at("help").showModal());
now.begin();
settings.begin();
sound.begin();
band.begin();
show();
