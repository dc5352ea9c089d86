// A cloud that the pointer turns.
const canvas = $("#turn canvas"), pose = { yaw: 0.5, pitch: 0.4, from: null };
let solid = null;
function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0)), view = new DataView(bytes.buffer);
  return Array.from({ length: bytes.length / 8 }, (_, k) => ({
    place: [0, 2, 4].map((at) => view.getInt16(8 * k + at, true) / 32000), tone: bytes[8 * k + 6], label: bytes[8 * k + 7] }));
}
function draw() {
  const side = canvas.width = canvas.height = 700, pen = canvas.getContext("2d");
  const [a, b, c, d] = [Math.cos(pose.yaw), Math.sin(pose.yaw), Math.cos(pose.pitch), Math.sin(pose.pitch)];
  const seen = solid.map(({ place: [x, y, z], tone, label }) => {
    const near = -b * x + a * z;
    return [a * x + b * z, c * y - d * near, d * y + c * near, tone, label];
  }).sort((one, other) => one[2] - other[2]);
  for (const [x, y, z, tone, label] of seen) {
    const shade = Math.round(tone * (0.8 + 0.2 * z));
    pen.fillStyle = label ? `rgb(${200 + 0.2 * shade},${0.25 * shade},${60 + 0.2 * shade})` : `rgb(${shade},${shade},${shade})`;
    pen.fillRect(side * (0.5 + 0.36 * x) - 3, side * (0.5 - 0.36 * y) - 3, 6, 6);
  }
  Object.assign(canvas.dataset, { points: seen.length, defect: seen.filter((one) => one[4]).length, yaw: pose.yaw.toFixed(3) });
}
canvas.addEventListener("pointerdown", (event) => { pose.from = [event.clientX, event.clientY]; });
addEventListener("pointerup", () => { pose.from = null; });
addEventListener("pointermove", (event) => {
  if (!pose.from || !solid) return;
  pose.yaw += 0.01 * (event.clientX - pose.from[0]);
  pose.pitch = Math.max(-1.5, Math.min(1.5, pose.pitch + 0.01 * (event.clientY - pose.from[1])));
  pose.from = [event.clientX, event.clientY];
  draw();
});
