// JSON.parse keeps the last of two values of one key: which was meant is a guess, and elsewhere the first is taken.
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]/g;

export class RepeatedKey extends Error {}

/** Throws SyntaxError, or RepeatedKey for an object that has a key twice, however it is spelt. */
export function parseJson(text) {
  const read = JSON.parse(text);
  if (repeatsKey(text)) throw new RepeatedKey();
  return read;
}

function repeatsKey(text) {
  const keys = [];
  let last;
  for (const [token] of text.matchAll(TOKENS)) {
    if (token === '{') keys.push(new Set());
    else if (token === '[') keys.push(undefined);
    else if (token === '}' || token === ']') keys.pop();
    else if (token === ':') {
      const key = JSON.parse(last);
      if (keys.at(-1).has(key)) return true;
      keys.at(-1).add(key);
    }
    last = token;
  }
  return false;
}
