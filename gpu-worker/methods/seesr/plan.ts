import { readFile } from 'node:fs/promises';
import { AppError } from '../../../shared/error.ts';
import type { SeesrId } from '../../../shared/methods/seesr.ts';
import type { Flavor } from '../../graphs/onnx.ts';
import { type BuildPlan, type Dtype, flavorOf } from '../../model-store/build-plan.ts';
import { planNetworks } from '../../model-store/plan-networks.ts';
import type { Device } from '../../runtime/devices.ts';
import { pipelineFacts } from '../pipeline-facts.ts';
import { openSeesrCheckpoints, type SeesrCheckpoints } from './checkpoints.ts';
import type { SeesrConfig } from './config.ts';
import { licensesOf } from './licenses.ts';
import { seesrNetworks } from './networks.ts';
import { readTags } from './ram-tags.ts';

/** Where the published files are; see `openSeesrCheckpoints`. */
type SeesrSources = Parameters<typeof openSeesrCheckpoints>[0];

interface PlanOptions {
  model: SeesrId;
  sources: SeesrSources;
  dtype: Dtype;
  device: Device;
}

/** Throws AppError `engine-failed` for files that are missing, broken, or not those of the networks. */
export async function planSeesr({ model, sources, dtype, device }: PlanOptions): Promise<BuildPlan> {
  await using opened = new AsyncDisposableStack();
  const checkpoints = opened.use(await openSeesrCheckpoints(sources));
  const flavor = flavorOf(dtype, device);
  const networks = seesrNetworks(checkpoints, flavor);
  const config = await describe(checkpoints, flavor);
  const licensed = licensesOf(checkpoints.sources, sources);
  const { tokenizer } = checkpoints;
  const texts = [
    ['tokenizer/vocab.json', await readFile(tokenizer.vocabulary)],
    ['tokenizer/merges.txt', await readFile(tokenizer.merges)],
  ] as const;
  return planNetworks({ model, dtype, device, networks, sources: licensed, config, texts, opened });
}

/** The facts that cannot be read off the networks. */
async function describe({ configs, tagger }: SeesrCheckpoints, flavor: Flavor): Promise<SeesrConfig> {
  const facts = pipelineFacts(configs);
  const tags = await readTags(configs.tagger);
  const count = tagger.tensors.get('label_embed')!.shape[0];
  if (tags.length !== count) {
    throw new AppError('engine-failed', `The tagger tells ${count} tags apart; the list of tags has ${tags.length}.`);
  }
  const { timestep_spacing: spacing, steps_offset: offset } = configs.scheduler;
  return {
    flavor,
    taggerImageSize: configs.tagger.image_size,
    tags,
    ...facts,
    schedule: { ...facts.schedule, spacing, offset },
  };
}
