// What is wrong with Kurado itself stands at the top of each page, and goes when it is over.
const list = document.getElementById("notices");
const noAnswer = document.getElementById("no-answer");
// A web that hangs does not answer either. It waits for Redis itself, though not as long.
const LIMIT_MS = 10000;

// Each a text and its details; null where the web does not answer, or a proxy in its place.
async function ask() {
  let answer;
  try {
    answer = await fetch("api/notices", { signal: AbortSignal.timeout(LIMIT_MS) });
  } catch {
    return null;
  }
  if (answer.status >= 500) return null;
  // Whoever may not ask any more keeps what was said.
  return answer.ok ? answer.json().catch(() => null) : shown();
}

function shown() {
  return [...list.children].map((notice) => {
    const [text, detail] = notice.childNodes;
    return { text: text.textContent.trim(), detail: detail.textContent };
  });
}

function show(notices) {
  // What stands is left alone: it would be read out again.
  if (JSON.stringify(notices) === JSON.stringify(shown())) return;
  list.replaceChildren(...notices.map(({ text, detail }) => {
    const notice = document.createElement("p");
    notice.className = "notice";
    // Details are as the log has them.
    const english = document.createElement("span");
    english.lang = "en";
    english.textContent = detail;
    notice.append(`${text} `, english);
    return notice;
  }));
}

export function isTrouble() {
  return !noAnswer.hidden || list.childElementCount > 0;
}

// Whether the web answered.
export async function refreshNotices() {
  const notices = await ask();
  noAnswer.hidden = notices !== null;
  if (notices) show(notices);
  return notices !== null;
}
