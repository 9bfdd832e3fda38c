import { AppError } from '../../../shared/error.ts';
import type { Checkpoint } from '../../weights/checkpoint.ts';
import { openCheckpoint } from '../../weights/open-checkpoint.ts';
import { unwrapped } from '../../weights/unwrap.ts';
import type { GeneratorSizes } from './generator-graph.ts';
import type { PredictorSizes } from './predictor-graphs.ts';

/** Paths of the two published files. */
export interface DasrSources {
  generator: string;
  predictor: string;
}

export interface DasrCheckpoints extends AsyncDisposable {
  generator: Checkpoint;
  predictor: Checkpoint;
  sizes: { generator: GeneratorSizes; predictor: PredictorSizes };
}

/** Three networks have the name. */
const WHICH = 'DASR by Liang et al. 2022, github.com/csjliang/DASR';

/**
 * Opens both files, each flat or in any wrapping, and reads the sizes off their shapes; whether the tensors fit the networks
 * is for `checkShapes`. Throws AppError `engine-failed`.
 */
export async function openDasrCheckpoints(sources: DasrSources): Promise<DasrCheckpoints> {
  await using opened = new AsyncDisposableStack();
  const open = async (path: string) => unwrapped(opened.use(await openCheckpoint(path)));
  const generator = await open(sources.generator);
  const predictor = await open(sources.predictor);
  const sizes = { generator: generatorSizes(generator), predictor: predictorSizes(predictor) };
  const owned = opened.move();
  return { generator, predictor, sizes, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** For messages: a checkpoint that is not what it should be. */
export function labelOf({ files }: Checkpoint, role: keyof DasrSources): string {
  return `${files}, given as the ${role} of ${WHICH},`;
}

/** Where tensors are missing these are the published sizes, so that those are what a message names. */
function generatorSizes(checkpoint: Checkpoint): GeneratorSizes {
  const { tensors } = checkpoint;
  const first = tensors.get('conv_first.weight')?.shape;
  if (first?.length === 4) {
    throw new AppError(
      'engine-failed',
      `${labelOf(checkpoint, 'generator')} is a plain SRResNet: its conv_first.weight is [${first}] and has no axis of experts. The right file is net_g.pth of its published models.`,
    );
  }
  const blocks = [...tensors.keys()].flatMap((name) => /^body\.(\d+)\./.exec(name)?.[1] ?? []);
  const highest = Math.max(-1, ...blocks.map(Number));
  if (highest >= tensors.size) {
    throw new AppError(
      'engine-failed',
      `${labelOf(checkpoint, 'generator')} numbers ${highest + 1} blocks and has ${tensors.size} tensors.`,
    );
  }
  return { experts: first?.[0] ?? 5, features: first?.[1] ?? 64, blocks: highest + 1 };
}

function predictorSizes({ tensors }: Checkpoint): PredictorSizes {
  const shape = (name: string) => tensors.get(name)?.shape ?? [];
  const [hidden = 15, values = 33] = shape('MappingNet.0.weight');
  const [experts = 5] = shape('MappingNet.1.weight');
  const [features = 64] = shape('ConvNet.0.weight');
  return { features, values, hidden, experts };
}
