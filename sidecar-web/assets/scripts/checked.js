// Hosts are checked one by one or, with Shift, up to the one before; from two on they open side by
// side.
import { rememberedCheckbox } from "./storage.js";

export function setUpChecked() {
  const form = document.getElementById("checked");
  if (!form) return;
  const buttons = form.querySelectorAll(".opening button");
  const boxes = () => [...document.querySelectorAll(".hosts li:not([hidden]) input")];
  const update = () => {
    const count = document.querySelectorAll(".hosts input:checked").length;
    for (const button of buttons) button.disabled = count < 2;
  };
  let last = null;
  document.querySelector("main").addEventListener("click", (event) => {
    const box = event.target;
    if (!box.matches(".hosts input")) return;
    const shown = boxes();
    const [from, to] = [shown.indexOf(last), shown.indexOf(box)].sort((a, b) => a - b);
    if (event.shiftKey && from >= 0) {
      for (const between of shown.slice(from, to + 1)) between.checked = box.checked;
    }
    last = box;
    update();
  });
  form.addEventListener("reset", () => setTimeout(update));
  // A browser may restore what was checked before.
  window.addEventListener("pageshow", update);
  update();

  rememberedCheckbox("new-window", (isNew) => {
    const target = isNew ? "_blank" : "";
    form.target = target;
    for (const link of document.querySelectorAll(".hosts a")) link.target = target;
  });
}
