// Correcting a mask: a round brush on whole pixels, by pointer or by keys.
let painting = null;
const brush = $("[data-brush]");

function edit() {
  const card = openCard(), info = infoOf(card);
  if (!info.paintable || painting) return;
  const [width, height] = info.size, [left, top, wide, tall] = info.box;
  painting = { card, width, height, mask: fill(info.outline, width, height), outline: info.outline, strokes: [], last: null, erase: false,
    at: [left + wide / 2, top + tall / 2] };
  if (!frame) frame = [...info.box];
  document.body.classList.add("painting");
  paintingTools();
  arrange(info);
  redraw();
}
function leave() {
  if (!painting) return;
  painting = null;
  document.body.classList.remove("painting");
  $("#after circle").setAttribute("r", 0);
  paintingTools();
  if (openCard()) arrange(infoOf(openCard()));
}
function paintingTools() {
  $("#looking").hidden = Boolean(painting);
  $("#painting").hidden = !painting;
  if (!painting) return;
  $("[data-do=add]").setAttribute("aria-pressed", String(!painting.erase));
  $("[data-do=erase]").setAttribute("aria-pressed", String(painting.erase));
  $("#painting output").textContent = brush.value;
  $("[data-do=unpaint]").disabled = !painting.strokes.length;
}
function redraw() {
  painting.outline = trace(painting.mask, painting.width, painting.height);
  look();
  showBrush();
}
function showBrush() {
  const circle = $("#after circle");
  for (const [name, value] of Object.entries({ cx: painting.at[0], cy: painting.at[1], r: brush.value / 2 })) circle.setAttribute(name, value);
}
function dab([x, y]) {
  const radius = Number(brush.value) / 2, { width, height, mask } = painting;
  for (let row = Math.max(0, Math.floor(y - radius)); row <= Math.min(height - 1, y + radius); row++)
    for (let column = Math.max(0, Math.floor(x - radius)); column <= Math.min(width - 1, x + radius); column++)
      if (Math.hypot(column + 0.5 - x, row + 0.5 - y) <= Math.max(radius, 0.71)) mask[row * width + column] = painting.erase ? 0 : 1;
}
function startStroke([x, y]) {
  painting.strokes.push(painting.mask.slice());
  painting.at = painting.last = [x, y];
  dab(painting.at);
  redraw();
  paintingTools();
}
function moveBrush([x, y]) {
  painting.at = [x, y];
  if (!painting.last) return showBrush();
  const [fromX, fromY] = painting.last, steps = Math.ceil(Math.hypot(x - fromX, y - fromY)) || 1;
  for (let k = 1; k <= steps; k++) dab([fromX + ((x - fromX) * k) / steps, fromY + ((y - fromY) * k) / steps]);
  painting.last = [x, y];
  redraw();
}
function endStroke() {
  if (painting) painting.last = null;
}
function nudge(key, far) {
  const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key], by = far ? 10 : 1;
  const [x, y] = painting.at;
  painting.at = [Math.min(Math.max(x + by * dx, 0), painting.width), Math.min(Math.max(y + by * dy, 0), painting.height)];
  showBrush();
}
function unpaint() {
  if (!painting.strokes.length) return;
  painting.mask = painting.strokes.pop();
  redraw();
  paintingTools();
}
async function keepMask() {
  const { card, outline } = painting, info = infoOf(card);
  if (!outline) return tell("a defect has a mask: reject the sample if there is none to see");
  if (outline !== info.outline && !(await decide(card, { outline: outline === (info.drawn ?? info.outline) ? null : outline }))) return;
  leave();
  describe(card, info);
}
function asDrawn() {
  const info = infoOf(painting.card);
  painting.strokes.push(painting.mask);
  painting.mask = fill(info.drawn ?? info.outline, painting.width, painting.height);
  redraw();
  paintingTools();
}
function turnBrush(erase) { painting.erase = erase; paintingTools(); }
function size(by) { brush.value = Number(brush.value) + by; paintingTools(); showBrush(); }
brush.addEventListener("input", () => { paintingTools(); showBrush(); });
