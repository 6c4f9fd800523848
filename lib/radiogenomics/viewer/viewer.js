// The slice viewer: its page, and what the reader does. CT, outlines and an overlay in three
// linked planes. packed.py says what `scene` and `packed` hold; `startStatic` starts it in a page
// without a kernel, `render` in a live JupyterLab.

const PRESETS = { Lung: [1500, -600], Mediastinum: [400, 40], Bone: [1800, 400] }; // width, level, HU
const DRAG = 8; // CSS pixels a slice
const FAR = 5; // slices a PageUp
const NOTCH = 50, STROKE = 30; // pixels of a mouse wheel's notch; of a trackpad a slice
const NEARER = 1.25, NEAREST = 8; // a step of the zoom, and its end
const HELP = [
  ["↑ ↓ (or wheel, once a picture is clicked)", "next, previous slice; Page keys: five; Home, End"],
  ["click, drag", "move the crosshair in all planes"],
  ["drag with Shift or the right button", "window: sideways the width, up and down the level"],
  ["touch", "tap: crosshair; drag sideways: slices"],
  ["+ −, pinch", "zoom around the crosshair; drag with Alt or the middle button to move the picture"],
  ["1, 2, 3", "window: lung, mediastinum, bone"],
  ["o, l, c", "overlay, outlines on or off; back to where it opened"],
  ["r, f, s", "reset; full screen; copy the three pictures, or save them where copying is refused"],
  ["n, p", "next, previous patient"],
];

