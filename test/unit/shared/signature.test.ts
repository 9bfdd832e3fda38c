import { describe, expect, it, test } from 'vitest';
import { createSigner, parseSigningKey } from '../../../shared/signature.ts';
import { outcomeOf } from '../../support/outcome.ts';

/** RFC 8037, appendix A. */
const KEY = {
  kty: 'OKP',
  crv: 'Ed25519',
  d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A',
  x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
};
const TEXT = 'eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc';
const SIGNATURE = 'hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg';

test('signs, verifies and names its key as RFC 8037 does', async () => {
  const signer = createSigner(parseSigningKey(JSON.stringify(KEY)));
  expect(await signer.sign(TEXT)).toBe(SIGNATURE);
  expect(await signer.verify(TEXT, SIGNATURE)).toBe(true);
  expect(await signer.verify(`${TEXT}.`, SIGNATURE)).toBe(false);
  expect(await signer.verify(TEXT, 'no base64url!')).toBe(false);
  expect(await signer.publicKey()).toMatchObject({ x: KEY.x, kid: 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k' });
});

describe('a key is refused at the start', () => {
  it.each([
    ['that is no JSON', 'key'],
    ['of another curve', JSON.stringify({ ...KEY, crv: 'X25519' })],
    ['without its secret', JSON.stringify({ ...KEY, d: undefined })],
    ['that was cut off', JSON.stringify({ ...KEY, d: KEY.d.slice(0, 40) })],
    ['with bytes too many', JSON.stringify({ ...KEY, x: `${KEY.x}AAAA` })],
    ['that is not base64url', JSON.stringify({ ...KEY, x: KEY.x.replace('_', '/') })],
  ])('%s', async (_, text) => {
    expect(await outcomeOf(Promise.resolve().then(() => parseSigningKey(text)))).toBe('invalid');
  });
});
