// What can be done by drag and key.
export function setUpHelp() {
  const help = document.getElementById("help");
  document.getElementById("show-help").addEventListener("click", () => help.showModal());
  document.addEventListener("keydown", (event) => {
    if (event.key !== "?" || help.open || event.target.closest("input, select, textarea")) return;
    event.preventDefault();
    help.showModal();
  });
}
