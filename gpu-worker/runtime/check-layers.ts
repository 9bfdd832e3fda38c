import { AppError } from '../../shared/error.ts';
import { type Flavor, FULL_PRECISION } from '../graphs/onnx.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type LayerKind, layerNetwork, layerWeight } from './checked-layers.ts';
import { compileModel } from './compile.ts';
import { DEVICES, type Device, type DeviceFacts } from './devices.ts';
import recorded from './recorded-layers.json' with { type: 'json' };
import { createSession } from './session.ts';

/** What a result may differ by, as a part of its largest number. */
const HALF_TOLERANCE = 0.02;
/** So many numbers of each result are recorded, at places that have no step in common with its sizes. */
const MOST_PLACES = 211;
const HALF: Flavor = { storage: 'float16', compute: 'float16' };

/**
 * Compares these kinds of layers with what a CPU computed, which agrees with PyTorch (test/parity): in fp32, and in fp16 where the
 * device computes in it. `facts`: instead of those that are known of the device. Throws AppError `engine-failed` that names
 * the device and the layer.
 */
export async function checkLayers(
  device: Device,
  layers: readonly LayerKind[],
  facts: DeviceFacts = DEVICES[device],
): Promise<void> {
  const flavors = facts.computesHalf ? [FULL_PRECISION, HALF] : [FULL_PRECISION];
  for (const flavor of flavors) {
    const tolerance = flavor === HALF ? HALF_TOLERANCE : facts.tolerance;
    for (const name of layers) {
      const output = await runLayer(name, device, facts, flavor).catch((error: Error) => {
        throw refusal(device, name, `fails: ${error.message}`, error);
      });
      const expected = recorded[name];
      const largest = Math.max(...expected.map(Math.abs));
      const actual = samplesOf(output);
      // Written so that NaN is a difference too.
      const wrong = expected.findIndex((value, index) => !(Math.abs(value - actual[index]!) <= tolerance * largest));
      if (wrong >= 0) throw refusal(device, name, `gives ${actual[wrong]} instead of ${expected[wrong]}`);
    }
  }
}

/** The numbers that are recorded of a layer. */
export function samplesOf({ data }: Tensor): number[] {
  const step = Math.max(1, Math.ceil(data.length / MOST_PLACES) | 1);
  return Array.from({ length: Math.ceil(data.length / step) }, (_, index) => data[index * step]!);
}

export async function runLayer(name: LayerKind, device: Device, facts: DeviceFacts, flavor: Flavor): Promise<Tensor> {
  const { graph, input } = layerNetwork(name, flavor);
  const model = await compileModel(graph, async (weight) => layerWeight(graph, weight));
  const session = await createSession(model, device, { facts });
  try {
    return (await session.run({ input })).output!;
  } finally {
    await session.release();
  }
}

function refusal(device: Device, layer: LayerKind, finding: string, cause?: Error): AppError {
  const message = `Device ${device} computes wrong: the layer "${layer}" ${finding}. Choose another device, or another driver.`;
  return new AppError('engine-failed', message, { cause });
}
