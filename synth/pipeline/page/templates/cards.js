const $ = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const cards = all(".card"), groups = all(".group"), dialog = $("dialog");
const usual = { status: "accepted", mask: "outline" };
const state = {}, undone = [];
let store = null;

const infos = new Map();
function infoOf(card) {
  if (!infos.has(card)) infos.set(card, JSON.parse($("script", card).textContent));
  return infos.get(card);
}
const byId = new Map(cards.map((card) => [card.dataset.id, card]));

// Images and outlines are put in as their cards come near the window: a page may hold thousands.
const watcher = new IntersectionObserver((seen) => {
  for (const one of seen) if (one.isIntersecting) { watcher.unobserve(one.target); fillIn(one.target); }
}, { rootMargin: "600px" });
function fillIn(card) {
  for (const image of all("img[data-src]", card)) { image.src = image.dataset.src; image.removeAttribute("data-src"); }
  outlineOf(card);
}
function outlineOf(card) {
  for (const path of all("path", card)) path.setAttribute("d", infoOf(card).outline);
}
function read() {
  for (const key of Object.keys(state)) delete state[key];
  Object.assign(state, usual);
  for (const [key, value] of new URLSearchParams(location.hash.slice(1))) state[key] = value;
  apply();
}
function go(changes) {
  const next = { ...state, ...changes };
  const parameters = new URLSearchParams(Object.entries(next).filter(([key, value]) => value && value !== usual[key]));
  history.replaceState(null, "", "#" + parameters);
  read();
}
function wanted(card) {
  const { status, mark, reason, edited } = card.dataset;
  if (status === "shot") return true;
  if (state.mark === "edited") return Boolean(edited);
  if (state.mark) return status === "accepted" && (mark || "none") === state.mark;
  if (status === "rejected") return state.status !== "accepted" && (!state.reason || reason === state.reason);
  return state.status === "all" || (state.status === "accepted" && !leftOut(mark));
}
const leftOut = (mark) => ["rejected", "dropped"].includes(mark);
function sort() {
  const name = (state.sort || "").replace(/^-/, ""), sign = (state.sort || "").startsWith("-") ? -1 : 1;
  if (sort.last === state.sort) return;
  sort.last = state.sort;
  for (const place of all(".cards")) {
    const value = (card) => sign * (infoOf(card).scores[name] ?? sign * Infinity);
    const inside = cards.filter((card) => card.parentElement === place);
    place.append(...(name ? inside.map((card, k) => [value(card), k, card]).sort((a, b) => a[0] - b[0] || a[1] - b[1]).map((one) => one[2]) : inside));
  }
}
sort.last = undefined;
const visible = () => all(".card").filter((one) => !one.hidden);
function apply() {
  let shown = 0;
  sort();
  for (const group of groups) {
    const { product, defect } = group.dataset;
    group.hidden = Boolean((state.product && state.product !== product) || (state.defect && state.defect !== defect));
    let here = 0;
    for (const card of all(".card", group)) {
      card.hidden = group.hidden || !wanted(card);
      if (!card.hidden && card.dataset.status !== "shot") here++;
    }
    $(".empty", group).hidden = here > 0;
    shown += here;
  }
  for (const set of all(".set")) {
    for (const button of all("button", set))
      button.setAttribute("aria-pressed", String((state[set.dataset.key] || "") === button.dataset.value));
  }
  $("select[data-key=sort]").value = state.sort || "";
  $(".set[data-key=reason]").hidden = !["rejected", "all"].includes(state.status);
  document.body.dataset.mask = state.mask;
  document.body.dataset.shown = shown;
  $(".shown").textContent = shown + (shown === 1 ? " sample" : " samples");
  const card = state.open && byId.get(state.open);
  if (card) show(card); else if (dialog.open) dialog.close();
}

