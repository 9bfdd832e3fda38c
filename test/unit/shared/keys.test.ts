import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ALL_SCOPES, apiKeySchema, createApiKey, hashApiKey, isWellFormedApiKey } from '../../../shared/keys.ts';

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const NOW = Date.parse('2026-01-01T00:00:00.000Z');
const newKey = () => createApiKey({ account: 'acc_one', name: 'test', scopes: ALL_SCOPES, now: NOW });

/** The six base62 digits, most significant first, by zlib's own CRC-32. */
function checksumOf(body: string): string {
  let rest = crc32(body);
  let digits = '';
  for (let i = 0; i < 6; i++, rest = Math.floor(rest / 62)) digits = BASE62[rest % 62] + digits;
  return digits;
}

describe('API key', () => {
  it('has the announced form and a stored part without the secret', async () => {
    const { key, secret, hash } = await newKey();
    expect(secret).toMatch(/^sr_live_[0-9A-Za-z]{49}$/);
    expect(apiKeySchema.parse(key)).toEqual(key);
    expect(key).toMatchObject({ account: 'acc_one', last4: secret.slice(-4), created_at: '2026-01-01T00:00:00.000Z' });
    expect(key).not.toHaveProperty('expires_at');
    expect(JSON.stringify(key)).not.toContain(secret.slice(8, 20));
    expect(hash).toBe(createHash('sha256').update(secret).digest('hex'));
    const expiring = await createApiKey({
      account: 'a',
      name: 'n',
      scopes: [],
      now: NOW,
      expires_at: '2027-01-01T00:00:00.000Z',
    });
    expect(expiring.key.expires_at).toBe('2027-01-01T00:00:00.000Z');
  });

  it('hashes by SHA-256 (FIPS 180-2, appendix B.1)', async () => {
    expect(await hashApiKey('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  });

  it('carries a CRC-32 of the characters before it', async () => {
    expect(crc32('123456789')).toBe(0xcbf43926); // the check value of CRC-32/ISO-HDLC: this judge is sound
    for (let i = 0; i < 50; i++) {
      const { secret } = await newKey();
      expect(secret.slice(-6)).toBe(checksumOf(secret.slice(0, -6)));
    }
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...BASE62), minLength: 43, maxLength: 43 }), (random) => {
        const body = `sr_live_${random}`;
        expect(isWellFormedApiKey(body + checksumOf(body))).toBe(true);
      }),
      { seed: 1 },
    );
  });

  it('is told from every typo in one character', async () => {
    const { secret } = await newKey();
    expect(isWellFormedApiKey(secret)).toBe(true);
    for (let i = 0; i < secret.length; i++) {
      for (const character of `${BASE62}_-`) {
        if (character === secret[i]) continue;
        const typo = secret.slice(0, i) + character + secret.slice(i + 1);
        expect(isWellFormedApiKey(typo), typo).toBe(false);
      }
    }
  });

  it('is told from two swapped neighbors, from characters cut off or added, and from anything else', async () => {
    const { secret } = await newKey();
    for (let i = 0; i < secret.length - 1; i++) {
      const swapped = secret.slice(0, i) + secret[i + 1] + secret[i] + secret.slice(i + 2);
      expect(isWellFormedApiKey(swapped)).toBe(swapped === secret);
    }
    for (const other of [
      secret.slice(1),
      secret.slice(0, -1),
      `${secret}0`,
      ` ${secret}`,
      `${secret}\n`,
      '',
      'sr_live_',
    ]) {
      expect(isWellFormedApiKey(other)).toBe(false);
    }
  });

  it('uses every character of its alphabet, about equally often', async () => {
    const counts = new Map<string, number>();
    const keys = 500;
    for (let i = 0; i < keys; i++) {
      for (const character of (await newKey()).secret.slice(8, -6))
        counts.set(character, (counts.get(character) ?? 0) + 1);
    }
    const expected = (keys * 43) / 62;
    const chiSquare = [...BASE62].reduce((sum, c) => sum + ((counts.get(c) ?? 0) - expected) ** 2 / expected, 0);
    expect(chiSquare).toBeLessThan(135); // 61 degrees of freedom: exceeded by chance once in 5 million runs
  });
});
