// Where decisions are kept: in the run, by `flawsmith review`, which serves this page; or else by the browser.
class ServedStore {
  served = true;
  constructor(known) { Object.assign(this, known); }
  static async open() {
    if (!location.protocol.startsWith("http")) return null;
    try {
      const known = await (await fetch("../api/decisions")).json();
      return known.run === document.body.dataset.run ? new ServedStore(known) : null;
    } catch { return null; }
  }
  async send(method, place, body, type) {
    const answer = await fetch(`../api/${place}`, { method, body, headers: type ? { "Content-Type": type } : {} });
    const found = await answer.json();
    if (!answer.ok) throw new Error(found.error);
    return found;
  }
  mark(id, mark) { return this.send("POST", "marks", JSON.stringify({ id, mark: mark || null }), "application/json"); }
  async mask(id, outline, size) {
    const place = `masks/${encodeURIComponent(id)}`;
    await (outline === null ? this.send("DELETE", place) : this.send("PUT", place, await picture(outline, ...size), "image/png"));
  }
  finish() { return this.send("POST", "finish"); }
}
class OwnStore {
  served = false;
  constructor() {
    this.key = `flawsmith ${document.body.dataset.run}`;
    this.marks = {}; this.masks = {};
    try { Object.assign(this, JSON.parse(localStorage.getItem(this.key) || "{}")); } catch { /* kept until the page is closed */ }
  }
  keep() {
    try { localStorage.setItem(this.key, JSON.stringify({ marks: this.marks, masks: this.masks })); } catch { /* as above */ }
  }
  async mark(id, mark) { this.marks[id] = mark || null; this.keep(); }
  async mask(id, outline) { this.masks[id] = outline; this.keep(); }
  forget() { this.marks = {}; this.masks = {}; this.keep(); }
  async file(sizes) {
    const masks = {};
    for (const [id, outline] of Object.entries(this.masks)) {
      const content = outline === null ? null : new Uint8Array(await (await picture(outline, ...sizes(id))).arrayBuffer());
      masks[id] = content && btoa(content.reduce((text, one) => text + String.fromCharCode(one), ""));
    }
    return JSON.stringify({ flawsmith: "decisions", run: document.body.dataset.run, marks: this.marks, masks }, null, 1);
  }
}
