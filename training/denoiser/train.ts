import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { openSeesrCheckpoints } from '../../gpu-worker/methods/seesr/checkpoints.ts';
import { denoiserWeights, seesrConfigOf } from '../../gpu-worker/methods/seesr/networks.ts';
import { readTags } from '../../gpu-worker/methods/seesr/ram-tags.ts';
import { ramTagger } from '../../gpu-worker/methods/seesr/tagger-checkpoint.ts';
import { createNoiseSchedule } from '../../gpu-worker/schedulers/noise-schedule.ts';
import { openCheckpoint } from '../../gpu-worker/weights/open-checkpoint.ts';
import { readTrained } from '../graph-layout.ts';
import { openTrainingNetwork } from '../network.ts';
import { openRunDirectory, writeWhole } from '../run-directory.ts';
import { runSteps } from '../run-steps.ts';
import { startLora } from '../start-lora.ts';
import { createTrainer } from '../trainer.ts';
import type { TrainingOptions, TrainingSettings } from '../training-options.ts';
import { tensorParts } from '../write-safetensors.ts';
import { openFrozenNetworks } from './frozen-networks.ts';
import { denoiserTrainingGraph, isPublishedlyTrained } from './graph.ts';
import { denoiserItems } from './items.ts';
import { denoiserLoraLayers } from './layers.ts';
import { checkAbsent, writeTrained } from './write-result.ts';

interface DenoiserSettings extends TrainingSettings {
  /** Rank of the updates; undefined: the tensors themselves are trained, as published. */
  lora: number | undefined;
}

/** The pictures of `source` are squares of one size, a multiple of 64 pixels; `out` is a folder, or with `lora` a file. */
interface DenoiserTrainingOptions extends TrainingOptions<DenoiserSettings> {
  /** Paths of SeeSR, Stable Diffusion 2, RAM and DAPE. */
  files: Parameters<typeof openSeesrCheckpoints>[0];
}

/** As published: norms and biases decay as well, and all gradients together are shortened to 1. */
const ADAMW = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01, largestNorm: 1 };

/**
 * Trains SeeSR's denoiser (Wu et al. 2024, section 3.3) further from published files: ControlNet and the attention to the photo
 * in the UNet, or low-rank updates of projections. Throws AppError `engine-failed` for files that do not fit, `invalid` for a run
 * directory of other settings or a loss that is no number, `out-of-memory`; what was saved stays whole.
 */
export async function trainDenoiser(options: DenoiserTrainingOptions): Promise<void> {
  const { settings, files, run, out, resumes, device } = options;
  const { seed, steps, batch, learningRate, lora } = settings;
  if (lora === undefined) await checkAbsent(out);
  const directory = await openRunDirectory(run, settings, resumes);
  await using checkpoints = await openSeesrCheckpoints(files);
  await using ram = ramTagger(await openCheckpoint(files.ram));
  const scratch = join(run, 'network');
  await mkdir(scratch, { recursive: true });
  const { configs, unet, controlNet } = checkpoints;
  const config = seesrConfigOf(checkpoints);
  const networks = await openFrozenNetworks(checkpoints, ram, { directory: scratch, device });
  const read = denoiserWeights(checkpoints);
  const layers = lora === undefined ? [] : denoiserLoraLayers(denoiserTrainingGraph(config, {}), lora);
  const graph = denoiserTrainingGraph(config, lora === undefined ? { isTrained: isPublishedlyTrained } : { layers });

  const begun = await directory.load();
  const start = async () =>
    lora === undefined ? await readTrained(graph, isPublishedlyTrained, read) : startLora(layers, seed);
  const trainer = createTrainer(begun?.tensors ?? (await start()), ADAMW, begun?.moments);
  const { scheduler } = configs;
  const inputs = denoiserItems(options.source, networks, {
    seed,
    schedule: createNoiseSchedule({
      trainSteps: scheduler.num_train_timesteps,
      betaStart: scheduler.beta_start,
      betaEnd: scheduler.beta_end,
      betaSchedule: scheduler.beta_schedule,
    }),
    scale: configs.vae.scaling_factor,
    tags: await readTags(configs.tagger),
    taggerSide: configs.tagger.image_size,
    timeChannels: configs.unet.block_out_channels[0]!,
  });
  const network = await openTrainingNetwork(graph, {
    read,
    wanted: [...trainer.tensors.keys()],
    upstream: new Map([['loss', 1]]),
    example: { ...(await inputs(0)), ...Object.fromEntries(trainer.tensors) },
    device,
    recomputes: options.recomputes,
    directory: scratch,
  });
  const metrics = begun?.metrics ?? [];
  const rateOf = () => learningRate;
  await runSteps({ ...options, network, trainer, inputs, rateOf, steps, batch, metrics, directory });
  await network.release();
  await networks.release();
  await rm(scratch, { recursive: true });
  if (lora !== undefined) return await writeWhole(out, tensorParts(trainer.tensors));
  const nets = {
    unet: { checkpoint: unet, prefix: 'unet.', config: checkpoints.configPaths.unet },
    controlnet: { checkpoint: controlNet, prefix: 'controlnet.', config: checkpoints.configPaths.controlNet },
  };
  await writeTrained(out, nets, graph, trainer.tensors);
}
