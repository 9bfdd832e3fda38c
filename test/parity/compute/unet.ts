import { timestepSinusoids } from '../../../gpu-worker/diffusion/timestep-rows.ts';
import { stemGraph } from '../../../gpu-worker/graphs/control-stem.ts';
import { controlledUnet } from '../../../gpu-worker/graphs/controlled-unet.ts';
import type { Graph, GraphOptions } from '../../../gpu-worker/graphs/onnx.ts';
import { contextGraph, timeGraph } from '../../../gpu-worker/graphs/unet-conditions.ts';
import { denoiserWeights, seesrConfigOf } from '../../../gpu-worker/methods/seesr/networks.ts';
import { compileModel, type ReadWeight } from '../../../gpu-worker/runtime/compile.ts';
import { createSession } from '../../../gpu-worker/runtime/session.ts';
import type { Tensor } from '../../../gpu-worker/tensor/tensor.ts';
import type { Checkpoint } from '../../../gpu-worker/weights/checkpoint.ts';
import type { RecordedCase } from '../../support/recorded-case.ts';
import { openRecordedCheckpoints } from '../../support/recorded-checkpoints.ts';
import { PARITY_DEVICE } from '../device.ts';

/** SeeSR's two networks of a set. */
export interface DenoiserFiles extends AsyncDisposable {
  config: ReturnType<typeof seesrConfigOf>;
  unet: Checkpoint;
  controlNet: Checkpoint;
  read: ReadWeight;
}

export async function openDenoiserFiles(folder: string): Promise<DenoiserFiles> {
  const { unet, controlNet, configs, ...rest } = await openRecordedCheckpoints(folder);
  return {
    config: seesrConfigOf({ unet, configs }),
    unet,
    controlNet,
    read: denoiserWeights({ unet, controlNet }),
    [Symbol.asyncDispose]: () => rest[Symbol.asyncDispose](),
  };
}

/** All outputs of a case `unet_*`: stem, residuals, blocks and noise. `alter` may change the weights that are read. */
export async function computeUnet(
  recorded: RecordedCase,
  { alter = (_, values) => values, ...options }: GraphOptions & { alter?: Alter } = {},
): Promise<Record<string, Tensor>> {
  await using files = await openDenoiserFiles(recorded.folder);
  const { config } = files;
  const run = async (graph: Graph, inputs: Record<string, Tensor>) => {
    const model = await compileModel(graph, async (name) => alter(name, await files.read(name)));
    const session = await createSession(model, PARITY_DEVICE);
    const outputs = await session.run(inputs);
    await session.release();
    return outputs;
  };
  const { timestep, conditioning_scale: scale } = recorded.parameters as Record<string, number>;
  const { stem } = await run(stemGraph(config.controlNet, options), { condition: await conditionOf(recorded) });
  const contexts = await run(contextGraph(config, options), {
    text: await recorded.tensor('hidden'),
    image_embeds: await recorded.tensor('image_embeds'),
  });
  const sinusoids = timestepSinusoids([timestep!], config.unet.block_out_channels[0]!);
  const { time } = await run(timeGraph(config, options), { sinusoids });
  const outputs = await run(controlledUnet(config, { ...options, probes: true }), {
    ...(contexts as { text_context: Tensor; image_context: Tensor }),
    latent: await recorded.tensor('latent'),
    time: time!,
    stem: stem!,
    conditioning_scale: { data: new Float32Array([scale!]), shape: [1] },
  });
  return { ...outputs, stem: stem! };
}

type Alter = (name: string, values: Float32Array<ArrayBuffer>) => Float32Array<ArrayBuffer>;

/** The photo of a case as ControlNet sees it: [1, 3, 8h, 8w], 0..1. */
export async function conditionOf(recorded: RecordedCase): Promise<Tensor> {
  const { data, width, height } = await recorded.image('condition');
  const pixels = width * height;
  const planes = Float32Array.from({ length: 3 * pixels }, (_, index) => {
    return data[(index % pixels) * 3 + Math.floor(index / pixels)]! / 255;
  });
  return { data: planes, shape: [1, 3, height, width] };
}
