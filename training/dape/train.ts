import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createRandom } from '../../evaluation/degradation/random.ts';
import { valueInfo } from '../../gpu-worker/graphs/onnx.ts';
import { readRamTags } from '../../gpu-worker/methods/seesr/ram-tags.ts';
import { ramTagger } from '../../gpu-worker/methods/seesr/tagger-checkpoint.ts';
import type { Device } from '../../gpu-worker/runtime/devices.ts';
import type { Tensor } from '../../gpu-worker/tensor/tensor.ts';
import { RAM_SWIN_LARGE, readTaggerConfig } from '../../gpu-worker/weights/diffusers-configs.ts';
import { openCheckpoint } from '../../gpu-worker/weights/open-checkpoint.ts';
import { AppError } from '../../shared/error.ts';
import { isOutOfMemory } from '../../shared/out-of-memory.ts';
import type { Metrics } from '../metrics.ts';
import { openTrainingNetwork, type TrainingNetwork } from '../network.ts';
import type { PairSource } from '../pairs.ts';
import { pictureForDape } from '../prepare-picture.ts';
import { openRunDirectory, writeWhole } from '../run-directory.ts';
import { publishedDapeSchedule } from '../schedules.ts';
import { startLora } from '../start-lora.ts';
import { createTrainer, meanGradients } from '../trainer.ts';
import { torchFile } from '../write-torch.ts';
import { dapeTrainingGraph, PICTURES } from './graph.ts';
import { dapeLoraLayers, type SizedTagger } from './layers.ts';
import { STUDENT, TEACHER } from './loss.ts';
import { dapeRandomFactors, drawFactors, wholeFactors } from './randomness.ts';
import { type ValidationPairs, validateDape } from './validate.ts';

/** All that decides about the bytes of the result, but the pictures: it is kept in the run directory. */
interface DapeSettings {
  photos: string | undefined;
  good: string | undefined;
  degraded: string | undefined;
  crop: number;
  seed: number;
  steps: number;
  /** Pictures of a step. */
  batch: number;
  learningRate: number;
  lambda: number;
  /** Folders of validation pictures, and steps between two validations. */
  validation: string | undefined;
  validationDegraded: string | undefined;
  validateEvery: number | undefined;
}

interface DapeTrainingOptions {
  settings: DapeSettings;
  source: PairSource;
  validation: ValidationPairs | undefined;
  /** Path of `ram_swin_large_14m.pth`, and of the sizes of one that is not the published one. */
  ram: string;
  ramConfig: string | undefined;
  /** Directory of the run, and path of the result. */
  run: string;
  out: string;
  resumes: boolean;
  /** Steps between two saves. */
  saveEvery: number;
  recomputes: boolean;
  device: Device;
  onStep(metrics: Metrics): void;
}

/** As published (Wu et al. 2024, section 4.1 and the training program): no decay, no clipping. */
const ADAMW = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };
const SCHEDULE = { warmUp: 50, milestones: [20_000, 30_000], factor: 0.5 };

/**
 * Trains the LoRA of SeeSR's degradation-aware prompt extractor, and writes it as the published `DAPE.pth`. Throws AppError
 * `engine-failed` for files that do not fit, `invalid` for a run directory of other settings or a loss that is no number,
 * `out-of-memory`; what was saved stays whole.
 */
