// The marks of hosts say how they are now, and the sidebar how many of a service are not well.
import { say } from "./texts.js";

const NAMES = ["ok", "warning", "critical"];

export function statusOf(host) {
  return host.querySelector(".mark").classList[1];
}

function setStatus(mark, name) {
  if (mark.classList[1] === name) return;
  mark.className = "mark " + name;
  mark.title = say(name); // its accessible name, too
}

async function asked(address, options) {
  try {
    const answer = await fetch(address, options);
    return answer.ok ? await answer.json() : {};
  } catch {
    return {}; // The web itself is away: nothing is known.
  }
}

export async function refreshStatuses() {
  const hosts = [...document.querySelectorAll("[data-address]")];
  if (hosts.length === 0) return;
  const form = new URLSearchParams(hosts.map((host) => ["address", host.dataset.address]));
  const statuses = await asked("api/host-status", { method: "POST", body: form });
  for (const host of hosts) {
    setStatus(host.querySelector(".mark"), NAMES[statuses[host.dataset.address]] ?? "unknown");
  }
  document.dispatchEvent(new Event("statuses"));
}

export async function refreshServices() {
  const services = document.querySelectorAll("[data-service]");
  if (services.length === 0) return;
  const counts = await asked("api/service-status");
  for (const service of services) {
    const known = counts[service.dataset.service] ?? {};
    for (const problem of service.querySelectorAll(".problems > *")) {
      const count = known[problem.classList[0]] ?? 0;
      problem.hidden = count === 0;
      problem.querySelector("b").textContent = count;
    }
  }
}
