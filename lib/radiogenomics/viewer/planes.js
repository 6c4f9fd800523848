// Values and geometry: the arrays, the three planes, places in mm, the mask's outline.
// Arrays are (z, y, x), axes LPS. page.py joins planes.js, drawing.js and viewer.js to one script.

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
const LEVELS = 100; // of the overlay, from the low to the high end of its range
const SOLID = 0.5; // of the range: overlay values from here on have the full opacity, smaller ones less
const GAP = 12, STACKED = 640, TALLEST = 460; // CSS pixels

/* Return the values of codes, each stored as its distance from the mean of left and upper. */
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

async function inflated(packed) {
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/* Return HU, overlay (or null) and masks of what packed.py packed. */
async function unpack(scene, packed) {
  const bytes = await inflated(packed);
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

/* Return the overlay's colours, opacities and numbers, one for each code from 0 to LEVELS. */
function scaleOf({ range: [low, high] }) {
  const digits = Math.max(0, 2 - Math.floor(Math.log10(high - low)));
  const value = (code) => low + (code / LEVELS) * (high - low);
  const twoSided = low < 0 && high > 0, reach = Math.max(-low, high);
  const strength = (code) => twoSided ? Math.abs(value(code)) / reach : code / LEVELS;
  const colour = (code) => !twoSided ? inferno(code) : value(code) < 0 ? BELOW : ABOVE;
  const codes = Array.from({ length: LEVELS + 1 }, (_, code) => code);
  return {
    colours: codes.map(colour), strengths: codes.map((code) => Math.min(1, strength(code) / SOLID)),
    text: (code) => value(code).toFixed(digits),
    ends: [low, high].map((end) => `${Number(end.toPrecision(3))}`),
  };
}

function inferno(code) {
  const place = (code / LEVELS) * (INFERNO.length - 1);
  const k = Math.min(Math.floor(place), INFERNO.length - 2);
  return INFERNO[k].map((c, n) => c + (place - k) * (INFERNO[k + 1][n] - c));
}

function lengthOf({ shape, spacing }, axis) { // mm
  return shape[axis] * spacing[axis];
}

function mmOf({ spacing, origin }, axis, i) {
  return (Math.round(10 * (origin[axis] + i * spacing[axis])) / 10 + 0).toFixed(1); // no -0
}

function clamped({ shape }, axis, i) {
  return Math.max(0, Math.min(shape[axis] - 1, i));
}

function stridesOf({ shape }) { // voxels from one slice, row and column to the next
  return [shape[1] * shape[2], shape[2], 1];
}

function voxelOf(scene, at) {
  const strides = stridesOf(scene);
  return at.reduce((sum, i, axis) => sum + i * strides[axis], 0);
}

/* Call `put(pixel, voxel)` for every pixel of the plane's slice at `at`. */
function walk(scene, plane, at, put) {
  const strides = stridesOf(scene), first = at[plane.through] * strides[plane.through];
  const step = strides[plane.across], { rows, columns } = plane;
  for (let row = 0, pixel = 0; row < rows; row++) {
    let voxel = first + flipped(plane, row) * strides[plane.down];
    for (let column = 0; column < columns; column++, pixel++) {
      put(pixel, voxel);
      voxel += step;
    }
  }
}

function flipped(plane, row) { // between a row of the picture and one of the array
  return plane.headUp ? plane.rows - 1 - row : row;
}

/* Return a voxel's place in the plane's picture, in shares of its sides: right, down. */
function sharesOf(plane, at) {
  const row = flipped(plane, at[plane.down]);
  return [(at[plane.across] + 0.5) / plane.columns, (row + 0.5) / plane.rows];
}

/* Return the voxel (z, y, x) at a place of the plane's picture, in shares of its sides. */
function voxelAt(scene, plane, at, right, down) {
  const found = [...at];
  const column = Math.floor(right * plane.columns), row = Math.floor(down * plane.rows);
  found[plane.across] = clamped(scene, plane.across, column);
  found[plane.down] = clamped(scene, plane.down, flipped(plane, row));
  return found;
}

/* Return the pixels' edges around a mask: a corner → those that follow, the mask on the right. */
function edges({ columns, rows }, inside) {
  const next = new Map();
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

/* Return the closed lines along such edges, in pixels. */
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

/* Return the planes' sides and the CSS pixels of a millimetre, one scale for all three. */
function fitOf(scene, room) {
  const widths = PLANES.map((plane) => lengthOf(scene, plane.across));
  const heights = PLANES.map((plane) => lengthOf(scene, plane.down));
  const row = widths[0] + widths[1] + widths[2];
  const fit = room < STACKED ? room / Math.max(...widths) : (room - 2 * GAP) / row;
  return { widths, heights, scale: Math.min(fit, TALLEST / Math.max(...heights)) };
}
