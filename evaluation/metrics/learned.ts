import type { Pixels } from '../../gpu-worker/images/image.ts';
import type { Device } from '../../gpu-worker/runtime/devices.ts';
import { createSession } from '../../gpu-worker/runtime/session.ts';
import { AppError } from '../../shared/error.ts';
import { frechetDistance } from './frechet-distance.ts';
import type { Metric, OpenMetric, OpenOptions } from './metric.ts';
import { pictureTensor } from './picture-tensor.ts';
import type { Protocol } from './protocol.ts';

/** What a network of the user has to be, in place of published files. */
export const NETWORK_CONTRACT = `the input "image", of a metric that looks at pairs "reference" too: fp32 [1, 3, height, width],
RGB in 0..1; the first output is the value, of a metric that looks at sets the features of the picture`;

type Facts = Omit<Metric, 'open' | 'needs'>;

/** A metric by a network: out of published files, or one ONNX file of `NETWORK_CONTRACT` in their place. */
export function learned<const Given extends Facts & Required<Pick<Metric, 'needs'>>>(
  facts: Given,
  openPublished: (files: readonly string[], device: Device, protocol: Protocol) => Promise<OpenMetric>,
) {
  const open = async ({ files, device, protocol }: OpenOptions): Promise<OpenMetric> => {
    return isOnnx(files)
      ? await openNetwork(facts.looksAt, files[0]!, files, device)
      : await openPublished(files, device, protocol);
  };
  return { ...facts, open };
}

/** By the name: nothing in the file itself tells it from others for certain. */
export function isOnnx(files: readonly string[]): boolean {
  return files.length === 1 && files[0]!.endsWith('.onnx');
}

/**
 * `network`: bytes or path of an ONNX model that keeps the contract. Throws AppError `invalid` for a file that is no network,
 * and when it is run for one that does not keep the contract. `files`: for messages.
 */
export async function openNetwork(
  looksAt: Metric['looksAt'],
  network: Uint8Array | string,
  files: readonly string[],
  device: Device,
): Promise<OpenMetric> {
  const refuse = (error: unknown): never => {
    if (error instanceof AppError && error.code !== 'model-not-loaded') throw error;
    const reason = (error as Error).message;
    throw new AppError('invalid', `${files.join(', ')} cannot be run: ${reason}. It must have ${NETWORK_CONTRACT}.`);
  };
  const session = await createSession(network, device).catch(refuse);
  const run = async (image: Pixels, reference?: Pixels): Promise<Float32Array> => {
    const inputs = { image: pictureTensor(image), ...(reference && { reference: pictureTensor(reference) }) };
    const outputs = await session.run(inputs).catch(refuse);
    const data = Object.values(outputs)[0]?.data;
    if (!(data instanceof Float32Array) || !data.every(Number.isFinite)) {
      return refuse(new TypeError('its first output is not made of finite fp32 numbers'));
    }
    return data;
  };
  const release = () => session.release();
  if (looksAt === 'set') {
    return { features: async (picture) => Float64Array.from(await run(picture)), distance: frechetDistance, release };
  }
  return {
    async measure(result, truth) {
      const numbers = await run(result, looksAt === 'pair' ? truth : undefined);
      if (numbers.length !== 1) return refuse(new TypeError(`it gave ${numbers.length} numbers, not one`));
      return numbers[0]!;
    },
    release,
  };
}
