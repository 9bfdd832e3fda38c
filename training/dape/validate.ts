import type { Tensor } from '../../gpu-worker/tensor/tensor.ts';
import type { Validation } from '../metrics.ts';
import type { TrainingNetwork } from '../network.ts';
import type { PairSource } from '../pairs.ts';
import { type Sample, sampleSheet } from '../sample-sheet.ts';
import { STUDENT, TEACHER } from './loss.ts';

type Tensors = Readonly<Record<string, Tensor>>;

/** Pairs that nothing is learned from: turns 0 to `count` − 1 of the source. */
export interface ValidationPairs {
  source: PairSource;
  count: number;
  /** Steps between two validations; the last step has one too. */
  every: number;
}

interface ValidationOptions {
  pairs: ValidationPairs;
  network: TrainingNetwork;
  /** The inputs of a turn, nothing left out by chance. */
  inputs(turn: number): Promise<Tensors>;
  /** The trained tensors as they began, and as they are. */
  before: Tensors;
  now: Tensors;
  /** Names by logit. */
  tags: readonly string[];
}

const SHOWN_TAGS = 5;

/** L on the validation pairs before the training and now, and a sheet of the pairs with their most probable tags. */
export async function validateDape(options: ValidationOptions): Promise<{ validation: Validation; sheet: string }> {
  const { pairs, network, inputs, before, now, tags } = options;
  const sums = { before: 0, now: 0 };
  const samples: Sample[] = [];
  for (let turn = 0; turn < pairs.count; turn++) {
    const given = await inputs(turn);
    const began = (await network.run({ ...given, ...before })).outputs;
    const is = (await network.run({ ...given, ...now })).outputs;
    const [lossBefore, lossNow] = [began.loss!.data[0]!, is.loss!.data[0]!];
    sums.before += lossBefore;
    sums.now += lossNow;
    const { good, degraded } = await pairs.source(turn);
    samples.push({
      pictures: [
        { title: 'good', picture: good },
        { title: 'degraded', picture: degraded },
      ],
      lines: [
        `good: ${probableTags(is[TEACHER.logits]!, tags)}`,
        `degraded, before (loss ${lossBefore.toPrecision(4)}): ${probableTags(began[STUDENT.logits]!, tags)}`,
        `degraded, now (loss ${lossNow.toPrecision(4)}): ${probableTags(is[STUDENT.logits]!, tags)}`,
      ],
    });
  }
  const validation = { before: sums.before / pairs.count, now: sums.now / pairs.count };
  return { validation, sheet: await sampleSheet(samples) };
}

function probableTags({ data }: Tensor, tags: readonly string[]): string {
  const probable = [...data.entries()].toSorted(([, a], [, b]) => b - a).slice(0, SHOWN_TAGS);
  return probable.map(([tag, logit]) => `${tags[tag]} ${(1 / (1 + Math.exp(-logit))).toFixed(3)}`).join(', ');
}
