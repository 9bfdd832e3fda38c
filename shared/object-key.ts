import { AppError } from './error.ts';

const MAX_CHARACTERS = 512;
const SEGMENT = '[A-Za-z0-9_-][A-Za-z0-9._-]*';
const FORMAT = new RegExp(`^${SEGMENT}(?:/${SEGMENT})*$`);

/** No segment is empty or begins with a dot, so that a key below a folder stays below it. */
export function isObjectKey(key: string): boolean {
  return key.length <= MAX_CHARACTERS && FORMAT.test(key);
}

/** The key itself. Throws `invalid`. */
export function checkObjectKey(key: string): string {
  if (isObjectKey(key)) return key;
  const rule = `segments of A-Z a-z 0-9 _ - . that do not begin with a dot, at most ${MAX_CHARACTERS} characters`;
  throw new AppError('invalid', `"${key.slice(0, MAX_CHARACTERS)}" is not an object key: ${rule}.`);
}
