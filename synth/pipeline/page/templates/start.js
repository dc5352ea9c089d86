// What buttons and keys do, and the start.
const actions = {
  previous: () => step(-1),
  next: () => step(1),
  whole: () => { frame = null; look(); },
  zoom: () => { frame = [...infoOf(openCard()).box]; look(); },
  pixels,
  compare: () => { comparing = !comparing; arrange(infoOf(openCard())); },
  mask: () => go({ mask: { outline: "tint", tint: "off", off: "outline" }[state.mask] }),
  close: () => go({ open: "" }),
  accept: () => mark("accepted"),
  reject: () => mark("rejected"),
  undo, edit, copy, save, forget, finish, leave, unpaint,
  keep: keepMask,
  drawn: asDrawn,
  add: () => turnBrush(false),
  erase: () => turnBrush(true),
};
const anywhere = { a: "accept", r: "reject", u: "undo" };
const keys = { ...anywhere, ArrowLeft: "previous", ArrowRight: "next", z: "zoom", p: "pixels", 0: "whole", c: "compare", " ": "mask", e: "edit" };
const strokes = { u: unpaint, Enter: keepMask, x: () => turnBrush(!painting.erase), "[": () => size(-1), "]": () => size(1) };

async function save() {
  const text = await store.file((id) => infoOf(byId.get(id)).size), link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = `${document.body.dataset.folder}-decisions.json`;
  link.click();
}
function forget() {
  if (!confirm("Forget what was decided on this page?")) return;
  store.forget();
  location.reload();
}
async function finish() {
  $("[data-do=finish]").disabled = true;
  $(".tally").textContent = "writing the dataset ...";
  try {
    const { lines } = await store.finish();
    document.body.dataset.finished = "yes";
    all("button, select, input").forEach((one) => { one.disabled = true; });
    $(".tally").textContent = `${lines.join("; ")}. This page may be closed.`;
  } catch (problem) { tell(`not kept: ${problem.message}`); }
}
function paint(event) {
  const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
  if ((event.ctrlKey || event.metaKey) && event.key === "z") { event.preventDefault(); return unpaint(); }
  if (event.key === "Escape") { event.preventDefault(); return leave(); }
  if (event.target.matches("input, button") && ["Enter", " ", "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"].includes(event.key)) return;
  if (event.key.startsWith("Arrow")) { event.preventDefault(); return nudge(event.key, event.shiftKey); }
  if (event.key === " ") { event.preventDefault(); startStroke(painting.at); return endStroke(); }
  if (plain && strokes[event.key]) { event.preventDefault(); strokes[event.key](); }
  else if (plain && zooms[event.key]) zoomBy(zooms[event.key], painting.at);
}
const zooms = { "+": 1 / 1.2, "=": 1 / 1.2, "-": 1.2 };

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.dataset.do) return actions[button.dataset.do]();
  if (button?.matches(".yield")) return go({ product: button.dataset.product, defect: button.dataset.defect });
  const set = button?.closest(".set");
  if (set) return go({ [set.dataset.key]: button.dataset.value, ...(set.dataset.key === "status" ? { reason: "", mark: "" } : {}) });
  const card = event.target.closest(".card");
  if (card) return go({ open: card.dataset.id });
  if (event.target === dialog) go({ open: "" });
});
document.addEventListener("change", (event) => {
  if (event.target.dataset.key === "sort") go({ sort: event.target.value });
});
document.addEventListener("keydown", (event) => {
  if (painting) return paint(event);
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select")) return;
  const { key, target } = event, card = target.closest?.(".card");
  if (dialog.open) {
    if (target.matches("input[type=range]") && key.startsWith("Arrow")) return;
    if (zooms[key]) return zoomBy(zooms[key]);
    if (!keys[key] || (key === " " && target.matches("button, a"))) return;
    event.preventDefault();
    return event.repeat && anywhere[key] ? null : actions[keys[key]]();
  }
  if (event.repeat && anywhere[key]) return;
  if (anywhere[key]) { event.preventDefault(); return actions[anywhere[key]](); }
  if (card && key === "Enter") return go({ open: card.dataset.id });
  if (card && key.startsWith("Arrow")) { event.preventDefault(); walk(card, key)?.focus(); }
});
dialog.addEventListener("cancel", (event) => { event.preventDefault(); if (!painting) go({ open: "" }); });
dialog.addEventListener("close", () => { shownId = null; leave(); });
addEventListener("hashchange", read);
for (const card of cards) {
  watcher.observe(card);
  if (infoOf(card).drawn !== null) card.dataset.edited = "yes";
  badge(card);
}
read();
(async () => {
  store = (await ServedStore.open()) || new OwnStore();
  if (store.served) {
    for (const card of cards) {
      if (judged(card)) put(card, store.marks[card.dataset.id]);
      if (judged(card) && (card.dataset.edited || store.masks[card.dataset.id])) putMask(card, store.masks[card.dataset.id] ?? null);
    }
  } else {
    for (const [id, name] of Object.entries(store.marks)) if (byId.has(id)) put(byId.get(id), name);
    for (const [id, outline] of Object.entries(store.masks)) if (byId.has(id)) putMask(byId.get(id), outline);
  }
  count();
  apply();
  document.body.dataset.ready = store.served ? "served" : "alone";
})();
