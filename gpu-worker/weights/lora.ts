import { AppError } from '../../shared/error.ts';
import { type Checkpoint, readingOf } from './checkpoint.ts';

/** `rows` rows of a matrix [out, in] grow by scale · up · down, with up [rows, rank] and down [rank, in]. */
export interface LoraMerge {
  target: string;
  firstRow: number;
  rows: number;
  /** Tensors of the LoRA file, and the first of their rows that belong to this part. */
  up: string;
  firstUpRow: number;
  down: string;
  firstDownRow: number;
  rank: number;
}

/**
 * Adds low-rank updates into their matrices as these are read (Hu et al. 2021, section 4.1; computed in double
 * precision). Several of one matrix add up. Throws AppError `engine-failed` if a part does not fit its matrix.
 */
export function withLora(base: Checkpoint, lora: Checkpoint, merges: readonly LoraMerge[], scale: number): Checkpoint {
  for (const merge of merges) checkFit(base, lora, merge);
  const merged = {
    ...base,
    files: [...base.files, ...lora.files],
    ...readingOf(async (name) => {
      const values = await base.readValues(name);
      for (const merge of merges) if (merge.target === name) await addUpdate(values, base, lora, merge, scale);
      return values;
    }),
    async [Symbol.asyncDispose]() {
      await base[Symbol.asyncDispose]();
      await lora[Symbol.asyncDispose]();
    },
  };
  return merged;
}

async function addUpdate(
  values: Float64Array,
  base: Checkpoint,
  lora: Checkpoint,
  { target, firstRow, rows, up, firstUpRow, down, firstDownRow, rank }: LoraMerge,
  scale: number,
): Promise<void> {
  const columns = base.tensors.get(target)!.shape[1]!;
  const upValues = await lora.readValues(up);
  const downValues = await lora.readValues(down);
  for (let row = 0; row < rows; row++) {
    for (let inner = 0; inner < rank; inner++) {
      const factor = scale * upValues[(firstUpRow + row) * rank + inner]!;
      const from = (firstDownRow + inner) * columns;
      const to = (firstRow + row) * columns;
      for (let column = 0; column < columns; column++) values[to + column]! += factor * downValues[from + column]!;
    }
  }
}

function checkFit(base: Checkpoint, lora: Checkpoint, merge: LoraMerge): void {
  const matrix = base.tensors.get(merge.target)?.shape;
  const up = lora.tensors.get(merge.up)?.shape;
  const down = lora.tensors.get(merge.down)?.shape;
  const fits =
    matrix?.length === 2 &&
    up?.length === 2 &&
    down?.length === 2 &&
    up[1] === merge.rank &&
    down[1] === matrix[1] &&
    merge.firstRow + merge.rows <= matrix[0]! &&
    merge.firstUpRow + merge.rows <= up[0]! &&
    merge.firstDownRow + merge.rank <= down[0]!;
  if (!fits) {
    throw new AppError(
      'engine-failed',
      `The LoRA in ${lora.files} does not fit: ${merge.target} [${matrix ?? 'missing'}], ${merge.up} [${up ?? 'missing'}], ` +
        `${merge.down} [${down ?? 'missing'}], rank ${merge.rank}.`,
    );
  }
}
