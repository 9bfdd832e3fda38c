import { join } from 'node:path';
import { z } from 'zod';
import { timestepSinusoids } from '../../../gpu-worker/diffusion/timestep-rows.ts';
import { type Flavor, FULL_PRECISION, type Graph } from '../../../gpu-worker/graphs/onnx.ts';
import { toTensor } from '../../../gpu-worker/images/image-tensor.ts';
import { openPasdCheckpoints } from '../../../gpu-worker/methods/pasd/checkpoints.ts';
import { pasdConfig } from '../../../gpu-worker/methods/pasd/config.ts';
import { createPasd, type PasdModels } from '../../../gpu-worker/methods/pasd/models.ts';
import { pasdNetworks } from '../../../gpu-worker/methods/pasd/networks.ts';
import { compileModel } from '../../../gpu-worker/runtime/compile.ts';
import { createLazySession, type Session } from '../../../gpu-worker/runtime/session.ts';
import type { Tensor } from '../../../gpu-worker/tensor/tensor.ts';
import type { RecordedCase } from '../../support/recorded-case.ts';
import { PARITY_DEVICE } from '../device.ts';

/** Changes of the networks, to see what they cost. */
export interface PasdChange {
  graph?(graph: Graph): void;
  weight?(name: string, values: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer>;
  flavor?: Flavor;
}

/** The sources of a build, in a recorded set. */
function pasdPaths(folder: string) {
  const path = (name: string) => join(folder, 'checkpoints', name);
  return { pasd: path('pasd/checkpoint-100000'), sd15: path('stable-diffusion-v1-5') };
}

/** The networks of a recorded set, compiled when they are asked for by name. */
async function compilePasd(
  folder: string,
  { graph: alter = () => {}, weight = (_, values) => values, flavor = FULL_PRECISION }: PasdChange,
  { names, probes = false }: { names?: readonly string[]; probes?: boolean } = {},
) {
  const { pasd, sd15 } = pasdPaths(folder);
  await using checkpoints = await openPasdCheckpoints({ pasd, sd: sd15 });
  const models = new Map<string, Uint8Array>();
  for (const { name, graph, read } of pasdNetworks(checkpoints, { flavor, probes })) {
    if (names && !names.includes(name)) continue;
    alter(graph);
    models.set(name, await compileModel(graph, async (key) => weight(key, await read(key))));
  }
  return { models, config: pasdConfig(checkpoints, flavor), tokenizer: checkpoints.tokenizer };
}

/** Everything that the recipe calls. */
export async function openPasd(folder: string, change: PasdChange = {}): Promise<PasdModels> {
  const { models, config, tokenizer } = await compilePasd(folder, change);
  return await createPasd({
    config,
    model: (name) => models.get(name)!,
    tokenizer: { mergesPath: tokenizer.merges, vocabPath: tokenizer.vocabulary },
    device: PARITY_DEVICE,
  });
}

const DENOISER = ['stem', 'context', 'time', 'denoiser'] as const;
const denoiserSchema = z.object({ timestep: z.int(), conditioning_scale: z.number() });

/** The networks of a step, for cases of the denoiser. */
export interface PasdDenoiser {
  /** The noise, and unless something is changed all that is recorded on the way. */
  compute(recorded: RecordedCase): Promise<Record<string, Tensor>>;
  release(): Promise<void>;
}

export async function openDenoiser(folder: string, change?: PasdChange): Promise<PasdDenoiser> {
  const { models, config } = await compilePasd(folder, change ?? {}, { names: DENOISER, probes: !change });
  const [stem, context, time, denoiser] = DENOISER.map((name) => {
    return createLazySession(models.get(name)!, PARITY_DEVICE);
  }) as [Session, Session, Session, Session];
  return {
    async compute(recorded) {
      const { timestep, conditioning_scale } = denoiserSchema.parse(recorded.parameters);
      const seen = await stem.run({ condition: toTensor(await recorded.image('condition')) });
      const contexts = await context.run({ text: await recorded.tensor('hidden') });
      const times = await time.run({ sinusoids: timestepSinusoids([timestep], config.timeChannels) });
      const outputs = await denoiser.run({
        ...seen,
        ...contexts,
        ...times,
        latent: await recorded.tensor('latent'),
        conditioning_scale: { data: Float32Array.of(conditioning_scale), shape: [1] },
      });
      return { ...outputs, ...seen };
    },
    async release() {
      for (const session of [stem, context, time, denoiser]) await session.release();
    },
  };
}
