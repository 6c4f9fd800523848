// The slice viewer: CT, outlines and an overlay in three linked planes.
// viewer.py says what `scene` and `packed` hold, and starts it: `startStatic` in a page without
// a kernel, `render` in a live JupyterLab. Arrays are (z, y, x), axes LPS.

const PRESETS = { Lung: [1500, -600], Mediastinum: [400, 40] }; // window width and level, HU
const PLANES = [ // axes of the array; letters at the left, right, top and bottom
  { name: "axial", axis: "z", through: 0, down: 1, across: 2, headUp: false, letters: "RLAP" },
  { name: "coronal", axis: "y", through: 1, down: 0, across: 2, headUp: true, letters: "RLHF" },
  { name: "sagittal", axis: "x", through: 2, down: 0, across: 1, headUp: true, letters: "APHF" },
];
const INFERNO = [ // plotly's anchors of matplotlib's map
  [0, 0, 4], [27, 12, 65], [74, 12, 107], [120, 28, 109], [165, 44, 96], [207, 68, 70],
  [237, 105, 37], [251, 155, 6], [247, 209, 61], [252, 255, 164],
];
const BELOW = [60, 110, 220], ABOVE = [230, 110, 10]; // of an overlay with values on both sides of 0
const OUTLINES = [["#00d5ff", []], ["#7dff6a", [5, 4]]]; // colour and dashes: lesion, second
const LEVELS = 100; // of the overlay, from the low to the high end of its range
const SOLID = 0.5; // of the range: overlay values from here on have the full opacity, smaller ones less
const GAP = 12, STACKED = 640, TALLEST = 460, HOLE = 9, DRAG = 8; // CSS pixels
const SHADE = "rgba(0,0,0,.75)"; // under lines and letters, for a white ground
const FAR = 5; // slices a PageUp
const HELP = [
  ["↑ ↓ (or wheel, once a picture is clicked)", "next, previous slice; Page keys: five; Home, End"],
  ["click, drag", "move the crosshair in all planes"],
  ["drag with Shift or the right button", "window: sideways the width, up and down the level"],
  ["touch", "tap: crosshair; drag sideways: slices"],
  ["1, 2", "window: lung, mediastinum"],
  ["o, l, c", "overlay, outlines on or off; back to the lesion"],
];

