// What plays now. In: the band's status and the moment that is heard. Out: the tune with its score and cursor, the queue, and
// buttons that steer.

import { ask, at, calmly, clock, isWall, make, order, send, trouble } from "./ask.js";
import { band, daemonNow, follow, placeAt, refresh } from "./band.js";
import { DANCES, KEYS, choices, facts, keyName } from "./music.js";
import { Score } from "./score.js";
import { followSound, heardMoment, sound, toggle } from "./sound.js";

/** The score of the tune that is heard. */
export const score = new Score(at("now-score"));
/** The tune that is shown: the one that is heard. */
let shown = null;
let loading = null;

/** The tune of this number as far as it is known. */
const known = (id) => [band.status && band.status.now, ...band.queue].find((tune) => tune && tune.id === id) || null;

async function load(id) {
  loading = id;
  const { width, staff } = score.size();
  try {
    const [tune, sheet] = await Promise.all([
      known(id) || ask(`api/tunes/${id}.json`), fitted(id, width, staff)]);
    if (loading !== id) return;
    shown = { ...tune, length_s: sheet.length_s };
    score.show(sheet);
    at("now-players").textContent = sheet.players.join(", ");
    showTune();
  } catch {
    if (loading === id) setTimeout(() => loading === id && load(id), 2000);
  }
}

/** The sheet; on a wall as large as the screen takes. */
async function fitted(id, width, staff) {
  const asked = (staff) => ask(`api/tunes/${id}.sheet?width=${width}&staff=${staff}&heading=false`);
  if (!isWall) return asked(staff);
  for (const large of [16, 13, 11, 9]) {
    const sheet = await asked(large);
    const last = sheet.lines[sheet.lines.length - 1];
    if (last && last.top + last.height < innerHeight - 210) return sheet;
  }
  return asked(7.5);
}

function showTune() {
  at("now-title").textContent = shown ? shown.title : " ";
  at("now-facts").textContent = shown ? facts(shown) : " ";
  at("length").textContent = clock(shown ? shown.length_s : 0);
  showKeep();
  at("print").hidden = !shown;
  if (shown) at("print").href = `api/tunes/${shown.id}.pdf`;
  document.title = shown ? `${shown.title} · ceilid` : "ceilid";
}

/** The tune that is heard, as it is known best: whoever listens here hears the last one when the band plays the next already. */
function heard() {
  const now = band.status && band.status.now;
  return shown && !(now && now.id === shown.id) ? shown : now;
}

function showKeep() {
  const tune = heard();
  const isKept = !!(tune && tune.kept);
  at("keep").disabled = !tune;
  at("keep").setAttribute("aria-pressed", String(isKept));
  at("keep").textContent = isKept ? "Kept" : "Keep";
}

const WORDS = { composing: "The band writes its next tune", playing: "Now playing", paused: "The band pauses", stopping: "The last tune" };

function showStatus() {
  const { status } = band;
  if (!status) return;
  const now = status.now;
  at("activity").textContent = now || status.activity !== "playing" ? WORDS[status.activity] || status.activity : "Between two tunes";
  at("pause").textContent = status.activity === "paused" ? "Let it go on" : "Pause the band";
  showKeep();
  at("skip").disabled = !now;
  at("version").textContent = `ceilid ${status.version}`;
  showWishes(status.settings);
  const rows = band.queue.map((tune) => make("li", {},
    make("b", {}, tune.title), make("span", { class: "soft" }, `${facts(tune)} · ${clock(tune.length_s)}`)));
  at("queue").replaceChildren(...(rows.length ? rows : [make("li", { class: "soft" }, "being composed")]));
}

/** Somebody moved the page himself at that moment; it is left alone for a while. */
let moved = -Infinity;
const LEFT_ALONE_MS = 10000;

/** Whether the page goes along with the music: for those who listen or look at the score already. */
const isFollowed = () => isWall || ((sound.isWanted || scrollY > 0) && performance.now() - moved > LEFT_ALONE_MS);

function tick() {
  const place = placeAt(heardMoment());
  const isSeen = !at("now").hidden;
  if (place && (!shown || shown.id !== place.id) && loading !== place.id) load(place.id);
  if (place && shown && shown.id === place.id) {
    if (isSeen) score.moveTo(place.position, isFollowed());
    const share = Math.min(1, place.position / Math.max(1, shown.length_s));
    if (isSeen && Math.abs(at("progress").value - share) > 0.001) {
      at("progress").value = share;
      at("gone").textContent = clock(place.position);
    }
  } else if (isSeen) {
    score.moveTo(null);
  }
  requestAnimationFrame(tick);
}

/** What may be wished for, as buttons. */
function showWishes(settings) {
  for (const button of at("wish-dances").children) {
    button.setAttribute("aria-pressed", String(button.value === settings.dance));
  }
  if (document.activeElement !== at("wish-key")) {
    const key = at("wish-key");
    if (![...key.options].some((option) => option.value === settings.key)) key.append(new Option(keyName(settings.key), settings.key));
    key.value = settings.key;
  }
}

async function wish(change, words) {
  try {
    await send("api/settings", change, "PATCH");
    at("wish-note").textContent = `${words}: as soon as this tune ends.`;
    trouble("");
  } catch (error) {
    trouble(error.message);
  }
  refresh();
}

function buildWishes() {
  const buttons = ["any", ...DANCES].map((dance) => make("button", { type: "button", value: dance, "aria-pressed": "false",
    onclick: () => wish({ dance }, dance === "any" ? "Any dance" : `A ${dance}`) }, dance === "any" ? "any dance" : dance));
  at("wish-dances").replaceChildren(...buttons);
  choices(at("wish-key"), [["any", "any key"], ...KEYS.map((key) => [key, keyName(key)])]);
  at("wish-key").addEventListener("change", (event) => {
    const key = event.target.value;
    wish({ key }, key === "any" ? "Any key" : `In ${keyName(key)}`);
  });
}

export const pause = () => order(band.status && band.status.activity === "paused" ? "api/resume" : "api/pause").then(refresh);
export const skip = () => order("api/skip").then(refresh);
export async function keep() {
  const tune = heard();
  const kept = !(tune && tune.kept);
  if (tune && await order(`api/keep?id=${tune.id}&kept=${kept}`)) tune.kept = kept;
  await refresh();
}

export function begin() {
  buildWishes();
  at("listen").addEventListener("click", toggle);
  at("mini").addEventListener("click", toggle);
  at("pause").addEventListener("click", pause);
  at("skip").addEventListener("click", skip);
  at("keep").addEventListener("click", keep);
  followSound(() => {
    const words = !sound.isWanted ? "Listen" : sound.isHeard ? "Stop listening" : "Tuning in …";
    at("listen").querySelector("span").textContent = words;
    at("mini").textContent = words;
    for (const id of ["listen", "mini"]) at(id).classList.toggle("on", sound.isWanted);
  });
  follow(showStatus);
  for (const event of ["wheel", "touchmove", "keydown"]) addEventListener(event, () => { moved = performance.now(); }, { passive: true });
  // Whoever scrolled on to the score can still stop the sound.
  new IntersectionObserver(([seen]) => at("mini").classList.toggle("needless", seen.isIntersecting)).observe(at("listen"));
  addEventListener("resize", calmly(() => shown && load(shown.id), 250));
  requestAnimationFrame(tick);
  // For whoever looks in from outside: what is shown, and where the cursor is.
  window.ceilid = { score, sound, daemonNow, heardMoment, placeAt, shown: () => shown };
}
