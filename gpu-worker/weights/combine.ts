import { AppError } from '../../shared/error.ts';
import { elementCount } from '../tensor/tensor.ts';
import type { Checkpoint, TensorEntry } from './checkpoint.ts';

interface Route {
  from: Checkpoint;
  /** Its name in `from`. */
  name: string;
  shape?: readonly number[];
  /** Which of the parts of that shape, side by side along an axis. */
  part?: { axis: number; index: number };
}

/** A checkpoint whose tensors lie in others. Disposing it disposes those. */
export function routed(routes: ReadonlyMap<string, Route>, parts: readonly Checkpoint[]): Checkpoint {
  const find = (name: string): Route => {
    const route = routes.get(name);
    if (!route) throw new AppError('engine-failed', `${parts.flatMap(({ files }) => files)} has no tensor ${name}.`);
    return route;
  };
  return {
    tensors: new Map([...routes].map(([name, route]) => [name, entryOf(route)])),
    files: parts.flatMap(({ files }) => files),
    async read(name) {
      const route = find(name);
      return partOf(await route.from.read(route.name), route);
    },
    async readValues(name) {
      const route = find(name);
      return partOf(await route.from.readValues(route.name), route);
    },
    async [Symbol.asyncDispose]() {
      for (const part of parts) await part[Symbol.asyncDispose]();
    },
  };
}

function partOf<Values extends Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer>>(
  values: Values,
  route: Route,
): Values {
  const { part, shape } = route;
  if (!part || !shape) return values;
  const whole = route.from.tensors.get(route.name)!.shape;
  const inner = elementCount(whole.slice(part.axis + 1));
  const [size, stride] = [shape[part.axis]! * inner, whole[part.axis]! * inner];
  const result = values.slice(0, elementCount(shape)) as Values;
  for (let at = 0, from = part.index * size; at < result.length; at += size, from += stride) {
    result.set(values.subarray(from, from + size), at);
  }
  return result;
}

function entryOf({ from, name, shape }: Route): TensorEntry {
  const entry = from.tensors.get(name)!;
  return shape ? { ...entry, shape } : entry;
}

/** Under new names; `undefined` leaves a tensor out. Throws AppError `engine-failed` if two get the same name. */
export function renamed(checkpoint: Checkpoint, rename: (name: string) => string | undefined): Checkpoint {
  const routes = new Map<string, Route>();
  for (const name of checkpoint.tensors.keys()) {
    const newName = rename(name);
    if (newName === undefined) continue;
    const other = routes.get(newName);
    if (other) {
      throw new AppError('engine-failed', `${checkpoint.files} has both ${other.name} and ${name} for ${newName}.`);
    }
    routes.set(newName, { from: checkpoint, name });
  }
  return routed(routes, [checkpoint]);
}

/** The tensors whose names begin with `prefix`, without it. */
export function within(checkpoint: Checkpoint, prefix: string): Checkpoint {
  return renamed(checkpoint, (name) => (name.startsWith(prefix) ? name.slice(prefix.length) : undefined));
}

/** Names of equal parts of a tensor, side by side along an axis. */
interface Split {
  names: readonly string[];
  axis: number;
}

/** Tensors that hold several become those; where `split` gives `undefined`, a tensor stays as it is. */
export function splitAxis(checkpoint: Checkpoint, split: (name: string) => Split | undefined): Checkpoint {
  const routes = [...checkpoint.tensors].flatMap(([name, { shape }]): [string, Route][] => {
    const parts = split(name);
    if (!parts) return [[name, { from: checkpoint, name }]];
    const { names, axis } = parts;
    const partShape = shape.with(axis, shape[axis]! / names.length);
    return names.map((part, index) => [part, { from: checkpoint, name, shape: partShape, part: { axis, index } }]);
  });
  return routed(new Map(routes), [checkpoint]);
}

/** The same numbers under other shapes of the same size. */
export function reshaped(
  checkpoint: Checkpoint,
  reshape: (name: string, shape: readonly number[]) => readonly number[],
): Checkpoint {
  const routes = [...checkpoint.tensors].map(([name, { shape }]): [string, Route] => {
    return [name, { from: checkpoint, name, shape: reshape(name, shape) }];
  });
  return routed(new Map(routes), [checkpoint]);
}

/** All of `base`, and in its place or beside it those tensors of `over` that `takes` wants. */
export function overlaid(base: Checkpoint, over: Checkpoint, takes: (name: string) => boolean): Checkpoint {
  const routes = new Map<string, Route>();
  for (const name of base.tensors.keys()) routes.set(name, { from: base, name });
  for (const name of over.tensors.keys()) if (takes(name)) routes.set(name, { from: over, name });
  return routed(routes, [base, over]);
}
