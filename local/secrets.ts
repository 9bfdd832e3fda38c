import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, linkSync, openSync, readFileSync, unlinkSync, writeSync } from 'node:fs';
import { AppError } from '../shared/error.ts';
import { parseSigningKey, type SigningKey } from '../shared/signature.ts';

/** Files that are made once, for their user only, and are the same after every start. */

const SECRET_BYTES = 32;
const SECRET_CHARACTERS = Math.ceil((SECRET_BYTES * 8) / 6); // in base64url

/** Signs URLs, so that links outlive a restart. Throws `conflict`: one that is empty or short could be guessed. */
export function readSecret(path: string): string {
  const secret = readOrMake(path, () => randomBytes(SECRET_BYTES).toString('base64url'));
  if (secret.length === SECRET_CHARACTERS) return secret;
  const rule = `it must have ${SECRET_CHARACTERS} characters and has ${secret.length}`;
  throw new AppError(
    'conflict',
    `${path} is damaged: ${rule}. Without the file a new one is made; old links end then.`,
  );
}

/** Signs receipts and quotes. Throws `conflict` for a file that is not such a key. */
export function readSigningKey(path: string): SigningKey {
  const text = readOrMake(path, () =>
    JSON.stringify(generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })),
  );
  try {
    return parseSigningKey(text);
  } catch (cause) {
    const rule = (cause as AppError).message;
    throw new AppError('conflict', `${path} is damaged: ${rule}. Put it back: without it old receipts prove nothing.`, {
      cause,
    });
  }
}

function readOrMake(path: string, make: () => string): string {
  if (existsSync(path)) return readFileSync(path, 'utf8');
  const temporary = `${path}.${randomUUID()}`;
  const file = openSync(temporary, 'wx', 0o600);
  writeSync(file, make());
  fsyncSync(file);
  closeSync(file);
  try {
    linkSync(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error; // another process was first
  } finally {
    unlinkSync(temporary);
  }
  return readFileSync(path, 'utf8');
}
