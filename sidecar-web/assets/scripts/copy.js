// A button beside the address of a host copies it.
export function setUpCopy() {
  for (const address of document.querySelectorAll(".host .address")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.setAttribute("aria-label", `Copy ${address.textContent}`);
    button.addEventListener("click", async () => {
      const isDone = await copy(address);
      button.textContent = isDone ? "Copied" : "Not allowed";
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
