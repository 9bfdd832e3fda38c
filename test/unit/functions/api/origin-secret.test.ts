import { expect, test } from 'vitest';
import { ORIGIN_SECRET_HEADER, requireOriginSecret } from '../../../../functions/api/origin-secret.ts';

const SECRET = 'a'.repeat(40);

test('only requests of the distribution come through, with both ways to send a key, and without the secret', async () => {
  const guarded = requireOriginSecret(
    async (request) => Response.json({ headers: Object.fromEntries(request.headers), body: await request.text() }),
    SECRET,
  );
  const send = (headers: Record<string, string>) =>
    guarded.request('https://function.example/v1/jobs', { method: 'POST', body: '{"a":1}', headers });
  expect((await send({})).status).toBe(403);
  expect((await send({ [ORIGIN_SECRET_HEADER]: `${SECRET}a` })).status).toBe(403);
  expect((await send({ [ORIGIN_SECRET_HEADER]: SECRET.toUpperCase() })).status).toBe(403);
  const keys = { authorization: 'Bearer one', 'x-api-key': 'two' };
  const passed = (await (await send({ [ORIGIN_SECRET_HEADER]: SECRET, ...keys })).json()) as Record<string, unknown>;
  expect(passed).toMatchObject({ headers: keys, body: '{"a":1}' });
  expect(passed.headers).not.toHaveProperty(ORIGIN_SECRET_HEADER.toLowerCase());
});
