import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine } from '../../gpu-worker/engine.ts';
import { createGuardedFetch } from '../../shared/adapters/node/guarded-fetch.ts';
import { createLog } from '../../shared/log.ts';
import { PRICE_LISTS } from '../../shared/pricing.ts';
import { createSigner, parseSigningKey } from '../../shared/signature.ts';
import { createClock } from './clock.ts';
import type { Place } from './place.ts';
import { startReceiver } from './receiver.ts';
import { skewMilliseconds } from './skewed-clock.ts';

/** One for all worlds: the same content then has the same signature. */
const signer = createSigner(
  parseSigningKey(JSON.stringify(generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }))),
);

/** All around the stores of a world: engine, receivers, the source of `photo`, a clock and a directory. */
export async function surround(photo: Uint8Array) {
  const directory = await mkdtemp(join(tmpdir(), 'seesr-world-'));
  const log = createLog('silent', () => {});
  const engine = createEngine({ device: 'cpu', modelsDirectory: directory, log });
  const source = { status: 200, headers: { 'content-type': 'image/png' }, body: photo };
  const [hook, target, from] = await Promise.all([startReceiver(204), startReceiver(201), startReceiver(source)]);
  const receivers = { hook, target, source: from };
  // Links are signed by the clock of the machine.
  const clock = createClock(Date.now());
  const outbound = createGuardedFetch({
    allowHttp: false,
    allowHosts: Object.values(receivers).map(({ host }) => host),
  });
  return {
    directory,
    place: { engine, scratchDirectory: directory, receivers, clock } satisfies Partial<Place>,
    /** Of the service. */
    given: { prices: PRICE_LISTS.standard, signer, outbound, now: () => clock.now() + skewMilliseconds() },
    async close(): Promise<void> {
      for (const receiver of Object.values(receivers)) receiver.close();
      await engine.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
