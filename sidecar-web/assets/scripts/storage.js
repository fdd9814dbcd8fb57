// What is remembered in this browser. It may forbid that: then nothing is, and all else works.
const PREFIX = "kurado.";

export function recall(name) {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

export function remember(name, value) {
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    // It holds for this page alone.
  }
}

// A checkbox that is as it was left last; `act` is told at once and on each change.
export function rememberedCheckbox(id, act, otherwise = false) {
  const box = document.getElementById(id);
  if (!box) return;
  const before = recall(id);
  box.checked = before === null ? otherwise : before === "true";
  act(box.checked);
  box.addEventListener("change", () => {
    remember(id, box.checked);
    act(box.checked);
  });
}
