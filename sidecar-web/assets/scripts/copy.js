// A button beside the address of a host copies it.
import { say } from "./texts.js";

export function setUpCopy() {
  for (const address of document.querySelectorAll(".host .address")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = say("copy");
    button.setAttribute("aria-label", say("copyAddress", { address: address.textContent }));
    button.addEventListener("click", async () => {
      const isDone = await copy(address);
      button.textContent = say(isDone ? "copied" : "copyNotAllowed");
    });
    address.after(button);
  }
}

async function copy(element) {
  try {
    await navigator.clipboard.writeText(element.textContent);
    return true;
  } catch {
    // Over plain HTTP there is only the old way: of what is selected.
    const range = document.createRange();
    range.selectNodeContents(element);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    return document.execCommand("copy");
  }
}
