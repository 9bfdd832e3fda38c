/** Tables of contents and configurations nest two or three levels. */
const MAX_DEPTH = 16;

/**
 * A JSON object out of UTF-8 bytes. Unlike JSON.parse alone it refuses a name that stands twice in one object (which
 * JSON.parse answers with the last) and nesting beyond 16 levels. Throws Error with the reason.
 */
export function parseJsonObject(bytes: Uint8Array): Record<string, unknown> {
  const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  checkStructure(text);
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('not a JSON object');
  return value as Record<string, unknown>;
}

/** Walks over brackets and strings only; whether the rest is JSON is left to JSON.parse. */
function checkStructure(text: string): void {
  /** For every open bracket the names so far; none in a list. */
  const open: (Set<string> | undefined)[] = [];
  for (let index = 0; index < text.length; index++) {
    const character = text[index];
    if (character === '{' || character === '[') {
      open.push(character === '{' ? new Set() : undefined);
      if (open.length > MAX_DEPTH) throw new Error(`nested deeper than ${MAX_DEPTH} levels`);
    } else if (character === '}' || character === ']') {
      open.pop();
    } else if (character === '"') {
      const end = endOfString(text, index);
      const names = open.at(-1);
      if (names && followedByColon(text, end)) {
        const name: string = JSON.parse(text.slice(index, end));
        if (names.has(name)) throw new Error(`the name ${name.slice(0, 200)} stands twice in one object`);
        names.add(name);
      }
      index = end - 1;
    }
  }
}

function endOfString(text: string, start: number): number {
  let index = start + 1;
  while (index < text.length && text[index] !== '"') index += text[index] === '\\' ? 2 : 1;
  return index + 1;
}

function followedByColon(text: string, from: number): boolean {
  let index = from;
  while (' \t\r\n'.includes(text[index] ?? '-')) index++;
  return text[index] === ':';
}
