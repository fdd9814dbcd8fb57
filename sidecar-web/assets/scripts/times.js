// Times as the server's pages write them, in its zone.
function format(options) {
  const named = (timeZone) => new Intl.DateTimeFormat("sv-SE", { timeZone, ...options });
  try {
    return named(document.documentElement.dataset.zone);
  } catch {
    return named("UTC"); // This browser does not know the zone.
  }
}

const minutes = format({ dateStyle: "short", timeStyle: "short" });
const clock = format({ timeStyle: "medium" });

// `2026-01-31 08:15` of seconds since 1970.
export function showTime(seconds) {
  return minutes.format(seconds * 1000);
}

// `08:15:42` of now.
export function showNow() {
  return clock.format(Date.now());
}
