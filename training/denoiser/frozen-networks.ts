import { join } from 'node:path';
import { createTextEncoder, type TextEncoder } from '../../gpu-worker/diffusion/text-encoder.ts';
import type { SeesrCheckpoints } from '../../gpu-worker/methods/seesr/checkpoints.ts';
import { seesrNetworks } from '../../gpu-worker/methods/seesr/networks.ts';
import { createTagger, type Tagger } from '../../gpu-worker/methods/seesr/tagger.ts';
import { writeModel } from '../../gpu-worker/runtime/compile.ts';
import type { Device } from '../../gpu-worker/runtime/devices.ts';
import { createTokenizer, type Tokenizer } from '../../gpu-worker/tokenizer/clip-tokenizer.ts';
import { createVaeEncoder, type Encoder, type Posterior } from '../../gpu-worker/vae/vae.ts';
import type { Checkpoint } from '../../gpu-worker/weights/checkpoint.ts';

/** What makes the inputs of the denoiser out of pictures: nothing of it is trained. */
export interface FrozenNetworks {
  vae: Encoder<Posterior>;
  textEncoder: TextEncoder;
  tokenizer: Tokenizer;
  /** Looks at the degraded picture. */
  dape: Tagger;
  /** RAM itself looks at the good one. */
  ram: Tagger;
  release(): Promise<void>;
}

interface FrozenOptions {
  /** Where the networks are written. */
  directory: string;
  device: Device;
}

/** `ram`: the tagger without the updates of DAPE. Throws AppError `engine-failed` for files that are not SeeSR's. */
export async function openFrozenNetworks(
  checkpoints: SeesrCheckpoints,
  ram: Checkpoint,
  { directory, device }: FrozenOptions,
): Promise<FrozenNetworks> {
  const networks = new Map(seesrNetworks(checkpoints).map((network) => [network.name, network]));
  const write = async (name: string, read = networks.get(name)!.read, file = name) => {
    const model = join(directory, `${file}.onnx`);
    await writeModel(networks.get(name)!.graph, read, model);
    return model;
  };
  const opened = {
    vae: createVaeEncoder({ config: checkpoints.configs.vae, model: await write('vae-encoder'), device }),
    textEncoder: createTextEncoder({ model: await write('text-encoder'), device }),
    dape: createTagger({ model: await write('tagger'), device }),
    ram: createTagger({ model: await write('tagger', ram.read, 'ram'), device }),
  };
  const { vocabulary, merges } = checkpoints.tokenizer;
  return {
    ...opened,
    tokenizer: await createTokenizer({ mergesPath: merges, vocabPath: vocabulary }),
    async release() {
      for (const network of Object.values(opened)) await network.release();
    },
  };
}
