import { coverCores, coverEvenly, type Span } from '../../shared/methods/tile-plan.ts';
import { elementCount, type Tensor } from '../tensor/tensor.ts';
import { copyWindow, type Window } from '../tensor/window.ts';
import { scaleSpan } from './blending.ts';

/** A part of a network, ready to be run over a whole picture before the next part begins. */
export interface LoadedStage {
  /** `input`, the picture; results of earlier stages, with the same sides; others, which are the same for every tile. */
  takes: readonly string[];
  /** The name of its result; an earlier one of that name is forgotten. */
  gives: string;
  /** Positions of its inputs around a point that have a say in the result there. */
  context: number;
  /** Sides of the result over those of its inputs. */
  scale: number;
  /** Sides of its tiles are smaller by this factor. Default: 1. */
  tileDivisor?: number;
  /** Its result is its input, refined: the last stage makes a picture of either. */
  refines?: boolean;
  /** Blocks the thread. */
  run(inputs: Record<string, Tensor>): Promise<Tensor>;
  /** Gives back memory that the next run would take again, at the cost of moments. */
  rest?(): Promise<void>;
}

/** A network that is run as one stage. `run`: from the picture to the result. */
export function oneStage(
  { context, scale }: Pick<LoadedStage, 'context' | 'scale'>,
  run: (picture: Tensor) => Promise<Tensor>,
): LoadedStage[] {
  return [{ takes: ['input'], gives: 'output', context, scale, run: ({ input }) => run(input!) }];
}

export interface StagesOptions {
  /** Longest side of a tile with its surroundings, in pixels of the picture. */
  tileSize: number;
  /** Tiles begin at multiples of it, and the sides of the picture are such. */
  unit: number;
  /** Inputs that are the same for every tile. */
  shared: Record<string, Tensor>;
  /** Before every call of the network; may throw to stop. */
  takeTurn: () => Promise<void>;
  onTile: () => void;
  /** What there is could be shown: `glance` gives the picture by the last stage, at every `step`-th position. */
  onRefined?: ((glance: (step: number) => Promise<Tensor>) => void) | undefined;
  /** A part of the result: a window of `output`, and its place. */
  give: (output: Tensor, from: Window, at: { top: number; left: number }) => void;
}

/** Of so many tiles and more the kept values are large, and the networks of all stages beside them would be too much. */
const TILES_TO_REST = 8;

/** Widths of tiles are multiples of it where the picture has room: see `WINOGRAD_COLUMNS`. */
const WIDTH_UNIT = 4;

/**
 * `picture` [1, c, h, w] through the stages one after the other, each tile by tile, with the result of the whole picture:
 * tiles have as much around them as their stage sees. Holds the results that a later stage takes.
 */
export async function runStages(
  stages: readonly LoadedStage[],
  picture: Tensor,
  options: StagesOptions,
): Promise<void> {
  const { tileSize, unit, shared, takeTurn, onTile, onRefined, give } = options;
  const [, , height, width] = picture.shape as [number, number, number, number];
  const facts = { context: farthest(stages), unit };
  const [rows, columns] = [height, width].map((extent) => coverCores(extent, tileSize, facts)) as [Span[], Span[]];
  const kept = keepValues(stages, picture);
  const cut = reusedWindows();
  const last = stages.at(-1)!;
  const inputsOf = ({ takes }: LoadedStage, part: (name: string, value: Tensor) => Tensor) => {
    return Object.fromEntries(takes.map((name) => [name, kept.has(name) ? part(name, kept.get(name)) : shared[name]!]));
  };
  const rests = rows.length * columns.length >= TILES_TO_REST;
  if (rests) for (const stage of stages) await stage.rest?.();
  for (const [index, stage] of stages.entries()) {
    const { context, scale, tileDivisor = 1 } = stage;
    const [, , tall, wide] = kept.get(stage.takes.find(kept.has)!).shape as [number, number, number, number];
    const size = { height: tall, width: wide };
    let result: Tensor | undefined;
    for (const row of rows) {
      for (const column of columns) {
        for (const core of divide(scaleSpan(row, tall / height), scaleSpan(column, wide / width), tileDivisor)) {
          await takeTurn();
          const tile = withContext(core, context, size);
          const output = await stage.run(inputsOf(stage, (name, value) => cut(name, value, tile)));
          const from = within(core, tile, scale);
          const at = { top: core.top * scale, left: core.left * scale };
          if (stage === last) give(output, from, at);
          else {
            result ??= kept.allocate([1, output.shape[1]!, tall * scale, wide * scale]);
            copyWindow(output, from, result, at);
          }
        }
        onTile();
      }
    }
    if (rests) await stage.rest?.();
    if (!result) continue;
    kept.keep(index, result);
    if (stage.refines) onRefined?.((step) => last.run(inputsOf(last, (_, value) => thinned(value, step))));
  }
}

