import type { Device } from '../runtime/devices.ts';
import { createLazySession } from '../runtime/session.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** CLIP's text tower. */
export interface TextEncoder {
  /** Texts of 77 ids each, as the tokenizer makes them → [texts, 77, width]. Blocks the thread. */
  encode(ids: readonly (readonly number[])[]): Promise<Tensor>;
  release(): Promise<void>;
}

interface TextEncoderOptions {
  model: Uint8Array | string;
  device: Device;
  /** Whether it stays loaded after a call. */
  stays?: boolean;
}

/** `model`: of the graph `text`, bytes or a path. Loaded at its first call, which then throws as `createSession` does. */
export function createTextEncoder({ model, device, stays = true }: TextEncoderOptions): TextEncoder {
  const session = createLazySession(model, device, { stays });
  return {
    async encode(ids) {
      const data = Float32Array.from(ids.flat());
      const { hidden } = await session.run({ ids: { data, shape: [ids.length, data.length / ids.length] } });
      return hidden!;
    },
    release: () => session.release(),
  };
}
