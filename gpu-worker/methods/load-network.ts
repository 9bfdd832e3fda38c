import { compileModel } from '../runtime/compile.ts';
import type { Device } from '../runtime/devices.ts';
import { createSession, type Session } from '../runtime/session.ts';
import { mirrorToMultiple } from '../tensor/mirror.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { cutWindow } from '../tensor/window.ts';
import type { NetworkFile } from './network-file.ts';

/** A network that is loaded and ready. */
export interface LoadedNetwork {
  /**
   * `picture` [1, in, h, w] 0..1, any h and w from 1 → `output` [1, out, scale·h, scale·w], not clamped, and the values
   * that the graph marks on the way. Blocks the thread.
   */
  run(picture: Tensor): Promise<Record<string, Tensor>>;
  release(): Promise<void>;
}

/** `probes`: gives out the values that the graph marks. */
export async function loadNetwork(
  { facts, graph, checkpoint }: NetworkFile,
  device: Device,
  { probes = false }: { probes?: boolean } = {},
): Promise<LoadedNetwork> {
  const session = await createSession(await compileModel(graph({ probes }), checkpoint.read), device);
  return {
    run: (picture) => runPadded(session, picture, { scale: facts.scale, unit: facts.shuffle }),
    release: () => session.release(),
  };
}

/**
 * One call of a network that takes sides that are multiples of `unit`: the picture is continued by its mirror images, and the
 * output cut to `scale` times its size. Returns every output, as `LoadedNetwork.run` does.
 */
async function runPadded(session: Session, picture: Tensor, { scale, unit }: { scale: number; unit: number }) {
  const [, , height, width] = picture.shape as [number, number, number, number];
  const { output, ...marked } = await session.run({ input: mirrorToMultiple(picture, unit) });
  const whole = { top: 0, left: 0, height: scale * height, width: scale * width };
  return { ...marked, output: cutWindow(output!, whole) };
}
