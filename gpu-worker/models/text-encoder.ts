import { createLazySession, type Device } from '../runtime/session.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** CLIP's text tower. */
export interface TextEncoder {
  /** Texts of 77 ids each, as the tokenizer makes them → [texts, 77, width]. Blocks the thread. */
  encode(ids: readonly (readonly number[])[]): Promise<Tensor>;
  release(): Promise<void>;
}

/** `model`: of the graph `text`, bytes or a path. Loaded at its first call, which then throws as `createSession` does. */
export function createTextEncoder({ model, device }: { model: Uint8Array | string; device: Device }): TextEncoder {
  const session = createLazySession(model, device);
  return {
    async encode(ids) {
      const data = Float32Array.from(ids.flat());
      const { hidden } = await session.run({ ids: { data, shape: [ids.length, data.length / ids.length] } });
      return hidden!;
    },
    release: () => session.release(),
  };
}
