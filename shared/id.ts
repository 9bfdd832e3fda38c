const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'; // Crockford base32, lower case
const TIME_CHARACTERS = 10;
const RANDOM_CHARACTERS = 16;

/** `prefix_` + ULID in lower case (48-bit milliseconds, 80 random bits): sorts by time of creation. */
export function createId(prefix: string, now: number): string {
  const random = crypto.getRandomValues(new Uint8Array(RANDOM_CHARACTERS));
  return firstId(prefix, now) + Array.from(random, (byte) => ALPHABET[byte % 32]).join('');
}

/** An id that sorts before every id that was created at `now` or later, and after all others. */
export function firstId(prefix: string, now: number): string {
  let time = '';
  for (let rest = now, i = 0; i < TIME_CHARACTERS; i++) {
    time = ALPHABET[rest % 32] + time;
    rest = Math.floor(rest / 32);
  }
  return `${prefix}_${time}`;
}