/** How far the stage sees that sees farthest, in pixels of the picture. */
export function farthest(stages: readonly LoadedStage[]): number {
  let pixels = 1;
  const contexts = stages.map(({ context, scale }) => {
    const seen = context * pixels;
    pixels /= scale;
    return seen;
  });
  return Math.max(...contexts);
}

/** Results by name, as long as a later stage takes them. Their memory is used again: it is most of the process. */
function keepValues(stages: readonly LoadedStage[], picture: Tensor) {
  const values = new Map<string, Tensor>([['input', picture]]);
  let spare: Float32Array[] = [];

  function allocate(length: number): Float32Array {
    const found = spare.findIndex((data) => data.length === length);
    return found < 0 ? new Float32Array(length) : spare.splice(found, 1)[0]!;
  }

  return {
    has: (name: string) => values.has(name),
    get: (name: string) => values.get(name)!,
    allocate(shape: readonly number[]): Tensor {
      return { data: allocate(elementCount(shape)), shape };
    },
    /** `index`: of the stage that has ended. */
    keep(index: number, result: Tensor): void {
      const later = stages.slice(index + 1);
      const { gives } = stages[index]!;
      const forgotten = values.keys().filter((name) => {
        return name === gives || !later.some(({ takes }) => takes.includes(name));
      });
      for (const name of [...forgotten]) {
        spare.push(values.get(name)!.data);
        values.delete(name);
      }
      values.set(gives, result);
      if (later.length === 1) spare = [];
    },
  };
}

/** Copies of windows; that of one name is gone with the next. */
function reusedWindows() {
  const windows = new Map<string, Tensor>();
  return (name: string, source: Tensor, window: Window): Tensor => {
    const shape = [1, source.shape[1]!, window.height, window.width];
    const known = windows.get(name);
    const target =
      known && `${known.shape}` === `${shape}` ? known : { data: new Float32Array(elementCount(shape)), shape };
    windows.set(name, target);
    copyWindow(source, window, target, { top: 0, left: 0 });
    return target;
  };
}

/** What a stage computes of a tile in one call. */
function divide(row: Span, column: Span, divisor: number): Window[] {
  const parts = (span: Span) => {
    return coverEvenly(span.size, Math.ceil(span.size / divisor), 1).map((part) => ({
      ...part,
      start: part.start + span.start,
    }));
  };
  return parts(row).flatMap(({ start: top, size: height }) =>
    parts(column).map(({ start: left, size: width }) => ({ top, left, height, width })),
  );
}

/** With what there is of its surroundings, and a few columns more. */
function withContext(core: Window, context: number, { height, width }: { height: number; width: number }): Window {
  const top = Math.max(0, core.top - context);
  const bottom = Math.min(height, core.top + core.height + context);
  const left = Math.max(0, core.left - context);
  const right = Math.min(width, core.left + core.width + context);
  const wide = Math.min(width, Math.ceil((right - left) / WIDTH_UNIT) * WIDTH_UNIT);
  return { top, left: Math.min(left, width - wide), height: bottom - top, width: wide };
}

function within(core: Window, tile: Window, scale: number): Window {
  const [top, left] = [core.top - tile.top, core.left - tile.left];
  return { top: top * scale, left: left * scale, height: core.height * scale, width: core.width * scale };
}

/** Every `step`-th position of [1, c, h, w] in both directions. */
function thinned({ data, shape }: Tensor, step: number): Tensor {
  const [, channels, height, width] = shape as [number, number, number, number];
  const [rows, columns] = [height, width].map((side) => Math.ceil(side / step)) as [number, number];
  const thin = new Float32Array(channels * rows * columns);
  let target = 0;
  for (let channel = 0; channel < channels; channel++) {
    for (let y = 0; y < rows; y++) {
      const row = (channel * height + y * step) * width;
      for (let x = 0; x < columns; x++) thin[target++] = data[row + x * step]!;
    }
  }
  return { data: thin, shape: [1, channels, rows, columns] };
}
