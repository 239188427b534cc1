// What a tune's facts are called. In: ABC's own letters. Out: words for people.

export const DANCES = ["reel", "jig", "slip jig", "slide", "hornpipe", "polka", "waltz", "march", "strathspey", "air"];
export const KEYS = ["D", "G", "A", "C", "F", "Bb", "Em", "Am", "Bm", "Dm", "Gm", "Edor", "Ador", "Ddor", "Amix", "Dmix", "Gmix"];
/** The usual metre of each dance. */
export const METRES = { reel: "4/4", jig: "6/8", "slip jig": "9/8", slide: "12/8", hornpipe: "4/4", polka: "2/4",
  waltz: "3/4", march: "4/4", strathspey: "4/4", air: "4/4" };

const MODES = { maj: "major", min: "minor", m: "minor", dor: "dorian", mix: "mixolydian", lyd: "lydian", phr: "phrygian", loc: "locrian" };

/** `Edor` → `E dorian`. */
export function keyName(key) {
  const parts = /^([A-G])([#b]?)\s*([A-Za-z]*)/.exec(key || "");
  if (!parts) return key || "";
  const sign = { "#": "♯", b: "♭", "": "" }[parts[2]];
  const mode = parts[3] ? MODES[parts[3].slice(0, 3).toLowerCase()] || MODES[parts[3]] || parts[3] : "major";
  return `${parts[1]}${sign} ${mode}`;
}

/** `jig · D major · 6/8`. */
export const facts = (tune) =>
  [tune.rhythm, tune.key && keyName(tune.key), tune.meter].filter(Boolean).join(" · ");

/** The first field of this letter in a tune's text. */
export function field(abc, letter) {
  const found = new RegExp(`^${letter}:[ \\t]*([^%\\n]*)`, "m").exec(abc);
  return found ? found[1].trim() : "";
}

/** Choices of a select: values or `[value, words]`. */
export function choices(select, rows) {
  select.replaceChildren(...rows.map((row) => {
    const [value, words] = Array.isArray(row) ? row : [row, row];
    return new Option(words, value);
  }));
}
