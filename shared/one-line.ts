/** Control characters, line ends, halves of characters, and marks that turn the direction of reading. */
const UNSAFE = /[\p{Cc}\p{Cs}\u2028-\u202e\u2066-\u2069]/gu;

/** Names and messages as a terminal may show them, in one line: active characters are written as code points. */
export function oneLine(text: string): string {
  return text.replace(UNSAFE, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}
