// The theme is kept in a cookie, which the server reads: pages and graphs come in it.
export function setUpTheme() {
  const choice = document.getElementById("theme");
  choice.addEventListener("change", () => {
    const path = new URL("./", location.href).pathname;
    const age = choice.value === "auto" ? 0 : 31536000;
    const secure = location.protocol === "https:" ? "; secure" : "";
    document.cookie = `kurado_theme=${choice.value}; path=${path}; max-age=${age}; samesite=lax${secure}`;
    location.reload();
  });
}
