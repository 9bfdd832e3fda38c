import { createRandom } from '../evaluation/degradation/random.ts';
import { elementCount, type Tensor } from '../gpu-worker/tensor/tensor.ts';
import { type LoraLayer, loraShapes } from './lora-layers.ts';

/** As loralib begins: A uniform in ±1/√in, B zero, so that the student is plain RAM. */
export function startLora(layers: readonly LoraLayer[], seed: number): Map<string, Tensor> {
  const tensors = new Map<string, Tensor>();
  for (const [name, shape] of loraShapes(layers)) {
    const data = new Float32Array(elementCount(shape));
    const bound = 1 / Math.sqrt(shape[1]!);
    const random = createRandom(seed, name);
    if (name.endsWith('.lora_A'))
      for (let index = 0; index < data.length; index++) data[index] = random.between(-bound, bound);
    tensors.set(name, { data, shape });
  }
  return tensors;
}
