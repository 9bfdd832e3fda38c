import { dirname, join } from 'node:path';
import { z } from 'zod';
import { toPicture } from '../../../../evaluation/degradation/to-picture.ts';
import type { Graph, Value } from '../../../../gpu-worker/graphs/onnx.ts';
import { valueInfo } from '../../../../gpu-worker/graphs/onnx.ts';
import { elementCount, type Tensor } from '../../../../gpu-worker/tensor/tensor.ts';
import { openCheckpoint } from '../../../../gpu-worker/weights/open-checkpoint.ts';
import { dapeTrainingGraph, PICTURES } from '../../../../training/dape/graph.ts';
import { dapeLoraLayers, headLayers, type SizedTagger, swinBlocks } from '../../../../training/dape/layers.ts';
import { dapeRandomFactors, type RandomFactor } from '../../../../training/dape/randomness.ts';
import { loraShapes } from '../../../../training/lora-layers.ts';
import { openTrainingNetwork, type TrainingNetwork } from '../../../../training/network.ts';
import { pictureForDape } from '../../../../training/prepare-picture.ts';
import { createTrainer, meanGradients } from '../../../../training/trainer.ts';
import type { RecordedCase } from '../../../support/recorded-case.ts';
import { openRecordedCheckpoints } from '../../../support/recorded-checkpoints.ts';
import type { Computed } from '../../computed.ts';
import { PARITY_DEVICE } from '../../device.ts';
import { adamwOf } from './optimizer.ts';

const parametersSchema = z.object({
  checkpoints: z.string(),
  lambda: z.number(),
  lora: z.enum(['trained', 'fresh']),
  lora_file: z.string(),
  pictures: z.array(z.int()),
  drop_path: z.boolean().optional(),
});
const stepsSchema = z.object({ order: z.array(z.int()) });

type Tensors = Record<string, Tensor>;

/** A case of DAPE, ready to be run. */
interface Opened extends AsyncDisposable {
  network: TrainingNetwork;
  /** The pairs of LoRA. */
  tensors: Map<string, Tensor>;
  /** Recorded names of the values whose gradients are at places in the network. */
  places: ReadonlyMap<Value, string>;
  inputs(picture: number): Promise<Tensors>;
}

/** Losses and gradients of one pass for each picture, averaged. */
export async function computeDapeGradients(recorded: RecordedCase): Promise<Computed> {
  const { pictures } = parametersSchema.parse(recorded.parameters);
  await using opened = await open(recorded);
  const { network, tensors, places } = opened;
  const passes = [];
  for (const picture of pictures) {
    const inputs = await opened.inputs(picture);
    passes.push({ inputs, ...(await network.run({ ...inputs, ...Object.fromEntries(tensors) })) });
  }
  const outputs: Computed['outputs'] = {};
  for (const name of ['loss', 'loss_feature', 'loss_logits']) {
    const sum = passes.reduce((total, pass) => total + pass.outputs[name]!.data[0]!, 0);
    outputs[name] = { data: [sum / passes.length], shape: [] };
  }
  for (const [name, data] of meanGradients(passes.map(({ gradients }) => gradients))) {
    const place = places.get(name);
    const recordedName = place ?? `grad.${name}`;
    if (!recorded.outputNames.includes(recordedName)) continue;
    // The original has an axis more or less at some places.
    outputs[recordedName] = { data, shape: recorded.shape(recordedName) };
  }
  const { inputs, outputs: found } = passes[0]!;
  return {
    outputs: { ...found, ...outputs, student_input: inputs[PICTURES.degraded]!, teacher_input: inputs[PICTURES.good]! },
  };
}

/** AdamW steps from fresh pairs: the loss before each, the loss after all, and the tensors. */
export async function computeDapeSteps(recorded: RecordedCase): Promise<Computed> {
  const { order } = stepsSchema.parse(recorded.parameters);
  const { learningRate, ...settings } = adamwOf(recorded);
  await using opened = await open(recorded);
  const trainer = createTrainer(opened.tensors, settings);
  const run = async (picture: number) => {
    return await opened.network.run({ ...(await opened.inputs(picture)), ...Object.fromEntries(trainer.tensors) });
  };
  const losses: number[] = [];
  for (const picture of order) {
    const { outputs, gradients } = await run(picture);
    losses.push(outputs.loss!.data[0]!);
    trainer.step(meanGradients([gradients]), learningRate);
  }
  const after = (await run(order[0]!)).outputs.loss!.data;
  const final = [...trainer.tensors].map(([name, tensor]) => [`final.${name}`, tensor] as const);
  return {
    outputs: {
      losses: { data: losses, shape: [losses.length] },
      loss_after: { data: after, shape: [] },
      ...Object.fromEntries(final),
    },
  };
}

