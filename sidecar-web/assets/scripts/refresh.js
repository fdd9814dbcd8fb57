// Statuses and pictures are loaded anew each minute, where that is wanted and shows anything new.
import { isTrouble, refreshNotices } from "./notices.js";
import { refreshPictures } from "./pictures.js";
import { refreshPipeline } from "./pipeline.js";
import { refreshRange } from "./range.js";
import { refreshServices, refreshStatuses } from "./statuses.js";
import { rememberedCheckbox } from "./storage.js";
import { say } from "./texts.js";
import { showNow } from "./times.js";

const EACH_MS = 60000;
// While something is wrong, it is looked sooner whether it still is.
const IN_TROUBLE_MS = 5000;

// A custom range that has ended stays as it is.
function hasEnded() {
  const { term, end } = document.querySelector(".controls")?.dataset ?? {};
  return term === "custom" && Number(end) * 1000 < Date.now();
}

export function setUpRefresh(isDragging) {
  // In place of a page there is nothing that changes.
  if (document.body.matches(".error")) return;
  let isOn = false;
  let isAsking = false;
  let refreshed = Date.now();
  let looked = refreshed;
  const says = document.getElementById("refreshed");
  const tell = () => {
    says.textContent = say(hasEnded() ? "refreshedPast" : "refreshed", { time: showNow() });
  };
  const refreshAll = async (hasAnswer) => {
    refreshed = Date.now();
    refreshStatuses();
    refreshServices();
    // Those that are there are better than none.
    if (!hasAnswer) return;
    refreshPipeline();
    refreshRange();
    refreshPictures(hasEnded() ? "figure:has(.no-data)" : "figure");
    tell();
  };
  const look = async (isTime) => {
    isAsking = true;
    looked = Date.now();
    const wasTrouble = isTrouble();
    const hasAnswer = await refreshNotices();
    isAsking = false;
    if (isTime || isTrouble() !== wasTrouble) refreshAll(hasAnswer);
  };
  const refresh = () => {
    if (!isOn || document.hidden || isDragging() || isAsking) return;
    const isTime = Date.now() - refreshed >= EACH_MS;
    if (isTime || (isTrouble() && Date.now() - looked >= IN_TROUBLE_MS)) look(isTime);
  };
  rememberedCheckbox("auto-refresh", (checked) => {
    isOn = checked;
    refresh();
  }, true);
  tell();
  // Often looked whether it is time: a page that was hidden for long is refreshed when it is seen.
  setInterval(refresh, 1000);
  document.addEventListener("visibilitychange", refresh);
}
