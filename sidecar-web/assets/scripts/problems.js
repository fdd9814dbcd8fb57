// On wish the list has what is worst at its top: services, sections and hosts.
import { statusOf } from "./statuses.js";
import { rememberedCheckbox } from "./storage.js";

const WORST_FIRST = ["critical", "unknown", "warning", "ok"];

export function setUpProblemsFirst() {
  const lists = [...document.querySelectorAll(".hosts, .service")]
    .map((parent) => [parent, ".hosts > li, .service > .section"])
    .concat([[document.querySelector(".list main"), ".service"]])
    .filter(([parent]) => parent)
    .map(([parent, kind]) => ({
      parent,
      // As configured.
      children: [...parent.children].filter((child) => child.matches(kind)),
    }));
  let isOn = false;
  const order = () => {
    for (const { parent, children } of lists) {
      const ranked = children.map((child) => ({ child, rank: isOn ? rankOf(child) : 0 }));
      ranked.sort((a, b) => a.rank - b.rank);
      const ours = new Set(children);
      const now = [...parent.children].filter((child) => ours.has(child));
      // What stands right is left alone, and with it the focus.
      if (now.length === 0 || ranked.every(({ child }, at) => child === now[at])) continue;
      const behind = now.at(-1).nextSibling;
      for (const { child } of ranked) parent.insertBefore(child, behind);
    }
  };
  rememberedCheckbox("problems-first", (checked) => {
    isOn = checked;
    order();
  });
  document.addEventListener("statuses", order);
}

function rankOf(element) {
  const rows = element.matches("li") ? [element] : element.querySelectorAll("li");
  return Math.min(...[...rows].map((row) => WORST_FIRST.indexOf(statusOf(row))));
}
