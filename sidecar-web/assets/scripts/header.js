// A small header leaves more room for graphs. early.js has it so from the first.
import { rememberedCheckbox } from "./storage.js";

export function setUpHeader() {
  rememberedCheckbox("small-header", (isSmall) => {
    if (isSmall) document.documentElement.dataset.header = "small";
    else delete document.documentElement.dataset.header;
  });
}
