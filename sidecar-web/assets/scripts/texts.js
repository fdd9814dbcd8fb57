// What scripts say, in the language of the page, which brings it.
const { dataset } = document.getElementById("texts");

// The text of that name; `{time}` in it is the value `time`.
export function say(name, values = {}) {
  return dataset[name].replace(/\{(\w+)\}/g, (_, value) => values[value]);
}
