// Sheet music with a cursor on it. In: a sheet (a picture, and the way of the music over it) and, at each moment, how far the
// music is. Out: the picture in its place, the bar that sounds, and the moment somebody points at.

export class Score {
  /** `place` gets the picture; `onSeek(seconds)` is called where somebody points at a moment. */
  constructor(place, onSeek) {
    this.place = place;
    this.onSeek = onSeek;
    this.sheet = null;
    this.cursor = document.createElement("div");
    this.cursor.className = "cursor";
    this.cursor.hidden = true;
    this.line = -1;
    this.bar = null;
    if (onSeek) place.addEventListener("click", (event) => this.seek(event));
  }

  /** How wide a picture should be here, and how large its staves (mm). */
  size() {
    const style = getComputedStyle(this.place);
    const width = this.place.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    const wished = parseFloat(style.getPropertyValue("--staff")) || 7;
    return { width: Math.max(280, Math.min(8000, Math.floor(width))), staff: wished };
  }

  show(sheet) {
    this.sheet = sheet;
    this.line = -1;
    this.bar = null;
    this.cursor.hidden = true;
    if (!sheet) return this.place.replaceChildren();
    const picture = new DOMParser().parseFromString(sheet.svg, "image/svg+xml").documentElement;
    const sheetPlace = document.createElement("div");
    sheetPlace.className = "sheet";
    sheetPlace.append(document.importNode(picture, true), this.cursor);
    this.place.replaceChildren(sheetPlace);
  }

  /** The step of this moment, by halving. */
  step(seconds) {
    const steps = this.sheet ? this.sheet.steps : [];
    let from = 0;
    let to = steps.length;
    while (from < to) {
      const middle = (from + to) >> 1;
      if (steps[middle].at <= seconds) from = middle + 1;
      else to = middle;
    }
    return from > 0 ? steps[from - 1] : null;
  }

  /** Where the cursor is at this moment: its step and its x, in pixels of the picture. */
  at(seconds) {
    const step = this.step(seconds);
    if (!step || seconds > step.until + 0.5) return null;
    const share = Math.min(1, (seconds - step.at) / Math.max(0.001, step.until - step.at));
    return { step, x: step.x + share * (step.x_until - step.x) };
  }

  /** Moves the cursor there; hides it where nothing is known. */
  moveTo(seconds, follows) {
    const found = seconds === null ? null : this.at(seconds);
    this.cursor.hidden = !found;
    if (!found) return this.light(null);
    const line = this.sheet.lines[found.step.line];
    const scale = this.scale();
    this.cursor.style.transform = `translate(${found.x * scale}px, ${line.top * scale}px)`;
    this.cursor.style.height = `${line.height * scale}px`;
    if (this.line !== found.step.line) {
      this.line = found.step.line;
      if (follows) this.comeIntoView(line, scale);
    }
    this.light(found.step.bar);
  }

  light(number) {
    if (this.bar && this.bar.dataset.bar === String(number)) return;
    if (this.bar) this.bar.classList.remove("sounds");
    this.bar = number === null ? null : this.place.querySelector(`g[data-bar="${number}"]`);
    if (this.bar) this.bar.classList.add("sounds");
  }

  /** Pixels of the page a pixel of the picture. */
  scale() {
    const picture = this.place.querySelector("svg");
    return picture ? picture.getBoundingClientRect().width / parseFloat(picture.getAttribute("width")) : 1;
  }

  comeIntoView(line, scale) {
    const top = this.place.getBoundingClientRect().top + line.top * scale;
    const bottom = top + line.height * scale;
    if (top >= 60 && bottom <= innerHeight - 90) return;
    const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    scrollBy({ top: top - innerHeight / 3, behavior: isCalm ? "auto" : "smooth" });
  }

  seek(event) {
    if (!this.sheet) return;
    const box = this.place.querySelector(".sheet").getBoundingClientRect();
    const scale = this.scale();
    const x = (event.clientX - box.left) / scale;
    const y = (event.clientY - box.top) / scale;
    const line = this.sheet.lines.findIndex((line) => y >= line.top && y <= line.top + line.height);
    const near = this.sheet.steps.filter((step) => step.line === line);
    if (!near.length) return;
    const best = near.reduce((a, b) => (Math.abs(a.x - x) <= Math.abs(b.x - x) ? a : b));
    this.onSeek(best.at);
  }
}
