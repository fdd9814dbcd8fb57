// The pipeline is loaded anew as a whole, but not under the hand of who copies a line of it.
export async function refreshPipeline() {
  const main = document.querySelector(".pipeline main");
  if (!main || main.contains(document.activeElement) || !getSelection().isCollapsed) return;
  try {
    const answer = await fetch(location.href);
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const later = page.querySelector(".pipeline main");
    if (later) main.replaceWith(document.adoptNode(later));
  } catch {
    // The next time it may come.
  }
}
