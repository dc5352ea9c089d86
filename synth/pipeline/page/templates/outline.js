// A mask as bytes 0 or 1, row by row, and its outline along the pixels' edges, as synth.io.thumbnails.outline makes it.
function trace(mask, width, height) {
  const at = (x, y) => (x >= 0 && y >= 0 && x < width && y < height ? mask[y * width + x] : 0);
  const corners = [];
  for (let y = 0; y <= height; y++) {
    for (let x = 0; x <= width; x++) {
      const [a, b, c, d] = [at(x - 1, y - 1), at(x, y - 1), at(x - 1, y), at(x, y)], count = a + b + c + d;
      if (count % 2) corners.push([x, y]);
      else if (count === 2 && a === d) corners.push([x, y], [x, y]);
    }
  }
  const partners = (before) => {
    const order = corners.map((_, k) => k).sort(before), partner = [];
    for (let k = 0; k < order.length; k += 2) { partner[order[k]] = order[k + 1]; partner[order[k + 1]] = order[k]; }
    return partner;
  };
  const along = partners((i, j) => corners[i][1] - corners[j][1] || corners[i][0] - corners[j][0] || i - j);
  const down = partners((i, j) => corners[i][0] - corners[j][0] || corners[i][1] - corners[j][1] || i - j);
  const seen = [], rings = [];
  corners.forEach(([left, top], first) => {
    if (seen[first]) return;
    const steps = [`M${left} ${top}`];
    for (let here = first; ;) {
      const beside = along[here], below = down[beside];
      seen[here] = seen[beside] = true;
      steps.push(`h${corners[beside][0] - corners[here][0]}`);
      if (below === first) break;
      steps.push(`v${corners[below][1] - corners[beside][1]}`);
      here = below;
    }
    rings.push(steps.join("") + "z");
  });
  return rings.join("");
}
function fill(outline, width, height) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.fill(new Path2D(outline), "evenodd");
  const pixels = pen.getImageData(0, 0, width, height).data;
  return Uint8Array.from({ length: width * height }, (_, k) => (pixels[4 * k + 3] > 127 ? 1 : 0));
}
function picture(outline, width, height) {
  const mask = fill(outline, width, height);
  const canvas = Object.assign(document.createElement("canvas"), { width, height }), pen = canvas.getContext("2d");
  const image = pen.createImageData(width, height);
  mask.forEach((one, k) => image.data.set([255 * one, 255 * one, 255 * one, 255], 4 * k));
  pen.putImageData(image, 0, 0);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}
