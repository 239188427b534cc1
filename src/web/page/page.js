"use strict";
// In: what the API says. Out: the page. What is shown comes as text, never as markup.
const at = (id) => document.getElementById(id);
const state = { now: null, since: 0, activity: "", settings: {} };
const settings = {
  dance: ["Dance", ["any", "reel", "jig", "slip jig", "slide", "hornpipe", "polka", "waltz", "march", "strathspey", "air"]],
  key: ["Key", null], tempo_scale: ["Tempo (1 = usual)", null], volume: ["Volume (0–100)", null],
  temperature: ["Adventure (any, .05–5)", null], style: ["Style", ["auto", "plain", "written", "solo", "session", "ceilidh"]],
  times: ["Times in a row", null], gap: ["Gap (seconds)", null],
};

function trouble(text) {
  at("trouble").textContent = text || "";
  at("trouble").hidden = !text;
}

async function ask(path, options) {
  const response = await fetch(path, options);
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error || `${path}: ${response.status}`);
  return answer;
}

async function order(path) {
  try { await ask(path, { method: "POST" }); trouble(""); } catch (error) { trouble(error.message); }
}

const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
const about = (tune) => [tune.rhythm, tune.key, tune.meter, clock(tune.length_s)].filter(Boolean).join(" · ");

function row(tune, more) {
  const item = document.createElement("li");
  const title = document.createElement("b");
  title.textContent = tune.title;
  const facts = document.createElement("small");
  facts.textContent = [about(tune), more].filter(Boolean).join(" · ");
  item.append(title, facts);
  for (const kind of ["abc", "mid", "flac"]) {
    const link = document.createElement("a");
    link.href = `api/tunes/${tune.id}.${kind}`;
    link.textContent = kind;
    link.download = `${tune.id}.${kind}`;
    item.append(link);
  }
  return item;
}

function list(id, rows, empty) {
  if (!rows.length) {
    const item = document.createElement("li");
    item.textContent = empty;
    rows = [item];
  }
  at(id).replaceChildren(...rows);
}

function showNow() {
  const tune = state.now;
  at("title").textContent = tune ? tune.title : "–";
  at("about").textContent = tune ? `${about(tune)} · ${(tune.provenance.match(/seed \d+, tune \d+/) || [tune.provenance])[0]}` : "";
  document.title = tune ? `${tune.title} – ceilid` : "ceilid";
  at("activity").textContent = state.activity;
  at("pause").textContent = state.activity === "paused" ? "Resume" : "Pause";
  at("keep").setAttribute("aria-pressed", String(!!(tune && tune.kept)));
  at("keep").textContent = tune && tune.kept ? "Kept" : "Keep";
}

function tick() {
  const tune = state.now;
  if (!tune) { at("progress").value = 0; return; }
  const gone = state.activity === "playing" ? (performance.now() - state.since) / 1000 : 0;
  at("progress").value = Math.min(1, (tune.position_s + gone) / Math.max(1, tune.length_s));
}

function showSettings(values) {
  state.settings = values;
  const form = at("settings");
  for (const [name, [words, choices]] of Object.entries(settings)) {
    let field = form.elements[name];
    if (!field) {
      const label = document.createElement("label");
      field = document.createElement(choices ? "select" : "input");
      field.name = name;
      if (choices) field.append(...choices.map((choice) => new Option(choice, choice)));
      field.addEventListener("change", () => change(name, field.value));
      label.append(words, field);
      form.append(label);
    }
    if (document.activeElement !== field && name in values) field.value = values[name];
  }
}

async function change(name, value) {
  try {
    await ask("api/settings", {
      method: "PATCH",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ [name]: value }),
    });
    trouble("");
  } catch (error) {
    trouble(error.message);
    document.activeElement.blur();
    showSettings(state.settings);
  }
}

function showStatus(status) {
  state.activity = status.activity;
  state.now = status.now;
  state.since = performance.now();
  showNow();
  showSettings(status.settings);
  at("version").textContent = `ceilid ${status.version}`;
  list("outputs", status.outputs.map((output) => {
    const item = document.createElement("li");
    const name = document.createElement("b");
    name.textContent = output.name;
    const how = document.createElement("small");
    how.textContent = output.well ? "plays" : "lost, looked for";
    item.append(name, how);
    return item;
  }), "none");
}

let running = null;
let again = false;
// One at a time; what happens meanwhile is looked at once more.
async function refresh() {
  if (running) { again = true; return; }
  running = (async () => {
    try {
      const [status, queue, history] = await Promise.all(
        ["api/status", "api/queue", "api/history?limit=20"].map((path) => ask(path)));
      showStatus(status);
      list("queue", queue.map((tune) => row(tune)), "being composed");
      list("history", history.map((tune) => row(tune, [tune.end, tune.kept && "kept"].filter(Boolean).join(", "))), "nothing yet");
    } catch (error) { trouble(error.message); }
  })();
  await running;
  running = null;
  if (again) { again = false; setTimeout(refresh, 200); }
}

at("pause").addEventListener("click", () => order(state.activity === "paused" ? "api/resume" : "api/pause"));
at("skip").addEventListener("click", () => order("api/skip"));
at("keep").addEventListener("click", () => order(`api/keep?kept=${!(state.now && state.now.kept)}`));
at("panic").addEventListener("click", () => order("api/panic"));
// Each time from the present: what was paused is gone.
const audio = at("audio");
const source = () => audio.canPlayType("audio/ogg; codecs=opus") ? "stream.opus" : "stream.flac";
audio.src = source();
audio.addEventListener("pause", () => { audio.src = source(); });

const events = new EventSource("api/events");
events.onopen = () => trouble("");
events.onerror = () => { at("activity").textContent = "not connected"; };
for (const name of ["status", "lost", "tune-started", "tune-ended", "queue-changed", "paused", "resumed", "tune-kept",
  "settings-changed", "sleep-timer", "output-lost", "output-back", "stopping"]) {
  events.addEventListener(name, refresh);
}
events.addEventListener("ended", () => { state.activity = "ended"; state.now = null; showNow(); events.close(); });
setInterval(tick, 500);
