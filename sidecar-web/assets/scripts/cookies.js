// What the server must know of a reader's choices, the theme and the language, is kept in cookies:
// pages come in it.
export function setUpCookies() {
  for (const choice of document.querySelectorAll("select[data-cookie]")) {
    choice.addEventListener("change", () => {
      const path = new URL("./", location.href).pathname;
      const age = choice.value === "auto" ? 0 : 31536000;
      const secure = location.protocol === "https:" ? "; secure" : "";
      document.cookie = `${choice.dataset.cookie}=${choice.value}; path=${path}; max-age=${age}; samesite=lax${secure}`;
      location.reload();
    });
  }
}
