// Bytes as people and programs can read them. What comes from a log is never sent to a terminal as it is: control
// characters in it could move the cursor, recolour the screen or worse.

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
// Control characters, the C1 set, and the marks that turn the direction of text around.
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it looks for
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\\]/g;
const NAMED = new Map([
  ["\n", "\\n"],
  ["\r", "\\r"],
  ["\t", "\\t"],
  ["\\", "\\\\"],
]);

/** The text, if the bytes are UTF-8. */
export function utf8(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** On one line, safe to print: text with its control characters escaped, or hexadecimal digits after `0x`. */
export function printable(bytes: Uint8Array): string {
  const text = utf8(bytes);
  return text === undefined ? `0x${Buffer.from(bytes).toString("hex")}` : escaped(text);
}

/** Text with what must not reach a terminal escaped. */
export function escaped(text: string): string {
  return text.replace(UNSAFE, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return NAMED.get(character) ?? `\\u{${code.toString(16)}}`;
  });
}

/** For JSON: text as a string, other bytes as `{ "base64": ... }`, null as null. */
export function jsonBytes(bytes: Uint8Array | null): string | { base64: string } | null {
  if (bytes === null) return null;
  return utf8(bytes) ?? { base64: Buffer.from(bytes).toString("base64") };
}

/** A time in ms since 1970 as ISO 8601; times outside of what a date can be stay numbers. */
export function isoTime(ms: number): string {
  return Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : String(ms);
}

/** A size for people. */
export function size(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}
