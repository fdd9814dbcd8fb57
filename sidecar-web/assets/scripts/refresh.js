// Statuses and pictures are loaded anew each minute, where that is wanted and shows anything new.
import { refreshPictures } from "./pictures.js";
import { refreshServices, refreshStatuses } from "./statuses.js";
import { rememberedCheckbox } from "./storage.js";
import { showNow } from "./times.js";

const EACH_MS = 60000;

// A custom range that has ended stays as it is.
function hasEnded() {
  const { term, end } = document.querySelector(".controls")?.dataset ?? {};
  return term === "custom" && Number(end) * 1000 < Date.now();
}

export function setUpRefresh(isDragging) {
  let isOn = false;
  let refreshed = Date.now();
  const says = document.getElementById("refreshed");
  const say = () => {
    says.textContent = `Refreshed ${showNow()}`;
    if (hasEnded()) says.textContent += "; graphs of a time in the past stay";
  };
  const refresh = () => {
    if (!isOn || document.hidden || isDragging() || Date.now() - refreshed < EACH_MS) return;
    refreshed = Date.now();
    refreshStatuses();
    refreshServices();
    if (!hasEnded()) refreshPictures();
    say();
  };
  rememberedCheckbox("auto-refresh", (checked) => {
    isOn = checked;
    refresh();
  }, true);
  say();
  // Often looked whether it is time: a page that was hidden for long is refreshed when it is seen.
  setInterval(refresh, 1000);
  document.addEventListener("visibilitychange", refresh);
}
