import type { Graph, GraphOptions } from '../../../gpu-worker/graphs/onnx.ts';
import { resizeForTagger } from '../../../gpu-worker/images/bilinear-resize.ts';
import { taggerGraph } from '../../../gpu-worker/methods/seesr/tagger-graph.ts';
import { compileModel } from '../../../gpu-worker/runtime/compile.ts';
import { createSession } from '../../../gpu-worker/runtime/session.ts';
import type { Tensor } from '../../../gpu-worker/tensor/tensor.ts';
import { checkShapes } from '../../../gpu-worker/weights/checkpoint.ts';
import type { RecordedCase } from '../../support/recorded-case.ts';
import { openRecordedCheckpoints } from '../../support/recorded-checkpoints.ts';
import { PARITY_DEVICE } from '../device.ts';

interface DapeOptions extends GraphOptions {
  /** Instead of the value of the case. */
  lora?: boolean;
  /** May change the graph. */
  alter?: (graph: Graph) => void;
}

/** The tagger of a set as a model; its checkpoint holds exactly the tensors of the graph. */
export async function compileTagger(
  folder: string,
  { lora = true, alter = () => {}, ...options }: DapeOptions = {},
): Promise<{ model: Uint8Array; graph: Graph; imageSize: number }> {
  await using checkpoints = await openRecordedCheckpoints(folder, { lora });
  const { tagger, configs } = checkpoints;
  const graph = taggerGraph({ ...configs.tagger, tags: configs.tagger.tags!.length }, options);
  checkShapes(graph.weights, tagger.tensors, 'tagger');
  alter(graph);
  return { model: await compileModel(graph, tagger.read), graph, imageSize: configs.tagger.image_size };
}

/** All outputs of a case `dape_*`: the prepared picture, Swin's tokens, image embeds and logits. */
export async function computeDape(recorded: RecordedCase, options: DapeOptions = {}): Promise<Record<string, Tensor>> {
  const lora = recorded.parameters.lora === true;
  const { model, imageSize: size } = await compileTagger(recorded.folder, { lora, ...options, probes: true });
  const normalized = resizeForTagger(await recorded.image('image'), { size, antialias: false });
  const session = await createSession(model, PARITY_DEVICE);
  const outputs = await session.run({ image: normalized });
  await session.release();
  return { ...outputs, normalized };
}
