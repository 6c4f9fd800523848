// One slice with its outline. The kernel sends grey values and mask of the slice that is asked
// for; clicks and strokes go back. (z, y, x) are the CT's voxels.

const GROW = 0, ADD = 1; // modes; 2 erases
const HEIGHT = 560; // CSS pixels
const FILL = [255, 80, 60, 90], EDGE = [255, 80, 60, 255];

function paint(context, state) {
  const { width, height, grey, mask } = state, picture = context.createImageData(width, height);
  for (let i = 0; i < grey.length; i++) {
    const edge = mask[i] && !(mask[i - 1] && mask[i + 1] && mask[i - width] && mask[i + width]);
    const [r, g, b, a] = edge ? EDGE : mask[i] ? FILL : [0, 0, 0, 0], part = a / 255;
    picture.data[4 * i] = grey[i] * (1 - part) + r * part;
    picture.data[4 * i + 1] = grey[i] * (1 - part) + g * part;
    picture.data[4 * i + 2] = grey[i] * (1 - part) + b * part;
    picture.data[4 * i + 3] = 255;
  }
  context.putImageData(picture, 0, 0);
}

function dab(state, x, y, radius, value) {
  for (let v = -radius; v <= radius; v++)
    for (let u = -radius; u <= radius; u++) {
      const inside = u * u + v * v <= radius * radius && x + u >= 0 && x + u < state.width;
      if (inside && y + v >= 0 && y + v < state.height) state.mask[(y + v) * state.width + x + u] = value;
    }
}

function render({ model, el }) {
  const canvas = document.createElement("canvas"), context = canvas.getContext("2d");
  const where = document.createElement("p");
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  el.style.flex = "0 0 auto";
  canvas.width = canvas.height = 0; // until a patient is chosen
  where.textContent = "choose a patient";
  canvas.style.cssText = `image-rendering:pixelated;cursor:crosshair;touch-action:none`;
  el.append(canvas, where);
  let state = null, stroke = false;

  const see = (z) => model.send({ kind: "see", z });
  const voxel = (event) => {
    const box = canvas.getBoundingClientRect();
    const at = (place, start, size, n) => Math.min(Math.floor(((place - start) / size) * n), n - 1);
    return [at(event.clientX, box.left, box.width, state.width), at(event.clientY, box.top, box.height, state.height)];
  };
  const brush = (event) => {
    dab(state, ...voxel(event), model.get("radius"), model.get("mode") === ADD ? 1 : 0);
    paint(context, state);
  };
  const finish = () => {
    if (stroke) model.send({ kind: "slice", z: state.z }, undefined, [state.mask.buffer.slice(0)]);
    stroke = false;
  };

  model.on("msg:custom", (message, buffers) => {
    if (message.kind !== "slice") return;
    const [, height, width] = model.get("shape");
    const bytes = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice();
    state = { z: message.z, width, height, grey: bytes(buffers[0]), mask: bytes(buffers[1]) };
    [canvas.width, canvas.height] = [width, height];
    canvas.style.height = `${HEIGHT}px`;
    canvas.style.width = `${(HEIGHT * width) / (height * model.get("aspect"))}px`;
    where.textContent = `slice ${message.z + 1} of ${model.get("shape")[0]} (wheel, ↑ ↓)`;
    canvas.setAttribute("aria-label", where.textContent);
    paint(context, state);
  });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    if (state) see(state.z + (event.deltaY < 0 ? 1 : -1));
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowUp: 1, ArrowDown: -1, PageUp: 5, PageDown: -5 }[event.key];
    if (!state || !step) return;
    event.preventDefault();
    see(state.z + step);
  });
  canvas.addEventListener("pointerdown", (event) => {
    if (!state) return;
    canvas.focus();
    const [x, y] = voxel(event);
    if (model.get("mode") === GROW) model.send({ kind: "point", z: state.z, y, x });
    else { stroke = true; canvas.setPointerCapture(event.pointerId); brush(event); }
  });
  canvas.addEventListener("pointermove", (event) => { if (stroke) brush(event); });
  canvas.addEventListener("pointerup", finish);
  canvas.addEventListener("pointercancel", finish);
  see(model.get("place"));
}

export default { render };
