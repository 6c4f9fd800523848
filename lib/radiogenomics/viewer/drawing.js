// Drawing: a plane's slice, overlay, outlines, crosshair and letters on its canvas.
// `view` is what sliceViewer (viewer.js) makes.

const OUTLINES = [["#00d5ff", []], ["#7dff6a", [5, 4]]]; // colour and dashes: lesion, second
const HOLE = 9; // CSS pixels around the crosshair's centre
const SHADE = "rgba(0,0,0,.75)"; // under lines and letters, for a white ground
const FONT = "Helvetica, Arial, sans-serif";

function layer(plane, context, paint) { // paint voxel-sized pixels, then stretch them
  const inner = plane.small.getContext("2d");
  const image = inner.createImageData(plane.columns, plane.rows);
  paint(image.data);
  inner.putImageData(image, 0, 0);
  context.drawImage(plane.small, 0, 0, plane.wide, plane.high);
}

function greys({ scene, state, hu }, plane, data) {
  const low = state.level - state.width / 2, gain = 255 / state.width;
  walk(scene, plane, state.at, (pixel, voxel) => {
    data[4 * pixel] = data[4 * pixel + 1] = data[4 * pixel + 2] = (hu[voxel] - low) * gain;
    data[4 * pixel + 3] = 255;
  });
}

function tint({ scale, state }, data, pixel, value) {
  data.set(scale.colours[value], 4 * pixel);
  data[4 * pixel + 3] = 255 * state.opacity * scale.strengths[value];
}

function heats(view, plane, data) {
  const { scene, state, heat } = view;
  walk(scene, plane, state.at, (pixel, voxel) => tint(view, data, pixel, heat[voxel]));
}

function outlineOf({ scene, state, masks }, plane, which) { // drawn once, then kept
  const key = which * scene.shape[plane.through] + state.at[plane.through];
  if (!plane.paths.has(key)) {
    const inside = new Uint8Array(plane.columns * plane.rows);
    walk(scene, plane, state.at, (pixel, voxel) => { inside[pixel] = masks[which](voxel); });
    plane.paths.set(key, traced(edges(plane, inside), plane.columns + 1));
  }
  return plane.paths.get(key);
}

function outlined(view, plane, context) {
  const stretch = new DOMMatrix([plane.wide / plane.columns, 0, 0, plane.high / plane.rows, 0, 0]);
  view.masks.forEach((_, which) => {
    const path = new Path2D();
    path.addPath(outlineOf(view, plane, which), stretch);
    context.setLineDash(OUTLINES[which][1].map((length) => length / view.state.zoom));
    stroke(context, path, SHADE, 3.5 / view.state.zoom);
    stroke(context, path, OUTLINES[which][0], 1.6 / view.state.zoom);
  });
  context.setLineDash([]);
}

function stroke(context, path, colour, thick) {
  context.strokeStyle = colour;
  context.lineWidth = thick;
  context.stroke(path);
}

function crosshair({ state }, plane, context) {
  const [right, down] = sharesOf(plane, state.at);
  const x = right * plane.wide, y = down * plane.high, hole = HOLE / state.zoom;
  const path = new Path2D();
  path.rect(0, y, x - hole, 0);
  path.rect(x + hole, y, plane.wide, 0);
  path.rect(x, 0, 0, y - hole);
  path.rect(x, y + hole, 0, plane.high);
  stroke(context, path, "rgba(255,238,140,.6)", 1 / state.zoom);
}

function write(context, text, x, y, align, colour = "#fff") {
  Object.assign(context, { textAlign: align, lineJoin: "round", lineWidth: 3, strokeStyle: SHADE });
  context.strokeText(text, x, y);
  context.fillStyle = colour;
  context.fillText(text, x, y);
}

function annotate({ scene, state }, plane, context) {
  const { wide, high } = plane, [left, right, top, bottom] = plane.letters;
  context.font = `600 13px ${FONT}`;
  write(context, left, 5, high / 2 + 5, "left");
  write(context, right, wide - 5, high / 2 + 5, "right");
  write(context, top, wide / 2, 15, "center");
  write(context, bottom, wide / 2, high - 6, "center");
  context.font = `600 11px ${FONT}`;
  if (scene.synthetic) write(context, "SYNTHETIC", 6, 14, "left", "#ffb454");
  context.font = `11px ${FONT}`;
  if (wide > 190) write(context, `W ${state.width} L ${state.level}`, wide - 6, 14, "right");
  scaleBar(plane, context, lengthOf(scene, plane.across) / state.zoom);
}

function scaleBar({ wide, high }, context, across) {
  const bar = [50, 20, 10, 5, 2, 1].find((n) => n <= across / 3) || 1;
  const path = new Path2D(), end = 8 + (bar / across) * wide;
  for (const [x, y] of [[8, 12], [8, 8], [end, 8], [end, 12]]) path.lineTo(x, high - y);
  stroke(context, path, SHADE, 4);
  stroke(context, path, "#fff", 1.5);
  write(context, `${bar} mm`, 8, high - 16, "left");
}

function picture(view, plane) {
  const context = plane.canvas.getContext("2d"), dense = window.devicePixelRatio || 1;
  const nearer = dense * view.state.zoom, [left, top] = plane.shift;
  context.setTransform(nearer, 0, 0, nearer, dense * left * plane.wide, dense * top * plane.high);
  context.imageSmoothingQuality = "high";
  layer(plane, context, (data) => greys(view, plane, data));
  if (view.heat && view.state.overlay) layer(plane, context, (data) => heats(view, plane, data));
  if (view.state.outlines) outlined(view, plane, context);
  crosshair(view, plane, context);
  context.setTransform(dense, 0, 0, dense, 0, 0);
  annotate(view, plane, context);
}

function colourBar(view) { // as on the picture: over grey, with the same opacity
  if (!view.scale) return;
  const context = view.tools.bar.getContext("2d"), image = context.createImageData(LEVELS + 1, 1);
  for (let i = 0; i <= LEVELS; i++) tint(view, image.data, i, i);
  context.putImageData(image, 0, 0);
}
