// A small keyboard for tapping bars. In: taps. Out: notes in ABC, in the length that is chosen.

import { make } from "./ask.js";

const NOTES = ["G,", "A,", "B,", "C", "D", "E", "F", "G", "A", "B", "c", "d", "e", "f", "g", "a", "b"];
const LENGTHS = [["", "♪ eighth"], ["2", "♩ quarter"], ["3", "♩. dotted"], ["4", "half"]];

/** Builds it in `place`; `tap(text)` is called with each note, `back()` to take the last one away. */
export function keyboard(place, tap, back) {
  let length = "";
  const lengths = LENGTHS.map(([value, words]) => make("button", { type: "button", "aria-pressed": String(value === length),
    onclick: (event) => {
      length = value;
      for (const button of lengths) button.setAttribute("aria-pressed", String(button === event.currentTarget));
    } }, words));
  const name = (note) => `${note[0].toUpperCase()}${note.includes(",") ? ", low" : note === note.toLowerCase() ? ", high" : ""}`;
  const keys = NOTES.map((note) => make("button", { type: "button", class: "key", "aria-label": name(note),
    onclick: () => tap(note + length) }, make("span", {}, note[0].toUpperCase())));
  const others = [["z", "rest"], ["| ", "bar line"]].map(([text, words]) => make("button", { type: "button",
    onclick: () => tap(text.trim() === "z" ? `z${length}` : ` ${text}`) }, words));
  place.replaceChildren(
    make("div", { class: "chips", role: "group", "aria-label": "Length of the notes" }, ...lengths, ...others,
      make("button", { type: "button", onclick: back }, "take back")),
    make("div", { class: "piano", role: "group", "aria-label": "Keys" }, ...keys));
}
