// A place to compose. In: wishes, and bars of one's own. Out: a tune that can be heard, changed, sent to the band, kept, saved and
// made again by its link.

import { at, calmly, clock, convert, make, order, send, trouble } from "./ask.js";
import { refresh } from "./band.js";
import { keyboard } from "./keyboard.js";
import { DANCES, KEYS, METRES, choices, facts, field, keyName } from "./music.js";
import { Score } from "./score.js";

const FORMS = [["any", "any form"], ["AABB", "AABB, as most"], ["AABBCC", "AABBCC"], ["AB", "AB"], ["ABCD", "ABCD"]];
const RANGES = [["any", "anyone"], ...["whistle", "flute", "fiddle", "pipes", "banjo", "concertina", "accordion", "harp"]];
const FILES = [["abc", "ABC"], ["mid", "MIDI"], ["svg", "picture"], ["pdf", "PDF to print"], ["flac", "sound"]];
/** How long the text rests before it is read. */
const REST_MS = 250;

const form = at("wishes");
const text = at("draft-abc");
const player = at("player");
const draftScore = new Score(at("draft-score"), (seconds) => {
  player.currentTime = seconds;
  if (player.paused) play();
});
const barsScore = new Score(at("bars-score"));
/** The tune at hand: as it was composed, and its sound where that was made. */
const draft = { made: null, composed: "", soundOf: null, sound: null, address: null };
let reading = null;

/** Of a tune's sound: to this machine itself a large file is no burden, and encoding a small one takes longer than all else. */
const isHere = /^(localhost|127\.|\[::1\])/.test(location.hostname);
const soundFormat = !isHere && player.canPlayType("audio/ogg; codecs=opus") ? "opus" : "wav";

/** What is wished for, as the API has it; what is left open is left out. */
function wishes() {
  const asked = {};
  for (const name of ["dance", "key", "form", "range"]) {
    if (form.elements[name].value !== "any") asked[name] = form.elements[name].value;
  }
  const temperature = form.elements.temperature.value;
  if (temperature !== "0.9") asked.temperature = Number(temperature);
  const seed = form.elements.seed.value.trim();
  if (seed) asked.seed = Number(seed);
  const own = ownBars();
  if (own) {
    asked.prime = own.abc;
    asked.prime_bars = own.count;
  }
  return asked;
}

/** My bars as a tune of ABC, and how many they are; null where there are none. */
function ownBars() {
  const bars = at("bars").value.trim();
  if (!at("own").open || !bars) return null;
  const dance = form.elements.dance.value;
  const key = form.elements.key.value;
  const head = /^K:/m.test(bars) ? "" : `M:${METRES[dance] || metreOf(bars)}\nL:1/8\nK:${key === "any" ? "D" : key}\n`;
  const music = bars.replace(/^[A-Z]:.*$/gm, "").split("|").filter((bar) => /[A-Ga-gz]/.test(bar));
  return { abc: `${head}${bars}\n`, count: Math.max(1, music.length) };
}

