// Numbers as a graph's legend writes them; the same rules as in src/graph/number_format.rs.
const PREFIXES = ["a", "f", "p", "n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
const OF_ONE = 6;

export function showNumber(number, { precision, prefix, unit }, base) {
  if (number === null || !Number.isFinite(number)) return "–";
  const power = prefix ? powerOf(number, base) : 0;
  const text = (number / base ** power).toFixed(precision);
  const behind = PREFIXES[OF_ONE + power] + unit;
  return behind === "" || behind === "%" ? text + behind : `${text} ${behind}`;
}

// The power of `base` by which the number is best written.
function powerOf(number, base) {
  let size = Math.abs(number);
  let power = 0;
  if (size === 0 || base <= 1) return 0;
  for (; size >= base && power < OF_ONE; power += 1) size /= base;
  for (; size < 1 && power > -OF_ONE; power -= 1) size *= base;
  return power;
}
