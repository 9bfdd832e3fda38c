import { createTextEncoder, type TextEncoder } from '../../../gpu-worker/diffusion/text-encoder.ts';
import { clipText } from '../../../gpu-worker/graphs/clip-text.ts';
import type { GraphOptions } from '../../../gpu-worker/graphs/onnx.ts';
import { compileModel } from '../../../gpu-worker/runtime/compile.ts';
import type { Tensor } from '../../../gpu-worker/tensor/tensor.ts';
import { checkShapes } from '../../../gpu-worker/weights/checkpoint.ts';
import type { RecordedCase } from '../../support/recorded-case.ts';
import { openRecordedCheckpoints } from '../../support/recorded-checkpoints.ts';
import { PARITY_DEVICE } from '../device.ts';

interface TextOptions extends GraphOptions {
  /** May change the weights that are read. */
  alter?: (name: string, values: Float32Array<ArrayBuffer>) => Float32Array<ArrayBuffer>;
}

/** The text encoder of a set; its checkpoint holds exactly the tensors of the graph. */
export async function openTextEncoder(
  folder: string,
  { alter = (_, values) => values, ...options }: TextOptions = {},
): Promise<TextEncoder> {
  await using checkpoints = await openRecordedCheckpoints(folder);
  const { textEncoder, configs } = checkpoints;
  const graph = clipText(configs.textEncoder, options);
  checkShapes(graph.weights, textEncoder.tensors, 'text encoder');
  const model = await compileModel(graph, async (name) => alter(name, await textEncoder.read(name)));
  return createTextEncoder({ model, device: PARITY_DEVICE });
}

/** All outputs of a case `text*`. */
export async function computeText(recorded: RecordedCase, options?: TextOptions): Promise<Record<string, Tensor>> {
  const encoder = await openTextEncoder(recorded.folder, options);
  const hidden = await encoder.encode(await idsOf(recorded));
  await encoder.release();
  return { hidden };
}

export async function idsOf(recorded: RecordedCase): Promise<number[][]> {
  const { data, shape } = await recorded.tensor('ids');
  const [texts, tokens] = shape as [number, number];
  return Array.from({ length: texts }, (_, text) => [...data.subarray(text * tokens, (text + 1) * tokens)]);
}
