/// <reference lib="esnext.disposable" />

import { readFile } from 'node:fs/promises';
import { AppError } from '../../../shared/error.ts';
import { type BuildPlan, flavorOf, type Precision } from '../../model-store/build-plan.ts';
import type { LicensedFile } from '../../model-store/licenses.ts';
import { planNetworks } from '../../model-store/plan-networks.ts';
import { type DiffbirCheckpoints, type DiffbirSources, openDiffbir } from './checkpoints.ts';
import type { DiffbirConfig } from './config.ts';
import { type LaterSources, openLaterDiffbir, tokenizerFiles } from './later-checkpoints.ts';
import { diffbirNetworks } from './networks.ts';
import { type LaterVersion, MODELS, VERSIONS } from './versions.ts';

const STABLE_DIFFUSION = 'CreativeML Open RAIL++-M, which restricts some uses';
const FIRST = `Apache-2.0 (DiffBIR, github.com/XPixelGroup/DiffBIR), without a word on these weights; they contain Stable Diffusion 2.1: ${STABLE_DIFFUSION}`;
const LATER = {
  control: `Apache-2.0 (DiffBIR, github.com/XPixelGroup/DiffBIR); it extends Stable Diffusion 2.1: ${STABLE_DIFFUSION}`,
  stableDiffusion: `${STABLE_DIFFUSION} (Stable Diffusion 2.1)`,
  bsrnet: 'MIT (KAIR, github.com/cszn/KAIR)',
  swinir: 'Apache-2.0 (DiffBIR, github.com/XPixelGroup/DiffBIR)',
  tokenizer: 'MIT (vocabulary of CLIP, OpenAI)',
};

/** The first version. Throws AppError `engine-failed` as `openDiffbir` does, and where tensors do not fit. */
export async function planDiffbir(paths: DiffbirSources, precision: Precision): Promise<BuildPlan> {
  await using opened = new AsyncDisposableStack();
  const checkpoints = opened.use(await openDiffbir(paths));
  const sources = [paths.full, paths.swinir].map((path) => ({ path, license: FIRST }));
  return planVersion(checkpoints, { sources, opened, ...precision });
}

/** The same of a later version. */
export async function planLaterDiffbir(
  version: LaterVersion,
  paths: LaterSources,
  precision: Precision,
): Promise<BuildPlan> {
  const tokenizer = tokenizerFiles(paths.tokenizer);
  const texts = [
    ['tokenizer/vocab.json', await readText(tokenizer.vocabulary)],
    ['tokenizer/merges.txt', await readText(tokenizer.merges)],
  ] as const;
  await using opened = new AsyncDisposableStack();
  const checkpoints = opened.use(await openLaterDiffbir(version, paths));
  const sources = [
    { path: paths.control, license: LATER.control },
    { path: paths.firstStage, license: LATER[VERSIONS[version].firstStage] },
    { path: paths.stableDiffusion, license: LATER.stableDiffusion },
    ...Object.values(tokenizer).map((path) => ({ path, license: LATER.tokenizer })),
  ];
  return planVersion(checkpoints, { sources, texts, opened, ...precision });
}

interface Rest extends Precision {
  sources: readonly LicensedFile[];
  texts?: readonly (readonly [string, Uint8Array])[];
  opened: AsyncDisposableStack;
}

function planVersion(checkpoints: DiffbirCheckpoints, { dtype, device, ...rest }: Rest): BuildPlan {
  const { version, sizes } = checkpoints;
  const flavor = flavorOf(dtype, device);
  const networks = diffbirNetworks(checkpoints, flavor);
  const hasSwinir = VERSIONS[version].firstStage === 'swinir';
  const config: DiffbirConfig = {
    version,
    flavor,
    timeChannels: sizes.unet.block_out_channels[0]!,
    ...(hasSwinir && { swinir: sizes.swinir }),
    vae: sizes.vae,
  };
  return planNetworks({ model: MODELS[version], dtype, device, networks, config, ...rest });
}

async function readText(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new AppError('engine-failed', `${path} cannot be read.`, { cause });
  }
}