export async function trainDape(options: DapeTrainingOptions): Promise<void> {
  const { settings, run, out, resumes } = options;
  const directory = await openRunDirectory(run, settings, resumes);
  await using ram = ramTagger(await openCheckpoint(options.ram));
  const sizes = options.ramConfig ? await readTaggerConfig(options.ramConfig) : RAM_SWIN_LARGE;
  const config: SizedTagger = { ...sizes, tagCount: ram.tensors.get('label_embed')?.shape[0] ?? 0 };
  const tags = sizes.tags ?? (await readRamTags()).map(({ name }) => name);
  const layers = dapeLoraLayers(config);
  const factors = dapeRandomFactors(config);
  const begun = await directory.load();
  const metrics = begun?.metrics ?? [];
  const before = () => startLora(layers, settings.seed);
  const trainer = createTrainer(begun?.tensors ?? before(), ADAMW, begun?.moments);
  const inputs = async (turn: number) => ({
    ...(await itemInputs(options.source, turn, config.image_size)),
    ...drawFactors(factors, createRandom(settings.seed, `factors ${turn}`).uniform),
  });
  const weights = join(run, 'network');
  await mkdir(weights, { recursive: true });
  const graph = dapeTrainingGraph(config, { lambda: settings.lambda, layers, factors });
  graph.proto.output.push(...[STUDENT.logits, TEACHER.logits].map((name) => valueInfo(name)));
  const network = await openTrainingNetwork(graph, {
    read: ram.read,
    wanted: [...trainer.tensors.keys()],
    upstream: new Map([['loss', 1]]),
    example: { ...(await inputs(0)), ...Object.fromEntries(trainer.tensors) },
    device: options.device,
    recomputes: options.recomputes,
    directory: weights,
  });
  const rateOf = publishedDapeSchedule({ ...SCHEDULE, learningRate: settings.learningRate });
  for (let step = metrics.length + 1; step <= settings.steps; step++) {
    const passes = [];
    for (let item = 0; item < settings.batch; item++) {
      const given = await inputs((step - 1) * settings.batch + item);
      passes.push(await pass(network, { ...given, ...Object.fromEntries(trainer.tensors) }));
    }
    const loss = passes.reduce((sum, { outputs }) => sum + outputs.loss!.data[0]!, 0) / passes.length;
    const gradients = meanGradients(passes.map((one) => one.gradients));
    checkFinite(step, loss, gradients);
    const learningRate = rateOf(step);
    const gradientNorm = trainer.step(gradients, learningRate);
    metrics.push({ step, loss, learningRate, gradientNorm, ...(await validate(step)) });
    options.onStep(metrics.at(-1)!);
    if (step % options.saveEvery === 0 || step === settings.steps) await directory.save({ ...trainer, metrics });
  }
  await network.release();
  await rm(weights, { recursive: true });
  await writeWhole(out, torchFile('DAPE', trainer.tensors));

  async function validate(step: number): Promise<Pick<Metrics, 'validation'>> {
    const { validation: pairs } = options;
    if (!pairs || (step % pairs.every !== 0 && step !== settings.steps)) return {};
    const found = await validateDape({
      pairs,
      network,
      inputs: async (turn) => ({
        ...(await itemInputs(pairs.source, turn, config.image_size)),
        ...wholeFactors(factors),
      }),
      before: Object.fromEntries(before()),
      now: Object.fromEntries(trainer.tensors),
      tags,
    });
    await directory.saveSamples(step, found.sheet);
    return { validation: found.validation };
  }
}

async function itemInputs(source: PairSource, turn: number, side: number): Promise<Record<string, Tensor>> {
  const { good, degraded } = await source(turn);
  return { [PICTURES.good]: pictureForDape(good, side), [PICTURES.degraded]: pictureForDape(degraded, side) };
}

async function pass(network: TrainingNetwork, inputs: Record<string, Tensor>) {
  try {
    return await network.run(inputs);
  } catch (error) {
    if (!isOutOfMemory(String(error))) throw error;
    const advice = 'go on with --resume and --memory, which keeps fewer values';
    throw new AppError('out-of-memory', `A step did not fit into memory: ${advice}.`, { cause: error });
  }
}

function checkFinite(step: number, loss: number, gradients: ReadonlyMap<string, Float32Array>): void {
  const broken = [...gradients].find(([, data]) => !data.every(Number.isFinite));
  if (Number.isFinite(loss) && !broken) return;
  const what = broken ? `the gradient of ${broken[0]}` : 'the loss';
  const advice = 'start anew with a smaller --rate; what was saved before is whole';
  throw new AppError('invalid', `In step ${step} ${what} is no number: ${advice}.`);
}