function make(tag, properties, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

// ---- the page
function planeOf(scene, plane) {
  const canvas = make("canvas", { tabIndex: 0, className: "sv-plane" });
  canvas.setAttribute("role", "img");
  const slider = make("input", { type: "range", min: 0, max: scene.shape[plane.through] - 1 });
  slider.ariaLabel = `${plane.name} slice`;
  const label = make("span", { className: "sv-where" });
  const columns = scene.shape[plane.across], rows = scene.shape[plane.down];
  const small = make("canvas", { width: columns, height: rows });
  const panel = make("div", { className: "sv-panel" }, canvas, label, slider);
  return { ...plane, canvas, slider, label, columns, rows, small, panel, paths: new Map(), shift: [0, 0] };
}

function toolsOf(state) {
  return {
    spoken: make("span", { className: "sv-spoken", ariaLive: "polite" }),
    readout: make("p", { className: "sv-readout" }),
    presets: Object.keys(PRESETS).map((name, i) =>
      make("button", { type: "button", title: `key ${i + 1}` }, name)),
    acts: ["Reset", "Full screen", "Copy picture"].map((name) =>
      make("button", { type: "button" }, name)),
    width: make("input", { type: "number", min: 1, max: 4000, step: 50 }),
    level: make("input", { type: "number", min: -1000, max: 3000, step: 20 }),
    outlines: make("input", { type: "checkbox", checked: true }),
    overlay: make("input", { type: "checkbox", checked: true }),
    opacity: make("input", { type: "range", min: 0, max: 1, step: 0.05, value: state.opacity }),
    bar: make("canvas", { width: LEVELS + 1, height: 1, className: "sv-colours" }),
  };
}

function outlineName(name, i) {
  const swatch = make("i", { className: "sv-line" });
  swatch.style.borderTop = `2px ${i ? "dashed" : "solid"} ${OUTLINES[i][0]}`;
  return make("span", {}, swatch, " ", name);
}

function windowBar({ scene, tools }) {
  return make("div", { className: "sv-bar" }, make("span", {}, ...tools.presets),
    make("label", {}, "W ", tools.width), make("label", {}, "L ", tools.level, " HU"),
    make("label", {}, tools.outlines, " ", ...scene.outlines.map(outlineName)),
    make("span", {}, ...tools.acts));
}

function overlayBar({ scene: { overlay }, tools, scale }) {
  const [low, high] = scale.ends;
  return make("div", { className: "sv-bar" }, make("label", {}, tools.overlay, " ", overlay.name),
    make("span", { className: "sv-key" }, low, tools.bar, `${high} ${overlay.unit}`),
    make("label", { className: "sv-opacity" }, "opacity ", tools.opacity));
}

function help() {
  const keys = make("table", {}, ...HELP.map(([key, does]) =>
    make("tr", {}, make("td", {}, key), make("td", {}, does))));
  return make("details", { className: "sv-help" }, make("summary", {}, "Mouse, keys, touch"), keys);
}

function build(view) {
  const { root, scene, planes, tools } = view;
  const parts = [make("p", { className: "sv-title" }, scene.title), windowBar(view)];
  if (view.heat) parts.push(overlayBar(view));
  const pictures = make("div", { className: "sv-planes" }, ...planes.map((plane) => plane.panel));
  parts.push(pictures, tools.readout, tools.spoken,
    make("p", { className: "sv-caption" }, scene.caption), help());
  root.replaceChildren(...parts);
  root.dataset.lmSuppressShortcuts = "true"; // JupyterLab leaves the keys to the viewer
}

// ---- what it shows
function draw(view, plane) {
  const { scene, state } = view, { name, axis, through } = plane;
  picture(view, plane);
  const i = state.at[through], count = `${i + 1}/${scene.shape[through]}`;
  plane.slider.value = i;
  plane.label.textContent = `${name} · ${axis} ${mmOf(scene, through, i)} mm · ${count}`;
  plane.canvas.ariaLabel =
    `CT, ${name} plane, slice ${i + 1} of ${scene.shape[through]}. ${scene.title}`;
}

function redraw(view) {
  const { state, tools } = view;
  view.planes.filter((plane) => plane.wide).forEach((plane) => draw(view, plane));
  tools.width.value = state.width;
  tools.level.value = state.level;
  for (const button of tools.presets) {
    const [wide, middle] = PRESETS[button.textContent];
    button.ariaPressed = String(wide === state.width && middle === state.level);
  }
  tools.outlines.checked = state.outlines;
  tools.overlay.checked = state.overlay;
  colourBar(view);
  tell(view, state.at, "crosshair");
}

function describe({ scene, scale, hu, heat, masks }, at) {
  const voxel = voxelOf(scene, at), [z, y, x] = at.map((i, axis) => mmOf(scene, axis, i));
  const words = [`x ${x} y ${y} z ${z} mm`, `${hu[voxel]} HU`];
  if (heat) words.push(`${scene.overlay.name} ${scale.text(heat[voxel])}`);
  scene.outlines.forEach((name, i) => { if (masks[i](voxel)) words.push(`inside: ${name}`); });
  return words.join(" · ");
}

function tell(view, at, what) {
  view.tools.readout.textContent = `${what}: ${describe(view, at)}`;
}

function layout(view) { // one scale for the three planes: a millimetre is equally long in all
  const room = view.root.clientWidth, dense = window.devicePixelRatio || 1;
  if (!room) return;
  const { widths, heights, scale } = fitOf(view.scene, room);
  view.planes.forEach((plane, i) => {
    plane.wide = Math.floor(widths[i] * scale);
    plane.high = Math.floor(heights[i] * scale);
    plane.canvas.width = Math.round(plane.wide * dense);
    plane.canvas.height = Math.round(plane.high * dense);
    Object.assign(plane.canvas.style, { width: `${plane.wide}px`, height: `${plane.high}px` });
    plane.panel.style.width = `${room < STACKED ? room : plane.wide}px`;
  });
  redraw(view);
}

// ---- what the reader does
function set(view, changes) {
  Object.assign(view.state, changes);
  redraw(view);
}

function preset(view, name) {
  set(view, { width: PRESETS[name][0], level: PRESETS[name][1] });
}

function move(view, axis, i) {
  const { scene, state, tools } = view;
  state.at[axis] = clamped(scene, axis, i);
  redraw(view);
  clearTimeout(view.speech);
  view.speech = setTimeout(() => {
    const slice = `slice ${state.at[axis] + 1} of ${scene.shape[axis]}`;
    tools.spoken.textContent = `${slice}: ${describe(view, state.at)}`;
  }, 300);
}

function under({ scene, state }, plane, event) { // the voxel under the pointer
  const box = plane.canvas.getBoundingClientRect(), [left, top] = plane.shift;
  const right = ((event.clientX - box.left) / box.width - left) / state.zoom;
  const down = ((event.clientY - box.top) / box.height - top) / state.zoom;
  return voxelAt(scene, plane, state.at, right, down);
}

/* Zoom around the crosshair, whose place on the canvas stays. */
function zoom(view, factor) {
  const { state } = view, nearer = Math.max(1, Math.min(NEAREST, state.zoom * factor));
  for (const plane of view.planes) {
    const centre = sharesOf(plane, state.at);
    const shift = plane.shift.map((s, i) => s + centre[i] * (state.zoom - nearer));
    plane.shift = inFrame(shift, nearer);
  }
  set(view, { zoom: nearer });
}

function inFrame(shift, zoomed) { // the picture always fills its frame
  return shift.map((s) => Math.min(0, Math.max(1 - zoomed, s)));
}

function reset(view) {
  for (const plane of view.planes) plane.shift = [0, 0];
  Object.assign(view.state, { at: [...view.scene.start], zoom: 1, overlay: true, outlines: true });
  preset(view, "Lung");
}

function fullScreen({ root }) {
  if (document.fullscreenElement) document.exitFullscreen();
  else root.requestFullscreen?.();
}

/* Copy the three pictures as one PNG; save it where the clipboard is closed. */
function copy({ planes, root, scene, tools }) {
  const sheet = make("canvas", {
    width: planes.reduce((sum, plane) => sum + plane.canvas.width, 0),
    height: Math.max(...planes.map((plane) => plane.canvas.height)),
  });
  let left = 0;
  for (const { canvas } of planes) {
    sheet.getContext("2d").drawImage(canvas, left, 0);
    left += canvas.width;
  }
  const said = (words) => { tools.spoken.textContent = words; tools.readout.textContent = words; };
  sheet.toBlob(async (blob) => {
    try {
      await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
      said("copied");
    } catch {
      const name = `${scene.title.replace(/[^\w-]+/g, "_")}.png`;
      make("a", { href: sheet.toDataURL(), download: name }).click();
      said(`saved as ${name}`);
    }
    root.dataset.copied = "true";
  });
}

function neighbour({ root, turn }, step) { // the next patient: asked for, or on the page
  if (turn) return turn(step);
  const all = [...document.querySelectorAll(".slice-viewer")];
  const other = all[all.indexOf(root) + step];
  other?.scrollIntoView({ block: "start" });
  other?.querySelector("canvas.sv-plane")?.focus({ preventScroll: true });
}

function hover(view, plane) {
  plane.canvas.onpointermove = (event) => tell(view, under(view, plane, event), plane.name);
}

/* Return what a drag that began with `event` does: slices (touch), window or crosshair. */
function dragging(view, plane, event) {
  const { width, level, at } = view.state, slice = at[plane.through];
  const right = (e) => e.clientX - event.clientX, down = (e) => e.clientY - event.clientY;
  if (event.pointerType === "touch") {
    return (e) => move(view, plane.through, slice + Math.trunc(right(e) / DRAG));
  }
  if (panning(event)) {
    const [left, top] = plane.shift, zoomed = view.state.zoom;
    return (e) => {
      plane.shift = inFrame([left + right(e) / plane.wide, top + down(e) / plane.high], zoomed);
      redraw(view);
    };
  }
  if (windowing(event)) {
    return (e) => set(view, { width: Math.max(1, width + 4 * right(e)), level: level + 2 * down(e) });
  }
  return (e) => set(view, { at: under(view, plane, e) });
}

function panning(event) {
  return event.button === 1 || event.altKey;
}

function windowing(event) {
  return event.button === 2 || event.shiftKey;
}

function press(view, plane, event) {
  const touch = event.pointerType === "touch", follow = dragging(view, plane, event);
  const end = (e) => {
    hover(view, plane);
    const moved = Math.hypot(e.clientX - event.clientX, e.clientY - event.clientY);
    const tap = touch && moved < DRAG && e.type === "pointerup";
    if (tap) set(view, { at: under(view, plane, e) });
  };
  if (!touch) plane.canvas.setPointerCapture(event.pointerId);
  if (!touch && !windowing(event) && !panning(event)) follow(event);
  plane.canvas.onpointermove = follow;
  plane.canvas.onpointerup = plane.canvas.onpointercancel = end;
}

/* Return what each key does in a plane. */
function keysOf(view, { through }) {
  const { scene, state } = view, i = state.at[through], last = scene.shape[through] - 1;
  const steps = {
    ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: FAR, PageDown: -FAR, Home: -i, End: last - i,
  };
  const moves = Object.entries(steps).map(([key, n]) => [key, () => move(view, through, i + n)]);
  return {
    ...Object.fromEntries(moves), 1: () => preset(view, "Lung"), 2: () => preset(view, "Mediastinum"),
    3: () => preset(view, "Bone"), "+": () => zoom(view, NEARER), "-": () => zoom(view, 1 / NEARER),
    r: () => reset(view), f: () => fullScreen(view), s: () => copy(view),
    n: () => neighbour(view, 1), p: () => neighbour(view, -1),
    c: () => set(view, { at: [...scene.start] }), o: () => set(view, { overlay: !state.overlay }),
    l: () => set(view, { outlines: !state.outlines }),
  };
}

function key(view, plane, event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const does = keysOf(view, plane);
  if (!Object.hasOwn(does, event.key)) return;
  does[event.key]();
  event.preventDefault();
  event.stopPropagation();
}

function wheel(view, { canvas, through }, event) { // the page scrolls until a picture is clicked
  if (document.activeElement !== canvas) return;
  event.preventDefault();
  if (event.ctrlKey) { // as browsers tell a pinch on a trackpad
    zoom(view, Math.exp(-event.deltaY / 100));
    return;
  }
  const slices = slicesOf(view, event);
  if (slices) move(view, through, view.state.at[through] - slices);
}

/* Return the slices of a turn: one a notch of a wheel; light strokes of a trackpad add up. */
function slicesOf(view, { deltaY, deltaMode }) {
  if (deltaMode || Math.abs(deltaY) >= NOTCH) return Math.sign(deltaY);
  view.rolled = (view.rolled || 0) + deltaY;
  if (Math.abs(view.rolled) < STROKE) return 0;
  const slices = Math.sign(view.rolled);
  view.rolled = 0;
  return slices;
}

function listen(view, plane) {
  const { canvas, slider, through } = plane;
  hover(view, plane);
  canvas.onpointerleave = () => tell(view, view.state.at, "crosshair");
  canvas.onpointerdown = (event) => press(view, plane, event);
  canvas.oncontextmenu = (event) => event.preventDefault();
  canvas.onkeydown = (event) => key(view, plane, event);
  canvas.addEventListener("wheel", (event) => wheel(view, plane, event), { passive: false });
  slider.oninput = () => move(view, through, Number(slider.value));
}

function connect(view) {
  const { state, tools } = view, { width, level, outlines, overlay, opacity } = tools;
  view.planes.forEach((plane) => listen(view, plane));
  for (const button of tools.presets) button.onclick = () => preset(view, button.textContent);
  [reset, fullScreen, copy].forEach((act, i) => { tools.acts[i].onclick = () => act(view); });
  width.onchange = () => set(view, { width: Math.max(1, Number(width.value) || state.width) });
  level.onchange = () => set(view, { level: Number(level.value) });
  outlines.onchange = () => set(view, { outlines: outlines.checked });
  overlay.onchange = () => set(view, { overlay: overlay.checked });
  opacity.oninput = () => set(view, { opacity: Number(opacity.value) });
}

/* Show a case in `root`; return what ends it. */
function sliceViewer(root, scene, arrays, turn) {
  const state = { at: [...scene.start], overlay: true, outlines: true, opacity: 0.5, zoom: 1 };
  const view = {
    root, scene, state, turn, ...arrays, scale: scene.overlay ? scaleOf(scene.overlay) : null,
    planes: PLANES.map((plane) => planeOf(scene, plane)), tools: toolsOf(state),
  };
  build(view);
  connect(view);
  preset(view, "Lung");
  const observer = new ResizeObserver(() => layout(view));
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
  const arrays = await unpack(model.get("scene"), model.get("packed"));
  const flags = document.documentElement.dataset; // of the page: every viewer has its own script
  const turn = (step) => {
    flags.svTurned = "true";
    model.send({ step });
  };
  const end = sliceViewer(root, model.get("scene"), arrays, model.get("turns") && turn);
  if (flags.svTurned) root.querySelector("canvas.sv-plane").focus({ preventScroll: true });
  delete flags.svTurned;
  return end;
}