function make(tag, properties, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

/* Undo the prediction: each value was coded as its distance from the mean of left and upper. */
function decode(low, high, [nz, ny, nx]) {
  const values = new Uint16Array(nz * ny * nx);
  for (let i = 0; i < values.length; i++) {
    const x = i % nx, y = Math.floor(i / nx) % ny;
    const left = x ? values[i - 1] : y ? values[i - nx] : 0;
    const upper = y ? values[i - nx] : left;
    const zigzag = low[i] | (high[i] << 8);
    values[i] = ((left + upper) >> 1) + (zigzag & 1 ? -((zigzag + 1) >> 1) : zigzag >> 1);
  }
  return values;
}

async function unpack(scene, packed) {
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const size = scene.shape.reduce((a, b) => a * b);
  let at = 0;
  const take = (n) => bytes.subarray(at, (at += n));
  const values = () => decode(take(size), take(size), scene.shape);
  const hu = Int16Array.from(values(), (q) => scene.low + q * scene.step);
  const heat = scene.overlay ? values() : null;
  const masks = scene.outlines.map(() => {
    const bits = take(Math.ceil(size / 8));
    return (i) => (bits[i >> 3] >> (7 - (i & 7))) & 1;
  });
  return { hu, heat, masks };
}

function scaleOf({ range: [low, high] }) { // of the overlay: its values, colours and opacities
  const digits = Math.max(0, 2 - Math.floor(Math.log10(high - low)));
  const value = (code) => low + (code / LEVELS) * (high - low);
  const twoSided = low < 0 && high > 0, reach = Math.max(-low, high);
  const strength = (code) => twoSided ? Math.abs(value(code)) / reach : code / LEVELS;
  const colour = (code) => {
    if (twoSided) return value(code) < 0 ? BELOW : ABOVE;
    const place = (code / LEVELS) * (INFERNO.length - 1);
    const k = Math.min(Math.floor(place), INFERNO.length - 2);
    return INFERNO[k].map((c, n) => c + (place - k) * (INFERNO[k + 1][n] - c));
  };
  const codes = Array.from({ length: LEVELS + 1 }, (_, code) => code);
  return { colours: codes.map(colour), strengths: codes.map((code) => Math.min(1, strength(code) / SOLID)),
    text: (code) => value(code).toFixed(digits), ends: [low, high].map((end) => `${Number(end.toPrecision(3))}`) };
}

function sliceViewer(root, scene, { hu, heat, masks }) {
  const { shape, spacing, origin } = scene;
  const strides = [shape[1] * shape[2], shape[2], 1];
  const scale = scene.overlay ? scaleOf(scene.overlay) : null;
  const state = { at: [...scene.start], overlay: true, outlines: true, opacity: 0.5 };
  const size = (axis) => shape[axis] * spacing[axis];
  const mm = (axis, i) => (Math.round(10 * (origin[axis] + i * spacing[axis])) / 10 + 0).toFixed(1); // no -0
  const voxelAt = (at) => at.reduce((sum, i, axis) => sum + i * strides[axis], 0);
  const clamp = (i, axis) => Math.max(0, Math.min(shape[axis] - 1, i));

  // ---- the page
  const spoken = make("span", { className: "sv-spoken", ariaLive: "polite" });
  const readout = make("p", { className: "sv-readout" });
  const planes = PLANES.map((plane) => {
    const canvas = make("canvas", { tabIndex: 0, className: "sv-plane" });
    canvas.setAttribute("role", "img");
    const slider = make("input", { type: "range", min: 0, max: shape[plane.through] - 1 });
    slider.ariaLabel = `${plane.name} slice`;
    const label = make("span", { className: "sv-where" });
    const columns = shape[plane.across], rows = shape[plane.down];
    const small = make("canvas", { width: columns, height: rows });
    return { ...plane, canvas, slider, label, columns, rows, small, paths: new Map(),
      panel: make("div", { className: "sv-panel" }, canvas, label, slider) };
  });
  const width = make("input", { type: "number", min: 1, max: 4000, step: 50 });
  const level = make("input", { type: "number", min: -1000, max: 3000, step: 20 });
  const presets = Object.keys(PRESETS).map((name, i) =>
    make("button", { type: "button", title: `key ${i + 1}`, onclick: () => preset(name) }, name));
  const outlines = make("input", { type: "checkbox", checked: true });
  const overlay = make("input", { type: "checkbox", checked: true });
  const opacity = make("input", { type: "range", min: 0, max: 1, step: 0.05, value: state.opacity });
  const bar = make("canvas", { width: LEVELS + 1, height: 1, className: "sv-colours" });
  build();

  function build() {
    const names = scene.outlines.map((name, i) => {
      const swatch = make("i", { className: "sv-line" });
      swatch.style.borderTop = `2px ${i ? "dashed" : "solid"} ${OUTLINES[i][0]}`;
      return make("span", {}, swatch, " ", name);
    });
    const tools = make("div", { className: "sv-bar" }, make("span", {}, ...presets), make("label", {}, "W ", width),
      make("label", {}, "L ", level, " HU"), make("label", {}, outlines, " ", ...names));
    const parts = [make("p", { className: "sv-title" }, scene.title), tools];
    if (heat) {
      parts.push(make("div", { className: "sv-bar" }, make("label", {}, overlay, " ", scene.overlay.name),
        make("span", { className: "sv-key" }, scale.ends[0], bar, `${scale.ends[1]} ${scene.overlay.unit}`),
        make("label", { className: "sv-opacity" }, "opacity ", opacity)));
    }
    const keys = make("table", {}, ...HELP.map(([key, does]) =>
      make("tr", {}, make("td", {}, key), make("td", {}, does))));
    const pictures = make("div", { className: "sv-planes" }, ...planes.map((plane) => plane.panel));
    parts.push(pictures, readout, spoken, make("p", { className: "sv-caption" }, scene.caption),
      make("details", { className: "sv-help" }, make("summary", {}, "Mouse, keys, touch"), keys));
    root.replaceChildren(...parts);
    root.dataset.lmSuppressShortcuts = "true"; // JupyterLab leaves the keys to the viewer
  }

  // ---- drawing
  function walk(plane, put) { // every pixel of the plane's slice and its voxel
    const first = state.at[plane.through] * strides[plane.through];
    for (let row = 0, pixel = 0; row < plane.rows; row++) {
      const along = plane.headUp ? plane.rows - 1 - row : row;
      let voxel = first + along * strides[plane.down];
      for (let column = 0; column < plane.columns; column++, pixel++) {
        put(pixel, voxel);
        voxel += strides[plane.across];
      }
    }
  }

  function layer(plane, context, paint) { // paint voxel-sized pixels, then stretch them
    const inner = plane.small.getContext("2d");
    const image = inner.createImageData(plane.columns, plane.rows);
    paint(image.data);
    inner.putImageData(image, 0, 0);
    context.drawImage(plane.small, 0, 0, plane.wide, plane.high);
  }

  function greys(plane, data) {
    const low = state.level - state.width / 2, gain = 255 / state.width;
    walk(plane, (pixel, voxel) => {
      data[4 * pixel] = data[4 * pixel + 1] = data[4 * pixel + 2] = (hu[voxel] - low) * gain;
      data[4 * pixel + 3] = 255;
    });
  }

  function tint(data, pixel, value) {
    data.set(scale.colours[value], 4 * pixel);
    data[4 * pixel + 3] = 255 * state.opacity * scale.strengths[value];
  }

  function outline(plane, mask, which) { // closed lines along the mask's pixel edges, in pixels
    const key = which * shape[plane.through] + state.at[plane.through];
    if (!plane.paths.has(key)) plane.paths.set(key, traced(edges(plane, mask), plane.columns + 1));
    return plane.paths.get(key);
  }

  function edges(plane, mask) { // corner → the corners that follow, the mask on the right hand
    const { columns, rows } = plane, inside = new Uint8Array(columns * rows), next = new Map();
    walk(plane, (pixel, voxel) => { inside[pixel] = mask(voxel); });
    const is = (c, r) => c >= 0 && r >= 0 && c < columns && r < rows && inside[r * columns + c];
    const add = (from, to) => next.has(from) ? next.get(from).push(to) : next.set(from, [to]);
    for (let pixel = 0; pixel < inside.length; pixel++) {
      if (!inside[pixel]) continue;
      const c = pixel % columns, r = (pixel - c) / columns, corner = pixel + r, below = corner + columns + 1;
      if (!is(c, r - 1)) add(corner, corner + 1);
      if (!is(c + 1, r)) add(corner + 1, below + 1);
      if (!is(c, r + 1)) add(below + 1, below);
      if (!is(c - 1, r)) add(below, corner);
    }
    return next;
  }

  function traced(next, across) {
    const path = new Path2D();
    for (const [start, followers] of next) {
      while (followers.length) {
        path.moveTo(start % across, Math.floor(start / across));
        let corner = start;
        do {
          corner = next.get(corner).pop();
          path.lineTo(corner % across, Math.floor(corner / across));
        } while (corner !== start);
        path.closePath();
      }
    }
    return path;
  }

  function outlined(plane, context) {
    const stretch = new DOMMatrix([plane.wide / plane.columns, 0, 0, plane.high / plane.rows, 0, 0]);
    masks.forEach((mask, which) => {
      const path = new Path2D();
      path.addPath(outline(plane, mask, which), stretch);
      context.setLineDash(OUTLINES[which][1]);
      stroke(context, path, SHADE, 3.5);
      stroke(context, path, OUTLINES[which][0], 1.6);
    });
    context.setLineDash([]);
  }

  function stroke(context, path, colour, thick) {
    context.strokeStyle = colour;
    context.lineWidth = thick;
    context.stroke(path);
  }

  function crosshair(plane, context) {
    const row = state.at[plane.down], up = plane.headUp ? plane.rows - 1 - row : row;
    const x = ((state.at[plane.across] + 0.5) / plane.columns) * plane.wide;
    const y = ((up + 0.5) / plane.rows) * plane.high;
    const path = new Path2D();
    path.rect(0, y, x - HOLE, 0);
    path.rect(x + HOLE, y, plane.wide, 0);
    path.rect(x, 0, 0, y - HOLE);
    path.rect(x, y + HOLE, 0, plane.high);
    stroke(context, path, "rgba(255,238,140,.6)", 1);
  }

  function write(context, text, x, y, align, colour = "#fff") {
    Object.assign(context, { textAlign: align, lineJoin: "round", lineWidth: 3, strokeStyle: SHADE });
    context.strokeText(text, x, y);
    context.fillStyle = colour;
    context.fillText(text, x, y);
  }

  function annotate(plane, context) {
    const { wide, high } = plane, [left, right, top, bottom] = plane.letters;
    context.font = "600 13px Helvetica, Arial, sans-serif";
    write(context, left, 5, high / 2 + 5, "left");
    write(context, right, wide - 5, high / 2 + 5, "right");
    write(context, top, wide / 2, 15, "center");
    write(context, bottom, wide / 2, high - 6, "center");
    context.font = "600 11px Helvetica, Arial, sans-serif";
    if (scene.synthetic) write(context, "SYNTHETIC", 6, 14, "left", "#ffb454");
    context.font = "11px Helvetica, Arial, sans-serif";
    if (wide > 190) write(context, `W ${state.width} L ${state.level}`, wide - 6, 14, "right");
    const room = size(plane.across) / 3, bar = [50, 20, 10, 5, 2, 1].find((n) => n <= room) || 1;
    const path = new Path2D(), end = 8 + (bar / size(plane.across)) * wide;
    for (const [x, y] of [[8, 12], [8, 8], [end, 8], [end, 12]]) path.lineTo(x, high - y);
    stroke(context, path, SHADE, 4);
    stroke(context, path, "#fff", 1.5);
    write(context, `${bar} mm`, 8, high - 16, "left");
  }

  function draw(plane) {
    const context = plane.canvas.getContext("2d"), dense = window.devicePixelRatio || 1;
    context.setTransform(dense, 0, 0, dense, 0, 0);
    context.imageSmoothingQuality = "high";
    layer(plane, context, (data) => greys(plane, data));
    if (heat && state.overlay) {
      layer(plane, context, (data) => walk(plane, (pixel, voxel) => tint(data, pixel, heat[voxel])));
    }
    if (state.outlines) outlined(plane, context);
    crosshair(plane, context);
    annotate(plane, context);
    const { name, axis, through } = plane, i = state.at[through];
    plane.slider.value = i;
    plane.label.textContent = `${name} · ${axis} ${mm(through, i)} mm · ${i + 1}/${shape[through]}`;
    plane.canvas.ariaLabel = `CT, ${name} plane, slice ${i + 1} of ${shape[through]}. ${scene.title}`;
  }

  function render() {
    planes.filter((plane) => plane.wide).forEach(draw);
    width.value = state.width;
    level.value = state.level;
    for (const button of presets) {
      const [wide, middle] = PRESETS[button.textContent];
      button.ariaPressed = String(wide === state.width && middle === state.level);
    }
    outlines.checked = state.outlines;
    overlay.checked = state.overlay;
    colourBar();
    tell(state.at, "crosshair");
  }

  function colourBar() { // as on the picture: over grey, with the same opacity
    if (!scale) return;
    const context = bar.getContext("2d"), image = context.createImageData(LEVELS + 1, 1);
    for (let i = 0; i <= LEVELS; i++) tint(image.data, i, i);
    context.putImageData(image, 0, 0);
  }

  function describe(at) {
    const voxel = voxelAt(at), [z, y, x] = at.map((i, axis) => mm(axis, i));
    const words = [`x ${x} y ${y} z ${z} mm`, `${hu[voxel]} HU`];
    if (heat) words.push(`${scene.overlay.name} ${scale.text(heat[voxel])}`);
    scene.outlines.forEach((name, i) => { if (masks[i](voxel)) words.push(`inside: ${name}`); });
    return words.join(" · ");
  }

  function tell(at, what) {
    readout.textContent = `${what}: ${describe(at)}`;
  }

  function layout() { // one scale for the three planes: a millimetre is equally long in all
    const room = root.clientWidth, stacked = room < STACKED;
    if (!room) return;
    const widths = PLANES.map((plane) => size(plane.across));
    const highest = Math.max(...PLANES.map((plane) => size(plane.down)));
    const row = widths[0] + widths[1] + widths[2];
    const fit = stacked ? room / Math.max(...widths) : (room - 2 * GAP) / row;
    const scale = Math.min(fit, TALLEST / highest), dense = window.devicePixelRatio || 1;
    planes.forEach((plane, i) => {
      plane.wide = Math.floor(widths[i] * scale);
      plane.high = Math.floor(size(plane.down) * scale);
      plane.canvas.width = Math.round(plane.wide * dense);
      plane.canvas.height = Math.round(plane.high * dense);
      Object.assign(plane.canvas.style, { width: `${plane.wide}px`, height: `${plane.high}px` });
      plane.panel.style.width = `${stacked ? room : plane.wide}px`;
    });
    render();
  }

  // ---- what the reader does
  function set(changes) {
    Object.assign(state, changes);
    render();
  }

  function preset(name) {
    set({ width: PRESETS[name][0], level: PRESETS[name][1] });
  }

  let speech;
  function move(axis, i) {
    state.at[axis] = clamp(i, axis);
    render();
    clearTimeout(speech);
    speech = setTimeout(() => {
      spoken.textContent = `slice ${state.at[axis] + 1} of ${shape[axis]}: ${describe(state.at)}`;
    }, 300);
  }

  function under(plane, event) { // the voxel under the pointer
    const box = plane.canvas.getBoundingClientRect(), at = [...state.at];
    const column = Math.floor(((event.clientX - box.left) / box.width) * plane.columns);
    const row = Math.floor(((event.clientY - box.top) / box.height) * plane.rows);
    at[plane.across] = clamp(column, plane.across);
    at[plane.down] = clamp(plane.headUp ? plane.rows - 1 - row : row, plane.down);
    return at;
  }

  function press(plane, event) {
    const touch = event.pointerType === "touch", from = { ...state, at: [...state.at] };
    const windowing = event.button === 2 || event.shiftKey;
    const follow = (e) => {
      const right = e.clientX - event.clientX, down = e.clientY - event.clientY;
      if (touch) move(plane.through, from.at[plane.through] + Math.trunc(right / DRAG));
      else if (windowing) set({ width: Math.max(1, from.width + 4 * right), level: from.level + 2 * down });
      else set({ at: under(plane, e) });
    };
    const end = (e) => {
      plane.canvas.onpointermove = (later) => tell(under(plane, later), plane.name);
      const moved = Math.hypot(e.clientX - event.clientX, e.clientY - event.clientY);
      if (touch && moved < DRAG && e.type === "pointerup") set({ at: under(plane, e) });
    };
    if (!touch) plane.canvas.setPointerCapture(event.pointerId);
    if (!touch && !windowing) follow(event);
    plane.canvas.onpointermove = follow;
    plane.canvas.onpointerup = plane.canvas.onpointercancel = end;
  }

  function key(plane, event) {
    const axis = plane.through, i = state.at[axis], last = shape[axis] - 1;
    const steps = {
      ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: FAR, PageDown: -FAR, Home: -i, End: last - i,
    };
    const does = {
      1: () => preset("Lung"), 2: () => preset("Mediastinum"), c: () => set({ at: [...scene.start] }),
      o: () => set({ overlay: !state.overlay }), l: () => set({ outlines: !state.outlines }),
    };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in steps) move(axis, i + steps[event.key]);
    else if (event.key in does) does[event.key]();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  planes.forEach((plane) => {
    const { canvas, slider, through } = plane;
    canvas.onpointermove = (event) => tell(under(plane, event), plane.name);
    canvas.onpointerleave = () => tell(state.at, "crosshair");
    canvas.onpointerdown = (event) => press(plane, event);
    canvas.oncontextmenu = (event) => event.preventDefault();
    canvas.onkeydown = (event) => key(plane, event);
    canvas.addEventListener("wheel", (event) => { // the page scrolls until a picture is clicked
      if (document.activeElement !== canvas) return;
      event.preventDefault();
      move(through, state.at[through] - Math.sign(event.deltaY));
    }, { passive: false });
    slider.oninput = () => move(through, Number(slider.value));
  });
  width.onchange = () => set({ width: Math.max(1, Number(width.value) || state.width) });
  level.onchange = () => set({ level: Number(level.value) });
  outlines.onchange = () => set({ outlines: outlines.checked });
  overlay.onchange = () => set({ overlay: overlay.checked });
  opacity.oninput = () => set({ opacity: Number(opacity.value) });
  preset("Lung");
  const observer = new ResizeObserver(layout);
  observer.observe(root);
  return () => observer.disconnect();
}

/* Start every viewer that stands in the page as a picture and data. */
function startStatic() {
  document.querySelectorAll(".slice-viewer:not([data-started])").forEach(async (root) => {
    root.dataset.started = "true";
    try {
      const { packed, ...scene } = JSON.parse(root.querySelector("script").textContent);
      const bytes = Uint8Array.from(atob(packed), (c) => c.charCodeAt(0));
      sliceViewer(root, scene, await unpack(scene, bytes));
    } catch (fault) {
      root.append(make("p", {}, `The slices cannot be shown in this browser (${fault.message}).`));
    }
  });
}

/* Draw the live widget's scene (anywidget's protocol). */
async function render({ model, el }) {
  const root = make("div", { className: "slice-viewer" });
  root.dataset.started = "true";
  el.append(root);
  return sliceViewer(root, model.get("scene"), await unpack(model.get("scene"), model.get("packed")));
}
