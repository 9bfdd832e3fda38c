import { z } from 'zod';
import { loadSuperResolver } from '../../../gpu-worker/methods/real-esrgan/engine.ts';
import type { RecordedCase } from '../../support/recorded-case.ts';
import { runNetwork } from '../../support/run-network.ts';
import type { Computed } from '../computed.ts';
import { PARITY_DEVICE } from '../device.ts';
import type { Parity } from '../parity.ts';

/** The networks that ship, with the weights that ship: the set has no checkpoints. */
export const parity: Parity = {
  methods: ['real-esrgan', 'real-esrgan-fast'],
  networks: ['network'],
  open: () => ({ kinds: { network }, [Symbol.asyncDispose]: async () => {} }),
};

const parametersSchema = z.strictObject({
  model: z.enum(['real-esrgan', 'real-esrgan-fast']),
  denoise: z.number().optional(),
});

async function network(recorded: RecordedCase): Promise<Computed> {
  const resolver = await loadSuperResolver({ ...parametersSchema.parse(recorded.parameters), device: PARITY_DEVICE });
  try {
    return { outputs: { output: await runNetwork(resolver, await recorded.tensor('input')) } };
  } finally {
    await resolver.release();
  }
}
