import type { Device } from '../../runtime/devices.ts';
import { createLazySession } from '../../runtime/session.ts';
import type { Tensor } from '../../tensor/tensor.ts';

/** DAPE: the contents of a photo, in numbers for the networks and in words for the prompt. */
export interface Tagger {
  /**
   * `image` [1, 3, 384, 384], normalized → `imageEmbeds` [1, 145, 512], and a logit for every tag. Blocks the thread.
   */
  describe(image: Tensor): Promise<{ imageEmbeds: Tensor; logits: Float32Array }>;
  release(): Promise<void>;
}

interface TaggerOptions {
  model: Uint8Array | string;
  device: Device;
  /** Whether it stays loaded after a call. */
  stays?: boolean;
}

/** `model`: of the graph `tagger`, bytes or a path. Loaded at its first call, which then throws as `createSession` does. */
export function createTagger({ model, device, stays = true }: TaggerOptions): Tagger {
  const session = createLazySession(model, device, { stays });
  return {
    async describe(image) {
      const { image_embeds: imageEmbeds, logits } = await session.run({ image });
      return { imageEmbeds: imageEmbeds!, logits: logits!.data };
    },
    release: () => session.release(),
  };
}
