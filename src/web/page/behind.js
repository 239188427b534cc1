// What is behind the music. In: the daemon's status, and what the network thought of the tune that is heard. Out: its decisions as
// they fall, why drafts were refused, where the music goes, and how well all is.

import { ask, at, clock, make, order } from "./ask.js";
import { band, follow, placeAt, refresh } from "./band.js";
import { score } from "./now.js";
import { heardMoment } from "./sound.js";

/** What the critic's short words mean. */
const REASONS = {
  "not clean ABC": "its text does not hold together",
  "a bar does not add up": "too few or too many notes for its metre",
  "the form does not add up": "its parts do not balance",
  "too short": "over before anybody dances",
  "too long": "it finds no end",
  "out of range": "notes or leaps that no fiddle or flute plays",
  stuck: "one bar or note comes back and back",
  copied: "too much of it stands in a tune that the network learnt from",
};
let thoughts = null;
let loading = null;
let marked = -1;

function rows(place, items, empty) {
  at(place).replaceChildren(...(items.length ? items : [make("li", { class: "soft" }, empty)]));
}

function show({ status }) {
  if (at("behind").hidden) return;
  rows("refused", Object.entries(status.refused || {}).map(([reason, count]) =>
    make("li", {}, make("b", {}, reason), make("span", { class: "soft" },
      [REASONS[reason], `${count} ${count === 1 ? "draft" : "drafts"}`].filter(Boolean).join(" · ")))),
  "none so far");
  rows("outputs", status.outputs.map(output), "none");
  const listeners = Object.entries(status.listeners).filter(([, count]) => count > 0).map(([name, count]) => `${count} ${name}`);
  const facts = [
    ["Listeners", listeners.join(", ") || "none"],
    ["Tunes played", `${status.counters.tunes_played}, and ${status.counters.tunes_skipped} skipped`],
    ["Tunes that wait", status.queue_length],
    ["Notes sent", status.counters.notes_sent.toLocaleString()],
    ["Notes sent late", status.lateness || "–"],
    ["Times it was held up", status.counters.hold_ups],
    ["It plays since", clock(status.uptime_s)],
  ];
  at("health").replaceChildren(...facts.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, String(value))]));
}

function output(output) {
  const how = output.on === false ? "switched off" : output.well ? "plays" : "lost, looked for";
  const faults = [output.xruns && `${output.xruns} dropouts`, output.dropped && `${output.dropped} messages lost`,
    output.losses && `lost ${output.losses} times`].filter(Boolean).join(", ");
  const row = make("li", {}, make("b", {}, output.name), make("span", { class: "soft" }, [how, faults].filter(Boolean).join(" · ")));
  // What listeners hear is not to be switched.
  if (output.name !== "stream") {
    row.append(make("button", { type: "button",
      onclick: () => order("api/outputs", { [output.on ? "off" : "on"]: output.name }).then(refresh) }, output.on ? "Switch off" : "Switch on"));
  }
  return row;
}

async function load(id) {
  loading = id;
  try {
    thoughts = await ask(`api/tunes/${id}.thoughts`);
    thoughts.id = id;
  } catch (error) {
    thoughts = { id, decisions: [], about: error.message };
  }
  marked = -1;
  at("mind-about").textContent = thoughts.about;
  at("mind").replaceChildren();
}

/** Which decision made the note that is heard: that of its bar, and of its place in the bar. */
function heardDecision(seconds) {
  const step = score.step(seconds);
  if (!step || !score.sheet) return -1;
  const steps = score.sheet.steps;
  let place = 0;
  for (let index = steps.indexOf(step) - 1; index >= 0 && steps[index].bar === step.bar && steps[index].at < steps[index + 1].at; index -= 1) place += 1;
  const ofBar = thoughts.decisions.map((decision, index) => [decision, index]).filter(([decision]) => decision.bar === step.bar && decision.note !== null);
  const found = ofBar[Math.min(place, ofBar.length - 1)];
  return found ? found[1] : -1;
}

function odd([name, share], chosen) {
  return make("div", { class: name === chosen ? "odd chosen" : "odd" }, make("span", {}, name),
    make("meter", { min: 0, max: 1, value: share.toFixed(3), "aria-label": `${name}, ${Math.round(share * 100)} percent` }),
    make("span", { class: "odd-share" }, `${Math.round(share * 100)} %`));
}

/** The decision that is heard, and those before it. */
function showThoughts(seconds) {
  const index = heardDecision(seconds);
  if (index < 0 || index === marked) return;
  marked = index;
  const shown = thoughts.decisions.slice(Math.max(0, index - 3), index + 1).reverse();
  at("mind").replaceChildren(...shown.map((decision, place) => make("div", { class: place ? "thought" : "thought now" },
    make("b", {}, decision.chosen), make("div", { class: "odds" }, ...decision.odds.map((row) => odd(row, decision.chosen))))));
}

function tick() {
  if (!at("behind").hidden) {
    const place = placeAt(heardMoment());
    if (place && loading !== place.id) load(place.id);
    if (place && thoughts && thoughts.id === place.id) showThoughts(place.position);
  }
  requestAnimationFrame(tick);
}

export const seen = () => band.status && show(band);

export function begin() {
  follow(show);
  requestAnimationFrame(tick);
}
