import { AppError } from '../../shared/error.ts';
import { invalidBody, jsonPointer } from './problem.ts';

/** Deeper than any body that is known here; recursion through values is safe below it. */
const MAX_DEPTH = 32;

/**
 * Throws `malformed` for a body that is not UTF-8, and `invalid` for one that is nested deeper than MAX_DEPTH, names a
 * field twice in an object (of two, one program takes the first and another the last), has a string that is no text
 * (RFC 7493), or the name `__proto__`, which schemas pass over. The parser finds out whether it is JSON at all.
 */
export function checkJsonText(bytes: Uint8Array): void {
  const text = decode(bytes);
  const open: Place[] = [];
  for (let i = 0; i < text.length; i++) {
    const place = open.at(-1);
    switch (text[i]) {
      case '"': {
        const end = endOfString(text, i);
        checkString(text, i, end, open);
        i = end;
        break;
      }
      case '{':
      case '[':
        open.push(text[i] === '{' ? { names: new Set(), at: '' } : { at: 0 });
        if (open.length <= MAX_DEPTH) break;
        throw new AppError('invalid', `The body is nested deeper than ${MAX_DEPTH} arrays and objects.`);
      case '}':
      case ']':
        open.pop();
        break;
      case ',':
        if (typeof place?.at === 'number') place.at++;
    }
  }
}

/** In an array or, with the names so far, in an object that is not closed yet. */
interface Place {
  names?: Set<string>;
  at: string | number;
}

const COLON = /[ \t\r\n]*:/y;

function decode(bytes: Uint8Array): string {
  try {
    // Leaves out a byte order mark.
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new AppError('malformed', 'The body is not UTF-8, which JSON is.', { cause });
  }
}

/** Where its closing quote is; that of a string without one, at the end of the text. */
function endOfString(text: string, start: number): number {
  let end = start + 1;
  while (end < text.length && text[end] !== '"') end += text[end] === '\\' ? 2 : 1;
  return end;
}

function checkString(text: string, start: number, end: number, open: readonly Place[]): void {
  COLON.lastIndex = end + 1;
  const place = open.at(-1);
  const isName = place?.names !== undefined && COLON.test(text);
  const raw = text.slice(start, end + 1);
  if (!isName && !raw.includes('\\u')) return;
  const value = parseString(raw);
  if (value === undefined) return;
  if (isName) {
    const isRepeated = place.names!.has(value);
    place.names!.add(value);
    place.at = value;
    if (value === '__proto__') throw refuse(open, 'is not a known field');
    if (isRepeated) throw refuse(open, 'is there twice');
  } else if (!value.isWellFormed()) {
    throw refuse(open, 'is no text: it has a lone surrogate');
  }
}

function parseString(raw: string): string | undefined {
  try {
    return JSON.parse(raw) as string;
  } catch {
    return undefined; // the parser of the whole text finds the same
  }
}

function refuse(open: readonly Place[], message: string): AppError {
  return invalidBody([{ pointer: jsonPointer(open.map(({ at }) => at)), message }]);
}