/** The metre of bars that stand without one: by how many eighths the longest has. */
function metreOf(bars) {
  const eighths = (bar) => [...bar.matchAll(/[A-Ga-gz][,']*(\d*)(\/*)(\d*)/g)].reduce((sum, [, times, slashes, over]) =>
    sum + (Number(times) || 1) / (slashes ? Number(over) || 2 ** slashes.length : 1), 0);
  const longest = Math.max(...bars.split("|").map(eighths));
  return { 4: "2/4", 6: "6/8", 9: "9/8", 12: "12/8" }[longest] || "4/4";
}

async function compose(asked) {
  const go = at("compose-go");
  go.disabled = true;
  at("compose-state").textContent = "writing …";
  const began = performance.now();
  try {
    const made = await send("api/compose", asked);
    draft.made = { ...made, asked };
    draft.composed = made.abc;
    text.value = made.abc;
    at("draft").hidden = false;
    history.replaceState(null, "", link());
    const written = (performance.now() - began) / 1000;
    trouble("");
    await Promise.all([read(), play()]);
    at("compose-state").textContent = `written in ${written.toFixed(1)} s`;
    return true;
  } catch (error) {
    at("compose-state").textContent = "";
    trouble(error.message);
    return false;
  } finally {
    go.disabled = false;
  }
}

/** The address that makes this tune again. */
function link() {
  const { asked, seed, index } = draft.made;
  const query = new URLSearchParams({ ...asked, seed, index });
  return `${location.pathname}${location.search}#compose?${query}`;
}

/** Reads the text: its picture, and what is odd in it. */
async function read() {
  if (reading) reading.abort();
  reading = new AbortController();
  const abc = text.value;
  const { width, staff } = draftScore.size();
  try {
    const sheet = await convert(abc, "sheet", { width, staff, heading: false, ...playing() }, reading.signal);
    draftScore.show(sheet);
    show(sheet.findings, at("draft-findings"), "It reads well.");
    at("draft-title").textContent = field(abc, "T") || "A tune";
    const about = { rhythm: field(abc, "R"), key: field(abc, "K"), meter: field(abc, "M") };
    at("draft-facts").textContent = `${facts(about)} · ${clock(sheet.length_s)} · ${sheet.players.join(", ")}`;
    files();
    story();
  } catch (error) {
    if (error.name !== "AbortError") trouble(error.message);
  }
}

/** How a draft is played. */
const playing = () => ({ times: 1, seed: draft.made ? draft.made.seed : 0 });

function show(findings, place, well, headLines = 0) {
  const rows = findings.slice(0, 6).map((finding) => make("span", { class: `finding ${finding.severity}` },
    `line ${Math.max(1, finding.line - headLines)}: ${finding.message}${finding.hint ? ` (${finding.hint})` : ""}`));
  place.replaceChildren(...(rows.length ? rows : [well]));
}

function files() {
  const name = (field(text.value, "T") || "tune").toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "") || "tune";
  const links = FILES.map(([to, words]) => make("button", { type: "button", class: "link", onclick: () => save(to, `${name}.${to}`) }, words));
  const again = make("a", { href: draft.made ? link() : "#compose" }, "Link that makes it again");
  at("draft-files").replaceChildren("Save as ", ...links.flatMap((link) => [link, " "]), again);
}

async function save(to, name) {
  try {
    const file = await convert(text.value, to, playing());
    const address = URL.createObjectURL(await file.blob());
    make("a", { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60000);
    trouble("");
  } catch (error) {
    trouble(error.message);
  }
}

function story() {
  if (!draft.made) return;
  const refused = Object.entries(draft.made.refused).map(([reason, count]) => `${count} ${reason}`);
  const known = draft.made.longest_known_passage;
  at("draft-story").textContent = [
    `${text.value === draft.composed ? "" : "changed by you; "}${draft.made.provenance}.`,
    refused.length ? `Drafts refused before it: ${refused.join(", ")}.` : "",
    known == null ? "" : `At most ${known} of its notes in a row stand in a tune it learnt from.`,
  ].filter(Boolean).join(" ");
}

/** The sound of the text as it is now. */
async function makeSound() {
  if (draft.soundOf === text.value && draft.address) return;
  const abc = text.value;
  const file = await convert(abc, soundFormat, playing());
  const blob = await file.blob();
  if (draft.address) URL.revokeObjectURL(draft.address);
  draft.address = URL.createObjectURL(blob);
  draft.soundOf = abc;
  player.src = draft.address;
}

async function play() {
  try {
    await makeSound();
    at("stream").pause();
    await player.play();
  } catch (error) {
    if (error.name !== "AbortError" && error.name !== "NotAllowedError") trouble(error.message);
  }
}

export function togglePlay() {
  if (!draft.made && !text.value) return;
  if (player.paused) play();
  else player.pause();
}

/** The text for the band: a changed tune does not say that it can be made again. */
function published() {
  if (text.value === draft.composed) return text.value;
  return text.value.replace(/^N:written by ceilid/m, "N:after a tune written by ceilid");
}

async function give(what, words) {
  if (!text.value.trim()) return;
  if (await order("api/queue", { abc: published(), ...what })) {
    at("compose-state").textContent = words;
    refresh();
  }
}

export const keep = () => give({ play: false, keep: true }, "Kept: it stands in the Book.");

/** Bars of a part, as most tunes have them; fewest and most that one can be asked to have. */
const PART_BARS = 8, PART_BARS_MIN = 4, PART_BARS_MAX = 32;

/** The parts of the text's music in their order: how many bars each has, without a pickup, and whether it is repeated. */
function parts(abc) {
  const music = abc.split("\n").filter((line) => !/^([A-Za-z]:|%)/.test(line)).join("").replace(/"[^"]*"/g, "");
  const sections = [...music.matchAll(/([^]*?)(:\|+:?|::|\|\||\|\]|\|:|$)/g)];
  return sections.map(([, written, end]) => {
    const bars = written.split("|").filter((bar) => /[A-Ga-gz]/.test(bar)).length;
    // A pickup and the short bar that it completes are one.
    return { bars: bars - (bars % 2), isRepeated: end.startsWith(":") };
  }).filter((part) => part.bars > 0);
}

/** Their form as the API has it: a letter for so many bars, twice where they are repeated; null where no form has such parts. */
function formOf(found) {
  const first = found.length ? found[0].bars : 0;
  const isEven = found.every((part) => part.bars === first) && first >= PART_BARS_MIN && first <= PART_BARS_MAX;
  const unit = isEven ? first : PART_BARS;
  if (!found.length || found.some((part) => part.bars % unit)) return null;
  let letters = 0;
  const names = found.map(({ bars, isRepeated }) => {
    const once = Array.from({ length: bars / unit }, () => String.fromCharCode(65 + letters++)).join("");
    return isRepeated ? once + once : once;
  });
  return { form: names.join(""), part_bars: unit };
}

/** Composes anew, in the dance and form that the text has now, with what is `kept` of it. */
function rewrite(kept) {
  const asked = { ...(draft.made ? draft.made.asked : {}), ...kept };
  for (const name of ["seed", "index", "form", "part_bars", "prime", "prime_bars", "turn", "vary"]) if (!(name in kept)) delete asked[name];
  const dance = field(text.value, "R");
  if (DANCES.includes(dance)) asked.dance = dance;
  compose(asked);
}

/** All but its last two bars. */
function otherEnding() {
  const found = parts(text.value);
  const form = formOf(found);
  if (!form) {
    at("compose-state").textContent = "no other ending can be asked for: its parts differ in length, and are not eight bars or twice eight";
    return;
  }
  const bars = found.reduce((sum, part) => sum + part.bars, 0);
  rewrite({ prime: text.value, prime_bars: bars - 2, ...form });
}

const readBars = calmly(async () => {
  const own = ownBars();
  if (!own) return barsScore.show(null);
  const { width, staff } = barsScore.size();
  try {
    // Not to be told that the bars have no title.
    const head = "X:1\nT:My bars\n";
    const sheet = await convert(head + own.abc, "sheet", { width, staff, heading: false, times: 1 });
    barsScore.show(sheet);
    show(sheet.findings, at("bars-findings"), `${own.count} ${own.count === 1 ? "bar" : "bars"}: the tune goes on from here.`,
      (head + own.abc).split("\n").length - at("bars").value.trim().split("\n").length - 1);
  } catch (error) {
    at("bars-findings").textContent = error.message;
  }
}, REST_MS);

function tick() {
  const sounds = !player.paused || player.currentTime > 0;
  if (!at("compose").hidden && draftScore.sheet) draftScore.moveTo(sounds ? player.currentTime : null, !player.paused);
  requestAnimationFrame(tick);
}

/** Asks for what a link says. */
function fromLink() {
  const query = new URLSearchParams(location.hash.split("?")[1] || "");
  if (![...query].length) return;
  const asked = Object.fromEntries(query);
  for (const name of ["dance", "key", "form", "range"]) {
    if (!asked[name]) continue;
    const select = form.elements[name];
    if (![...select.options].some((option) => option.value === asked[name])) select.append(new Option(asked[name], asked[name]));
    select.value = asked[name];
  }
  if (asked.temperature) form.elements.temperature.value = asked.temperature;
  if (asked.seed) form.elements.seed.value = asked.seed;
  for (const name of ["seed", "index", "temperature", "part_bars", "prime_bars"]) if (asked[name]) asked[name] = Number(asked[name]);
  compose(asked);
}

export function seen() {
  if (draft.made) history.replaceState(null, "", link());
}

export function begin() {
  choices(form.elements.dance, [["any", "any dance"], ...DANCES]);
  choices(form.elements.key, [["any", "any key"], ...KEYS.map((key) => [key, keyName(key)])]);
  choices(form.elements.form, FORMS);
  choices(form.elements.range, RANGES);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    compose(wishes());
  });
  form.addEventListener("change", readBars);
  at("compose-go").addEventListener("click", () => compose(wishes()));
  const bars = at("bars");
  const tap = (note) => {
    bars.value += note;
    readBars();
  };
  const back = () => {
    bars.value = bars.value.replace(/\s*(\| *|[\^_=]*[A-Ga-gz][,']*\d*)\s*$/, "");
    readBars();
  };
  keyboard(at("keys"), tap, back);
  bars.addEventListener("input", readBars);
  at("own").addEventListener("toggle", readBars);
  text.addEventListener("input", calmly(read, REST_MS));
  at("draft-play").addEventListener("click", togglePlay);
  at("draft-queue").addEventListener("click", () => give({ play: true }, "The band plays it after what comes next."));
  at("draft-keep").addEventListener("click", keep);
  at("vary").addEventListener("click", () => rewrite({ vary: text.value }));
  at("other-ending").addEventListener("click", otherEnding);
  at("other-b").addEventListener("click", () => rewrite({ turn: text.value }));
  at("next-draft").addEventListener("click", () => draft.made &&
    compose({ ...draft.made.asked, seed: draft.made.seed, index: draft.made.index + 1 }));
  for (const event of ["play", "pause", "ended"]) {
    player.addEventListener(event, () => {
      at("draft-play").textContent = player.paused ? "Play" : "Stop";
      at("draft-play").classList.toggle("on", !player.paused);
    });
  }
  addEventListener("resize", calmly(() => draft.made && read(), REST_MS));
  requestAnimationFrame(tick);
  fromLink();
  window.ceilid.draft = { score: draftScore, player };
}