// Decisions: kept first, then shown.
function put(card, mark) {
  card.dataset.mark = mark || "";
  badge(card);
}
function putMask(card, outline) {
  const info = infoOf(card);
  if (info.drawn === null) info.drawn = info.outline;
  info.outline = outline ?? info.drawn;
  if (info.outline === info.drawn) delete card.dataset.edited; else card.dataset.edited = "yes";
  badge(card);
  if (!$("img[data-src]", card)) outlineOf(card);
}
function badge(card) {
  $(".mark", card).textContent = [card.dataset.mark, card.dataset.edited && "mask edited"].filter(Boolean).join(", ");
}
function count() {
  const numbers = { accepted: 0, rejected: 0, dropped: 0, edited: 0 };
  for (const card of cards) {
    if (card.dataset.mark) numbers[card.dataset.mark]++;
    if (card.dataset.edited) numbers.edited++;
  }
  const parts = Object.entries(numbers).filter(([, number]) => number).map(([name, number]) => `${number} ${name === "edited" ? (number === 1 ? "mask edited" : "masks edited") : name}`);
  const where = store?.served ? "kept in the run as you decide" : "kept by this browser alone: save them as a file, then flawsmith review RUN --apply FILE";
  $(".tally").textContent = parts.length ? `${parts.join(", ")}; ${where}` : "Nothing decided yet: a accepts, r rejects, u takes it back.";
  for (const button of all("[data-do=undo]")) button.disabled = !undone.length;
  for (const button of all("[data-do=save], [data-do=forget]")) button.hidden = !store || store.served || !parts.length;
  $("[data-do=finish]").hidden = !store?.served;
}
async function decide(card, change, remember = true) {
  const id = card.dataset.id, info = infoOf(card);
  const before = "mark" in change ? { id, mark: card.dataset.mark } : { id, outline: card.dataset.edited ? info.outline : null };
  try {
    if ("mark" in change) await store.mark(id, change.mark); else await store.mask(id, change.outline, info.size);
  } catch (problem) {
    return tell(`not kept: ${problem instanceof TypeError ? "flawsmith review does not answer; start it again and open its new address" : problem.message}`);
  }
  if ("mark" in change) put(card, change.mark); else putMask(card, change.outline);
  if (remember) undone.push(before);
  count();
  tell(`${id}: ${"mark" in change ? change.mark || "no decision" : change.outline === null ? "mask as drawn" : "mask edited"}`);
  return true;
}
const judged = (card) => card?.dataset.status === "accepted";
let busy = false; // one decision at a time: a second press must not reach the card that the first one is about
async function mark(name) {
  if (busy) return;
  busy = true;
  try { await judge(name); } finally { busy = false; }
}
async function judge(name) {
  const open = dialog.open, card = open ? byId.get(state.open) : document.activeElement?.closest(".card");
  if (!judged(card)) return;
  const list = visible(), at = list.indexOf(card), next = list.slice(at + 1).find(judged) || list[at - 1];
  const again = card.dataset.mark === name;
  if (!(await decide(card, { mark: again ? "" : name }))) return;
  if (again || !next) apply();
  else if (open) go({ open: next.dataset.id });
  else { apply(); next.focus(); }
}
async function undo() {
  const last = undone.pop();
  if (!last) return;
  const card = byId.get(last.id);
  if (!(await decide(card, last, false))) undone.push(last);
  count();
  if (dialog.open) go({ open: last.id }); else { apply(); if (!card.hidden) card.focus(); }
}
function tell(text) {
  for (const place of all(".told")) place.textContent = text;
  if (text.startsWith("not kept")) $(".tally").textContent = text;
}
function walk(card, key) {
  const list = visible(), here = card.getBoundingClientRect(), at = list.indexOf(card);
  if (key === "ArrowLeft" || key === "ArrowRight") return list[at + (key === "ArrowRight" ? 1 : -1)];
  const sign = key === "ArrowDown" ? 1 : -1, rest = sign > 0 ? list.slice(at + 1) : list.slice(0, Math.max(at, 0)).reverse();
  const below = rest.map((one) => [one, one.getBoundingClientRect()]).filter(([, box]) => sign * (box.top - here.top) > 4);
  const line = below.length ? below[0][1].top : 0;
  return below.filter(([, box]) => Math.abs(box.top - line) < 4).sort((a, b) => Math.abs(a[1].left - here.left) - Math.abs(b[1].left - here.left))[0]?.[0];
}
