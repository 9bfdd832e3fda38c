import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createRandom } from '../../evaluation/degradation/random.ts';
import { valueInfo } from '../../gpu-worker/graphs/onnx.ts';
import { readTags } from '../../gpu-worker/methods/seesr/ram-tags.ts';
import { ramTagger } from '../../gpu-worker/methods/seesr/tagger-checkpoint.ts';
import type { Tensor } from '../../gpu-worker/tensor/tensor.ts';
import { RAM_SWIN_LARGE, readTaggerConfig } from '../../gpu-worker/weights/diffusers-configs.ts';
import { openCheckpoint } from '../../gpu-worker/weights/open-checkpoint.ts';
import type { Metrics } from '../metrics.ts';
import { openTrainingNetwork } from '../network.ts';
import type { PairSource } from '../pairs.ts';
import { pictureForDape } from '../prepare-picture.ts';
import { openRunDirectory, writeWhole } from '../run-directory.ts';
import { runSteps } from '../run-steps.ts';
import { publishedDapeSchedule } from '../schedules.ts';
import { startLora } from '../start-lora.ts';
import { createTrainer } from '../trainer.ts';
import type { TrainingOptions, TrainingSettings } from '../training-options.ts';
import { torchFile } from '../write-torch.ts';
import { dapeTrainingGraph, PICTURES } from './graph.ts';
import { dapeLoraLayers, type SizedTagger } from './layers.ts';
import { STUDENT, TEACHER } from './loss.ts';
import { dapeRandomFactors, drawFactors, wholeFactors } from './randomness.ts';
import { type ValidationPairs, validateDape } from './validate.ts';

interface DapeSettings extends TrainingSettings {
  lambda: number;
  /** Folders of validation pictures, and steps between two validations. */
  validation: string | undefined;
  validationDegraded: string | undefined;
  validateEvery: number | undefined;
}

interface DapeTrainingOptions extends TrainingOptions<DapeSettings> {
  validation: ValidationPairs | undefined;
  /** Path of `ram_swin_large_14m.pth`, and of the sizes of one that is not the published one. */
  ram: string;
  ramConfig: string | undefined;
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
  const tags = (await readTags(sizes)).map(({ name }) => name);
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
  const { steps, batch } = settings;
  await runSteps({ ...options, network, trainer, inputs, rateOf, steps, batch, metrics, directory, validate });
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
