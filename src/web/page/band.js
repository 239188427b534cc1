// What the daemon does, as it does it. In: its events and its status. Out: the same to whoever follows, and which tune was where
// at any moment of the daemon's clock. A lost connection is said, and heals.

import { ask } from "./ask.js";

/** Asked again where events do not come: a proxy that holds them back, or too many pages. */
const POLL_MS = 4000;
/** Moments that are remembered: more than a player buffers. */
const MOMENTS_MAX = 200;
/** Round trips of which the quickest tells the daemon's clock. */
const TRIPS = 8;

export const band = { status: null, queue: [], isConnected: false };
const followers = new Set();
/** Where the music was: from `at` (seconds of the daemon's clock) on, tune `id` at `position`, going on at `rate`. */
const moments = [];
let trips = [];

/** Calls back with each change, and now if anything is known. */
export function follow(follower) {
  followers.add(follower);
  if (band.status) follower(band);
}

const tell = () => followers.forEach((follower) => follower(band));

/** The daemon's clock, in seconds since it began. */
export function daemonNow() {
  if (!trips.length) return 0;
  const best = trips.reduce((a, b) => (a.trip <= b.trip ? a : b));
  return performance.now() / 1000 + best.offset;
}

/** Which tune was where at that moment of the daemon's clock; null where nothing played or nothing is known. */
export function placeAt(moment) {
  let found = null;
  for (const known of moments) {
    if (known.at > moment + 0.001) break;
    found = known;
  }
  if (!found || found.id === null) return null;
  return { id: found.id, position: Math.max(0, found.position + (moment - found.at) * found.rate) };
}

function remember(status) {
  const now = status.now;
  const last = moments[moments.length - 1];
  if (!now) {
    if (!last || last.id !== null) moments.push({ at: status.uptime_s, id: null, position: 0, rate: 0 });
  } else {
    const isNew = !last || last.id !== now.id;
    // A new tune is known from its beginning on.
    const back = isNew && now.rate > 0 ? now.position_s / now.rate : 0;
    moments.push({ at: status.uptime_s - back, id: now.id, position: isNew && now.rate > 0 ? 0 : now.position_s, rate: now.rate });
  }
  if (moments.length > MOMENTS_MAX) moments.splice(0, moments.length - MOMENTS_MAX);
}

function show(status, sent, received) {
  if (band.status && status.uptime_s < band.status.uptime_s - 1) {
    // Another daemon: its clock began anew.
    moments.length = 0;
    trips = [];
  }
  const trip = (received - sent) / 1000;
  trips.push({ trip, offset: status.uptime_s - (sent + received) / 2000 });
  if (trips.length > TRIPS) trips.shift();
  band.status = status;
  remember(status);
}

let running = null;
let again = false;

/** Asks for everything; one question at a time, and once more if something happened meanwhile. */
export async function refresh() {
  if (running) {
    again = true;
    return running;
  }
  running = (async () => {
    try {
      const sent = performance.now();
      const status = await ask("api/status");
      show(status, sent, performance.now());
      band.queue = await ask("api/queue");
      connected(true);
    } catch {
      connected(false);
    }
    tell();
  })();
  await running;
  running = null;
  if (again) {
    again = false;
    setTimeout(refresh, 100);
  }
}

function connected(is) {
  band.isConnected = is;
  const place = document.getElementById("connection");
  place.hidden = is;
  place.textContent = is ? "" : "The band does not answer; it is looked for.";
}

const NAMES = ["status", "lost", "tune-started", "tune-ended", "tune-refused", "queue-changed", "paused", "resumed", "tune-kept",
  "settings-changed", "sleep-timer", "output-lost", "output-back", "output-added", "output-removed", "stopping"];

/** Begins to follow the daemon. */
export function begin() {
  refresh();
  let events = null;
  const connect = () => {
    events = new EventSource("api/events");
    for (const name of NAMES) events.addEventListener(name, refresh);
    events.addEventListener("ended", () => connected(false));
    // A browser tries again by itself, but not after a refusal.
    events.onerror = () => {
      if (events.readyState === EventSource.CLOSED) setTimeout(connect, POLL_MS);
      refresh();
    };
  };
  connect();
  setInterval(() => {
    if (!document.hidden) refresh();
  }, POLL_MS);
  document.addEventListener("visibilitychange", () => document.hidden || refresh());
}
