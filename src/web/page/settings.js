// How the band plays. In: the settings that hold. Out: fields that show them and change them, wherever they were changed.

import { at, make, send, trouble } from "./ask.js";
import { follow, refresh } from "./band.js";

const FIELDS = [
  ["style", "Who plays", ["auto", "plain", "written", "solo", "session", "ceilidh"]],
  ["times", "Times in a row", { type: "number", min: 1, max: 9 }],
  ["set_tunes", "Tunes of a set", { type: "number", min: 1, max: 9 }],
  ["tempo_scale", "Tempo, 1 as usual", { type: "number", min: 0.5, max: 2, step: 0.05 }],
  ["volume", "Volume", { type: "range", min: 0, max: 100 }],
  ["temperature", "Adventure", { placeholder: "any" }],
  ["gap", "Gap between sets, seconds", { type: "number", min: 0, max: 60, step: 0.5 }],
];

export function begin() {
  const form = at("settings");
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const [name, words, kind] of FIELDS) {
    const field = Array.isArray(kind)
      ? make("select", { name }, ...kind.map((choice) => new Option(choice, choice)))
      : make("input", { name, autocomplete: "off", ...kind });
    field.addEventListener("change", () => change(name, field.value));
    form.append(make("label", {}, words, field));
  }
  follow(({ status }) => {
    for (const [name] of FIELDS) {
      const field = form.elements[name];
      if (document.activeElement !== field && name in status.settings) field.value = parsed(status.settings[name], field);
    }
  });
}

/** `2s` is 2 where a number is shown. */
const parsed = (value, field) => (field.type === "number" ? parseFloat(value) : value);

async function change(name, value) {
  try {
    await send("api/settings", { [name]: value }, "PATCH");
    trouble("");
  } catch (error) {
    trouble(error.message);
    document.activeElement.blur();
  }
  await refresh();
}


