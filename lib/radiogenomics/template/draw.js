document.querySelectorAll("script.figure-data").forEach(function (source) {
  const place = source.previousElementSibling;
  const figure = JSON.parse(source.textContent);
  const options = { responsive: true, displaylogo: false, toImageButtonOptions: { format: "svg" } };
  Plotly.newPlot(place, figure.data, figure.layout, options).then(function () {
    if (figure.frames.length) { Plotly.addFrames(place, figure.frames); }
  });
});
