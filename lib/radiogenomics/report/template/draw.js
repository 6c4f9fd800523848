const NARROW = 600;
document.querySelectorAll("script.figure-data").forEach(function (source) {
  const place = source.previousElementSibling;
  const figure = JSON.parse(source.textContent);
  const options = { responsive: true, displaylogo: false, toImageButtonOptions: { format: "svg" } };
  if (window.innerWidth < NARROW) {
    const entries = figure.data.filter(function (trace) { return trace.name && trace.showlegend !== false; });
    const below = 20 * entries.length + 60;
    figure.layout.legend = Object.assign({}, figure.layout.legend, { orientation: "h", x: 0, y: -0.2, yanchor: "top" });
    if (entries.length > 1) {
      figure.layout.height = (figure.layout.height || 450) + below;
      figure.layout.margin = Object.assign({}, figure.layout.margin, { b: 60 + below });
    }
    delete figure.layout.updatemenus; // there is no room for them
    for (const note of figure.layout.annotations || []) note.font = Object.assign({}, note.font, { size: 10 });
    figure.layout.title.font = Object.assign({}, figure.layout.title.font, { size: 12 });
  }
  Plotly.newPlot(place, figure.data, figure.layout, options).then(function () {
    if (figure.frames.length) { Plotly.addFrames(place, figure.frames); }
  });
});
const A4 = 680;  // printed width of a figure, CSS pixels within the page's margins
function widen(width) {
  document.querySelectorAll(".figure.js-plotly-plot").forEach(function (place) {
    Plotly.relayout(place, width ? { width: width, autosize: false } : { width: null, autosize: true });
  });
}
window.addEventListener("beforeprint", function () { widen(A4); });
window.addEventListener("afterprint", function () { widen(0); });
document.querySelectorAll(".show-code").forEach(function (button) {
  button.addEventListener("click", function () {
    const shown = document.body.classList.toggle("with-code");
    button.setAttribute("aria-pressed", shown);
    button.textContent = shown ? "Hide code" : "Show code";
  });
});
