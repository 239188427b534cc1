// A place to compose. In: wishes, and bars of one's own. Out: a tune that can be heard, changed, sent to the band, kept, saved and
// made again by its link.

import { at, calmly, clock, convert, make, order, send, trouble } from "./ask.js";
import { refresh } from "./band.js";
import { keyboard } from "./keyboard.js";
import { DANCES, KEYS, METRES, choices, facts, field, keyName } from "./music.js";
import { Score } from "./score.js";

const FORMS = [["any", "any form"], ["AABB", "AABB, as most"], ["AABBCC", "AABBCC"], ["AB", "AB"], ["ABCD", "ABCD"]];
const RANGES = [["any", "any instrument"], ...["whistle", "flute", "fiddle", "pipes", "banjo", "concertina", "accordion", "harp"]];
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

const formats = player.canPlayType("audio/ogg; codecs=opus") ? "opus" : "wav";

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
  const head = /^K:/m.test(bars) ? "" : `M:${METRES[dance] || "4/4"}\nL:1/8\nK:${key === "any" ? "D" : key}\n`;
  const music = bars.replace(/^[A-Z]:.*$/gm, "").split("|").filter((bar) => /[A-Ga-gz]/.test(bar));
  return { abc: `${head}${bars}\n`, count: Math.max(1, music.length) };
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
    await read();
    at("compose-state").textContent = `written in ${((performance.now() - began) / 1000).toFixed(1)} s`;
    trouble("");
    await play();
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

function show(findings, place, well) {
  const rows = findings.slice(0, 6).map((finding) => make("span", { class: `finding ${finding.severity}` },
    `line ${finding.line}: ${finding.message}${finding.hint ? ` (${finding.hint})` : ""}`));
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
    text.value === draft.composed ? draft.made.provenance : `changed by you; ${draft.made.provenance}`,
    refused.length ? `Drafts refused before it: ${refused.join(", ")}.` : "",
    known == null ? "" : `At most ${known} of its notes in a row stand in a tune it learnt from.`,
  ].filter(Boolean).join(" ");
}

/** The sound of the text as it is now. */
async function makeSound() {
  if (draft.soundOf === text.value && draft.address) return;
  const abc = text.value;
  const file = await convert(abc, formats, playing());
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

/** Written bars of the text's music, as ABC; the last is what follows the last bar line that has notes before it. */
function writtenBars(abc) {
  const head = abc.split("\n").filter((line) => /^[A-Za-z]:/.test(line));
  const music = abc.split("\n").filter((line) => line && !/^([A-Za-z]:|%)/.test(line)).join("");
  return { head, bars: music.split("|").filter((bar) => /[A-Ga-gz]/.test(bar.replace(/"[^"]*"/g, ""))) };
}

/** Composes anew with the tune's beginning: so many of its bars are kept. */
function rewrite(count) {
  const abc = text.value;
  const asked = { ...(draft.made ? draft.made.asked : {}), prime: abc, prime_bars: Math.max(1, count) };
  delete asked.seed;
  delete asked.index;
  const dance = field(abc, "R");
  if (DANCES.includes(dance)) asked.dance = dance;
  delete asked.form;
  compose(asked);
}

/** Bars of the A part, as written. */
function barsOfA() {
  const { bars } = writtenBars(text.value);
  const end = bars.findIndex((bar, index) => index > 0 && /^:/.test(bars[index + 1] || "") === false && /:$/.test(bar));
  return end >= 0 ? end + 1 : Math.ceil(bars.length / 2);
}

const readBars = calmly(async () => {
  const own = ownBars();
  if (!own) return barsScore.show(null);
  const { width, staff } = barsScore.size();
  try {
    const sheet = await convert(`X:1\n${own.abc}`, "sheet", { width, staff, heading: false, times: 1 });
    barsScore.show(sheet);
    show(sheet.findings, at("bars-findings"), `${own.count} ${own.count === 1 ? "bar" : "bars"}: the tune goes on from here.`);
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
  for (const name of ["seed", "index", "temperature", "prime_bars"]) if (asked[name]) asked[name] = Number(asked[name]);
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
  at("vary").addEventListener("click", () => rewrite(2));
  at("other-ending").addEventListener("click", () => rewrite(Math.max(1, writtenBars(text.value).bars.length - 2)));
  at("other-b").addEventListener("click", () => rewrite(barsOfA()));
  at("next-draft").addEventListener("click", () => draft.made &&
    compose({ ...draft.made.asked, seed: draft.made.seed, index: draft.made.index + 1 }));
  for (const event of ["play", "pause", "ended"]) {
    player.addEventListener(event, () => {
      at("draft-play").textContent = player.paused ? "Play" : "Stop";
      at("draft-play").setAttribute("aria-pressed", String(!player.paused));
    });
  }
  addEventListener("resize", calmly(() => draft.made && read(), REST_MS));
  requestAnimationFrame(tick);
  fromLink();
  window.ceilid.draft = { score: draftScore, player };
}
