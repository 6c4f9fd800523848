// The contact sheet of a live JupyterLab: a click, Enter or Space on a lesion asks for its viewer.

function render({ model, el }) {
  el.innerHTML = model.get("html");
  const asked = (event) => {
    const lesion = event.target.closest("[data-patient]");
    const wanted = event.type === "click" || event.key === "Enter" || event.key === " ";
    if (!lesion || !wanted) return;
    event.preventDefault();
    event.stopPropagation();
    model.send({ patient: lesion.dataset.patient });
  };
  el.addEventListener("click", asked);
  el.addEventListener("keydown", asked);
}

export default { render };
