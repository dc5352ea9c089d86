// The large view: before and after at any zoom, beside each other or under a slider.
let frame = null, comparing = false, shownId = null;
const fullSize = (info) => [0, 0, ...info.size];
const openCard = () => byId.get(state.open);

function load(image, info, file, spare, spareBox) {
  const lay = (source, [x, y, width, height]) => {
    for (const [name, value] of Object.entries({ x, y, width, height, href: source })) image.setAttribute(name, value);
  };
  image.setAttribute("preserveAspectRatio", "none");
  // The full-size file lies beside the page; where the page was moved alone, the thumbnail must do.
  image.onerror = () => { image.onerror = null; lay(spare, spareBox); };
  lay(file, fullSize(info));
}
function show(card) {
  fillIn(card);
  const info = infoOf(card), images = all("img", card).map((image) => image.src), { before, after } = info.files;
  if (shownId !== card.dataset.id) { frame = null; leave(); }
  shownId = card.dataset.id;
  load($("#after image"), info, after, images[0], fullSize(info));
  if (before) for (const image of all("#before image, #after .over")) load(image, info, before, images[1], info.box);
  $("#turn").hidden = !info.cloud;
  $(".view").classList.toggle("solid", Boolean(info.cloud));
  solid = info.cloud ? unpack(info.cloud) : null;
  if (solid) draw();
  if (!dialog.open) dialog.showModal();
  arrange(info);
  describe(card, info);
}
function arrange(info) {
  const both = Boolean(info.files.before), slider = both && comparing && !painting;
  $("#before").hidden = !both || slider;
  $(".view").classList.toggle("single", !both || slider);
  for (const one of all("#after .over, #after line")) one.style.display = slider ? "" : "none";
  $("#after input").hidden = !slider;
  $("#after span").textContent = slider ? "before | after" : both ? "after" : info.kind === "shot" ? "real shot" : info.kind;
  $("[data-do=compare]").setAttribute("aria-pressed", String(slider));
  look(info);
}
function look(info = infoOf(openCard())) {
  const [x, y, width, height] = frame || fullSize(info), pane = $("#after svg");
  for (const svg of all("#before svg, #after svg")) svg.setAttribute("viewBox", [x, y, width, height].join(" "));
  const scale = Math.min(pane.clientWidth / width, pane.clientHeight / height);
  $(".view").classList.toggle("coarse", scale >= 2);
  // What of the image the pane shows, its margins included: where the slider's line runs.
  const wide = pane.clientWidth / scale, left = x + (width - wide) / 2, cut = left + (wide * $("#after input").value) / 1000;
  const rect = $("#left rect");
  for (const [name, value] of Object.entries({ x: left, y: y - 2 * height, width: Math.max(0, cut - left), height: 5 * height })) rect.setAttribute(name, value);
  for (const [name, value] of Object.entries({ x1: cut, x2: cut, y1: y - 2 * height, y2: y + 3 * height })) $("#after line").setAttribute(name, value);
  $("#after path").setAttribute("d", painting ? painting.outline : info.outline);
}
function describe(card, info) {
  const terms = document.createElement("dl"), list = visible().filter((one) => one.dataset.status !== "shot");
  terms.className = "terms";
  const known = { status: info.label ? `${info.kind}: ${info.label}` : info.kind, "your decision": $(".mark", card).textContent, ...info.detail };
  for (const [name, value] of Object.entries(known)) {
    if (value === null || value === "") continue;
    const term = document.createElement("dt"), text = document.createElement("dd");
    term.textContent = name.replaceAll("_", " ");
    text.textContent = value;
    terms.append(term, text);
  }
  const title = document.createElement("h3");
  title.textContent = info.id.replace(/^shot\//, "");
  $("aside", dialog).replaceChildren(title, terms);
  $(".place").textContent = !list.includes(card) ? "" : `${list.indexOf(card) + 1} of ${list.length}`;
  for (const link of all("a[data-file]")) {
    const file = info.files[link.dataset.file];
    link.hidden = !file;
    if (file) link.href = file;
  }
  for (const name of ["accept", "reject", "copy"]) $(`#looking [data-do=${name}]`).hidden = !judged(card);
  for (const name of ["accept", "reject"]) $(`#looking [data-do=${name}]`).setAttribute("aria-pressed", String(card.dataset.mark === `${name}ed`));
  $("[data-do=edit]").hidden = !info.paintable;
}
function placeOf(event) {
  const svg = $("#after svg"), point = new DOMPoint(event.clientX, event.clientY).matrixTransform(event.currentTarget.closest("svg").getScreenCTM().inverse());
  return [point.x, point.y, svg];
}
function zoomBy(factor, around) {
  const info = infoOf(openCard()), [x, y, width, height] = frame || fullSize(info);
  const [cx, cy] = around || [x + width / 2, y + height / 2];
  const most = Math.max(...info.size) / Math.max(width, height), least = 4 / Math.max(width, height);
  const by = Math.min(Math.max(factor, least), most);
  frame = by === most ? null : [cx - (cx - x) * by, cy - (cy - y) * by, width * by, height * by];
  look();
}
function pixels() {
  const info = infoOf(openCard()), [left, top, width, height] = info.box, pane = $("#after svg");
  const [wide, tall] = [pane.clientWidth / 8, pane.clientHeight / 8];
  frame = [left + (width - wide) / 2, top + (height - tall) / 2, wide, tall];
  look();
}
function step(by) {
  const list = visible(), at = list.findIndex((one) => one.dataset.id === state.open);
  const next = list[(at + by + list.length) % list.length];
  if (next) go({ open: next.dataset.id });
}
const drag = { from: null };
for (const svg of all("#before svg, #after svg")) {
  svg.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoomBy(1.2 ** Math.sign(event.deltaY), placeOf(event));
  }, { passive: false });
  svg.addEventListener("pointerdown", (event) => {
    svg.setPointerCapture(event.pointerId);
    if (painting && svg.closest("#after") && event.button === 0) return startStroke(placeOf(event));
    drag.from = placeOf(event);
  });
  svg.addEventListener("pointermove", (event) => {
    if (painting && svg.closest("#after")) moveBrush(placeOf(event));
    if (!drag.from) return;
    const [x, y, width, height] = frame || fullSize(infoOf(openCard())), [now, low] = placeOf(event);
    frame = [x + drag.from[0] - now, y + drag.from[1] - low, width, height];
    look();
  });
  svg.addEventListener("pointerup", () => { drag.from = null; endStroke(); });
}
addEventListener("resize", () => { if (dialog.open) look(); });
$("#after input").addEventListener("input", () => look());
async function copy() {
  const run = store.path || document.body.dataset.folder;
  const quoted = (text) => (/^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
  const command = `flawsmith regenerate ${quoted(run)} ${quoted(state.open)}`;
  try { await navigator.clipboard.writeText(command); tell(`copied: ${command}`); } catch { tell(command); }
}
