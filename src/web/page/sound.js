// The band's sound in this browser. In: whether somebody listens. Out: the daemon's stream, what the lock screen shows of it, and
// which moment of the daemon's clock is heard just now.

import { ask, at, order, trouble } from "./ask.js";
import { band, daemonNow, follow, placeAt, refresh } from "./band.js";
import { facts } from "./music.js";

const stream = at("stream");
/** The last is how much later than its time a player of MP3 gives a frame: it makes nothing of the first two that it gets, which
 * lean on frames before them, and the encoder lags by 1105 samples. */
const formats = [["stream.opus", "audio/ogg; codecs=opus", 0], ["stream.mp3", "audio/mpeg", 0.071], ["stream.flac", "audio/flac", 0]];
/** The stream comes in slices of so many seconds. */
const SLICE_S = 0.2;
/** Tried again after so long, and twice as long each time, while somebody wants to listen. */
const RETRY_MS = [500, 8000];

export const sound = { isWanted: false, isHeard: false };
const followers = new Set();
/** When the first frame of the stream was due, by the daemon's clock; null until that is known. */
let begins = null;
/** What the player calls that frame's moment. Firefox counts from 0, Chromium from where the stream was when it came. */
let firstTime = 0;
/** Of the format that plays. */
let lag = 0;
let name = "";
let retryMs = RETRY_MS[0];
let retry = 0;

export function followSound(follower) {
  followers.add(follower);
  follower(sound);
}

const tell = () => followers.forEach((follower) => follower(sound));

/** The moment of the daemon's clock that is heard: the stream's own position where this browser plays, else now. */
export function heardMoment() {
  if (sound.isHeard && begins !== null) return begins + stream.currentTime - firstTime;
  return daemonNow();
}

export function listen() {
  sound.isWanted = true;
  clearTimeout(retry);
  // Each time from the present: what was paused is gone.
  name = Math.random().toString(36).slice(2, 12);
  begins = null;
  const found = formats.find(([, type]) => stream.canPlayType(type)) || formats[formats.length - 1];
  lag = found[2];
  stream.src = `${found[0]}?burst=3&listener=${name}`;
  stream.play().catch((error) => {
    if (error.name !== "AbortError") {
      stop();
      trouble(error.name === "NotAllowedError" ? "The browser wants a click before it plays." : "The stream cannot be played here.");
    }
  });
  tell();
}

export function stop() {
  sound.isWanted = false;
  sound.isHeard = false;
  clearTimeout(retry);
  stream.pause();
  stream.removeAttribute("src");
  stream.load();
  begins = null;
  tell();
}

export const toggle = () => (sound.isWanted ? stop() : listen());

export function changeVolume(by) {
  stream.volume = Math.min(1, Math.max(0, Math.round((stream.volume + by) * 10) / 10));
}

async function learnBeginning(of) {
  for (let tries = 0; tries < 20 && name === of && begins === null; tries += 1) {
    try {
      begins = (await ask(`api/listeners/${of}`)).begins_s;
    } catch {
      await new Promise((done) => setTimeout(done, 300));
    }
  }
}

// Its first moment, before it moves on. Of a joined Ogg stream Chromium leaves the first packet and the pre-skip out, as if they
// were its beginning, and sets its time back by as much: what is heard is later than it says by twice that.
stream.addEventListener("canplay", () => {
  if (begins !== null) return;
  const first = stream.currentTime;
  const leftOut = Math.round(first / SLICE_S) * SLICE_S - first;
  firstTime = first - leftOut + lag;
});
stream.addEventListener("playing", () => {
  sound.isHeard = true;
  retryMs = RETRY_MS[0];
  learnBeginning(name);
  tell();
});
for (const event of ["error", "ended"]) {
  stream.addEventListener(event, () => {
    if (!sound.isWanted || !stream.src) return;
    sound.isHeard = false;
    tell();
    retry = setTimeout(() => sound.isWanted && listen(), retryMs);
    retryMs = Math.min(retryMs * 2, RETRY_MS[1]);
  });
}
stream.addEventListener("pause", () => {
  // Somebody's headphones, or the system: the stream is live, and is begun anew.
  if (sound.isWanted && !stream.ended && !stream.error) stop();
});

/** What the lock screen shows, and its buttons. */
function tellSystem() {
  const session = navigator.mediaSession;
  if (!session || !window.MediaMetadata) return;
  const place = placeAt(heardMoment());
  const known = [band.status && band.status.now, ...band.queue].filter(Boolean);
  const tune = known.find((tune) => place && tune.id === place.id) || known[0];
  if (!tune || !sound.isWanted) return;
  session.metadata = new MediaMetadata({ title: tune.title, artist: "ceilid", album: facts(tune),
    artwork: [{ src: new URL("icon.svg", document.baseURI).href, sizes: "any", type: "image/svg+xml" }] });
  session.playbackState = sound.isHeard ? "playing" : "paused";
}

export function begin() {
  const session = navigator.mediaSession;
  const buttons = { play: listen, pause: stop, stop, nexttrack: () => order("api/skip").then(refresh) };
  for (const [button, work] of Object.entries(buttons)) {
    try {
      session.setActionHandler(button, work);
    } catch {
      // This system has no such button.
    }
  }
  follow(tellSystem);
  followSound(tellSystem);
}
