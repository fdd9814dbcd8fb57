// Runs before anything is shown, so that nothing moves later: what needs scripts is there from the
// first, and the header has its size.
document.documentElement.dataset.scripts = "";
try {
  if (localStorage.getItem("kurado.small-header") === "true") document.documentElement.dataset.header = "small";
} catch {
  // The browser forbids to remember.
}