async function open(recorded: RecordedCase): Promise<Opened> {
  const { checkpoints, lambda, lora, lora_file, drop_path } = parametersSchema.parse(recorded.parameters);
  await using files = await openRecordedCheckpoints(dirname(join(recorded.folder, checkpoints)), { lora: false });
  const config: SizedTagger = { ...files.configs.tagger, tagCount: files.tagger.tensors.get('label_embed')!.shape[0]! };
  const layers = dapeLoraLayers(config);
  const factors = drop_path ? dapeRandomFactors(config) : [];
  const graph = dapeTrainingGraph(config, { lambda, layers, factors, probes: true });
  for (const name of ['student_image_embeds', 'student_logits', 'teacher_image_embeds', 'teacher_logits']) {
    graph.proto.output.push(valueInfo(name));
  }
  await using pairs = await openCheckpoint(join(recorded.folder, lora_file));
  const tensors = new Map<string, Tensor>();
  for (const [name, shape] of loraShapes(layers)) {
    const isZero = lora === 'fresh' && name.endsWith('.lora_B');
    tensors.set(name, { data: isZero ? new Float32Array(elementCount(shape)) : await pairs.read(name), shape });
  }
  const places = placesIn(graph, config);
  const fixed = drop_path ? await recordedFactors(recorded, config, factors) : {};
  const inputs = async (picture: number): Promise<Tensors> => ({
    ...fixed,
    [PICTURES.degraded]: pictureForDape(toPicture(await recorded.image(`degraded${picture}`)), config.image_size),
    [PICTURES.good]: pictureForDape(toPicture(await recorded.image(`good${picture}`)), config.image_size),
  });
  const [first] = parametersSchema.parse(recorded.parameters).pictures as [number];
  const network = await openTrainingNetwork(graph, {
    read: files.tagger.read,
    wanted: [
      ...tensors.keys(),
      ...(recorded.outputNames.some((name) => name.startsWith('grad_at.')) ? places.keys() : []),
    ],
    upstream: new Map([['loss', 1]]),
    example: { ...(await inputs(first)), ...Object.fromEntries(tensors) },
    device: PARITY_DEVICE,
  });
  return { network, tensors, places, inputs, [Symbol.asyncDispose]: () => network.release() };
}

/** What leaves each stage of the student, and what goes into its two results. */
function placesIn({ proto }: Graph, { depths }: SizedTagger): Map<Value, string> {
  const student = proto.node.filter(({ name }) => !name.startsWith('/teacher'));
  const maker = (value: Value) => student.find(({ output }) => output.includes(value))!;
  const reading = (weight: string) => student.find(({ input }) => input.includes(weight))!;
  const squeeze = maker(maker('student_logits').input[0]!);
  const stages = depths.map((_, stage) => {
    const isLast = stage === depths.length - 1;
    const value = isLast
      ? reading('visual_encoder.norm.weight').input[0]!
      : reading(`visual_encoder.layers.${stage}.downsample.reduction.weight`).output[0]!;
    return [value, `grad_at.stage${stage}`] as const;
  });
  return new Map([
    [squeeze.input[0]!, 'grad_at.logits'],
    [maker('student_image_embeds').input[0]!, 'grad_at.image_embeds'],
    [maker('swin_tokens').input[0]!, 'grad_at.swin_tokens'],
    ...stages,
  ]);
}

/** Factors of drop path as recorded, masks by the rule in the README of the set. */
async function recordedFactors(
  recorded: RecordedCase,
  config: SizedTagger,
  factors: readonly RandomFactor[],
): Promise<Tensors> {
  const { data: paths } = await recorded.tensor('drop_path');
  const blocks = swinBlocks(config).map(({ name }) => name);
  const heads = headLayers(config);
  const tensors = factors.map(({ name, layer, of, shape, rate }) => {
    const block = blocks.findIndex((one) => layer.startsWith(`${one}.`));
    if (block >= 0)
      return [
        name,
        {
          data: paths.slice(2 * block + Number(layer.endsWith('fc2')), 2 * block + Number(layer.endsWith('fc2')) + 1),
          shape,
        },
      ] as const;
    const head = heads.findIndex((one) => layer.startsWith(`${one}.`));
    const salt = 1000 * head + (of === 'shares' ? 1 : layer.includes('crossattention') ? 2 : 3);
    const data = Float32Array.from({ length: elementCount(shape) }, (_, index) => {
      const word = (Math.imul(index, 2_654_435_761) + salt) >>> 0;
      return Math.floor(word / 65_536) % 10 === 0 ? 0 : 1 / (1 - rate);
    });
    return [name, { data, shape }] as const;
  });
  return Object.fromEntries(tensors);
}
