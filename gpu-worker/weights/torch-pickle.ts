import { z } from 'zod';
import { AppError } from '../../shared/error.ts';
import { elementCount } from '../tensor/tensor.ts';
import { bytesPerElement, type Dtype } from './dtypes.ts';
import {
  INERT,
  misplaced,
  type PickleGlobals,
  PickleName,
  type PicklePlace,
  PickleRecord,
  unpickle,
} from './unpickle.ts';
import { span, type View } from './view.ts';

const MAX_VALUES = 1_000_000;
const MAX_DEPTH = 32;
/** Of a view that shows elements of its storage more than once: a small file must not become a large tensor. */
const MAX_REPEATED_ELEMENTS = 2 ** 16;
const MAX_LISTED_ISSUES = 5;
/** Of a call, which may be repeated with an object that was made once. */
const MAX_PARAMETERS = 16;
const MAX_NAME_CHARACTERS = 1_000;
/** Of dictionaries that are listed; training programs wrap weights in two or three. */
const MAX_LISTED_DEPTH = 4;
const MAX_LISTED_CHARACTERS = 100;

interface ElementType {
  kind: 'type';
  /** None: untyped bytes. */
  dtype: Dtype | undefined;
}

/** All of the numbers that lie under a key, or a part of them. */
export interface Storage {
  kind: 'storage';
  key: string;
  dtype: Dtype | undefined;
  /** Of all that lies under the key, as declared. */
  wholeBytes: number;
  /** Where this part begins. */
  startBytes: number;
  bytes: number;
}

export interface StoredTensor extends View {
  kind: 'tensor';
  storage: Storage;
  dtype: Dtype;
}

const TYPES: Record<string, Dtype | undefined> = {
  'torch.DoubleStorage': 'F64',
  'torch.FloatStorage': 'F32',
  'torch.HalfStorage': 'F16',
  'torch.BFloat16Storage': 'BF16',
  'torch.LongStorage': 'I64',
  'torch.IntStorage': 'I32',
  'torch.ShortStorage': 'I16',
  'torch.CharStorage': 'I8',
  'torch.ByteStorage': 'U8',
  'torch.BoolStorage': 'BOOL',
  'torch.storage.UntypedStorage': undefined,
  'torch.float64': 'F64',
  'torch.float32': 'F32',
  'torch.float16': 'F16',
  'torch.bfloat16': 'BF16',
  'torch.int64': 'I64',
  'torch.int32': 'I32',
  'torch.int16': 'I16',
  'torch.int8': 'I8',
  'torch.uint64': 'U64',
  'torch.uint32': 'U32',
  'torch.uint16': 'U16',
  'torch.uint8': 'U8',
  'torch.bool': 'BOOL',
};

const size = z.int().nonnegative();
const kind = <Value extends { kind: string }>(name: Value['kind']) =>
  z.custom<Value>((value) => isKind(value, name), { error: `expected a ${name}` });
/** Storage, offset, sizes, strides, and fields that say nothing about the values: requires_grad, hooks. */
const viewSchema = z
  .tuple([kind<Storage>('storage'), size, z.array(size).max(8), z.array(size).max(8), z.unknown(), z.unknown()])
  .rest(z.unknown());
const storageKey = z
  .string()
  .regex(/^\w{1,100}$/, { error: ({ input }) => `${input?.slice(0, 100)} is not the key of a storage` });
const storageSchema = z.tuple([
  z.literal('storage'),
  kind<ElementType>('type'),
  storageKey,
  z.string(),
  size,
  // Only before version 1.6: key, first element and number of elements of a part. Its key is none of the file's.
  z.tuple([z.string(), size, size]).nullable().optional(),
]);
const dictionarySchema = z.tuple([z.array(z.tuple([z.union([z.string(), z.number()]), z.unknown()])).optional()]);
const parameterSchema = z.tuple([kind<StoredTensor>('tensor')]).rest(z.unknown());

export interface TorchPickle {
  /** By name. */
  tensors: Map<string, StoredTensor>;
  /** As in `Checkpoint`; the outer ones. */
  dictionaries: Map<string, number>;
  /** All that are declared, whether tensors show them or not; by key. */
  storages: Map<string, Storage>;
  /** Where the pickle ends in the bytes. */
  end: number;
}

/**
 * The tensors in the pickle of a PyTorch checkpoint; names of nested dictionaries and lists are joined by dots, other
 * values than tensors are ignored. A root that is one tensor has the empty name. Every view lies inside its declared storage.
 * `place`: of the pickle in the bytes; `records`: see `unpickle`. Throws AppError `engine-failed`.
 */
export function readTorchPickle(
  bytes: Uint8Array<ArrayBuffer>,
  path: string,
  place: PicklePlace & { records?: string } = {},
): TorchPickle {
  const storages = new Map<string, Storage>();
  const persistent = (id: unknown) => {
    const storage = storageOf(id, path);
    const other = storages.get(storage.key);
    if (other && (other.dtype !== storage.dtype || other.wholeBytes !== storage.wholeBytes))
      throw broken(path, `two declarations of the storage ${storage.key} differ`);
    storages.set(storage.key, storage);
    return storage;
  };
  const globals = createGlobals(path);
  const { value, end } = unpickle(bytes, { globals, inert: TRAINING_PROGRAMS, persistent, path, ...place });
  return { ...flatten(value, path), storages, end };
}

/** Whose classes stand in the state of a training, which lies beside the weights. */
const TRAINING_PROGRAMS = ['pytorch_lightning.', 'lightning.'];

/** Numbers of numpy that training programs leave beside the weights: such a call gives nothing. */
const INERT_CALLS = ['numpy.core.multiarray.scalar', 'numpy._core.multiarray.scalar', 'numpy.dtype', '_codecs.encode'];

/** All names that a pickle may call, or make tensors of. */
function createGlobals(path: string): PickleGlobals {
  const types = Object.entries(TYPES).map(([name, dtype]): [string, ElementType] => [name, { kind: 'type', dtype }]);
  const functions = {
    'collections.OrderedDict': (parameters: unknown[]) => dictionaryOf(parameters, path),
    // Of 2017: without the fields that say nothing about the values.
    'torch._utils._rebuild_tensor': (parameters: unknown[]) => tensorOf([...parameters, null, null], undefined, path),
    'torch._utils._rebuild_tensor_v2': (parameters: unknown[]) => tensorOf(parameters, undefined, path),
    // The type of the elements stands beside an untyped storage.
    'torch._utils._rebuild_tensor_v3': (parameters: unknown[]) =>
      tensorOf(parameters, parse(kind<ElementType>('type'), parameters[6], path), path),
    'torch._utils._rebuild_parameter': (parameters: unknown[]) => parse(parameterSchema, parameters, path)[0],
  };
  const inert = INERT_CALLS.map((name): [string, unknown] => [name, () => INERT]);
  return new Map<string, unknown>([...types, ...Object.entries(functions), ...inert]);
}

/** Python 2 hands the entries to the constructor, Python 3 sets them afterwards. */
function dictionaryOf(parameters: unknown[], path: string): Map<string | number, unknown> {
  const [entries] = parse(dictionarySchema, parameters, path);
  const dictionary = new Map(entries);
  if (dictionary.size !== (entries?.length ?? 0)) throw broken(path, 'an OrderedDict has a key twice');
  return dictionary;
}

/** A persistent id is the tuple ('storage', type, key, device, number of elements), perhaps with a part of it. */
function storageOf(id: unknown, path: string): Storage {
  const [, { dtype }, key, , elements, part] = parse(storageSchema, id, path);
  const [, first, count] = part ?? [key, 0, elements];
  if (first + count > elements)
    throw broken(path, `a part of ${count} elements at ${first} leaves its storage of ${elements}`);
  const each = dtype ? bytesPerElement(dtype) : 1;
  return { kind: 'storage', key, dtype, wholeBytes: elements * each, startBytes: first * each, bytes: count * each };
}

/** Checks that the view lies inside the declared storage. */
function tensorOf(parameters: unknown[], type: ElementType | undefined, path: string): StoredTensor {
  const [storage, offset, shape, strides] = parse(viewSchema, parameters, path);
  const dtype = type?.dtype ?? storage.dtype;
  if (!dtype) throw broken(path, 'a tensor has an untyped storage and no type of its own');
  if (shape.length !== strides.length)
    throw broken(path, `a tensor has ${shape.length} sizes, ${strides.length} strides`);
  const tensor: StoredTensor = { kind: 'tensor', storage, dtype, offset, shape, strides };
  const elements = storage.bytes / bytesPerElement(dtype);
  if (offset + span(tensor) > elements) {
    throw broken(
      path,
      `a view [${shape}] with strides [${strides}] at ${offset} leaves its storage of ${elements} elements`,
    );
  }
  if (elementCount(shape) > Math.max(elements, MAX_REPEATED_ELEMENTS)) {
    throw broken(path, `a view [${shape}] repeats its storage of ${elements} elements more than is allowed`);
  }
  return tensor;
}

function flatten(root: unknown, path: string): Pick<TorchPickle, 'tensors' | 'dictionaries'> {
  const tensors = new Map<string, StoredTensor>();
  const dictionaries = new Map<string, number>();
  /** Of the value that is being visited. */
  const names: string[] = [];
  /** Of the whole name. Names may be shared: one long text in front of very many tensors. */
  const characters = () => names.reduce((sum, { length }) => sum + length + 1, 0);
  let values = 0;
  function visit(stored: unknown): void {
    const value = stored instanceof PickleRecord ? stored.attributes : stored;
    // A value may stand in many places, so that a small file can hold very many.
    if (++values > MAX_VALUES) throw broken(path, `it holds more than ${MAX_VALUES} values`);
    if (names.length > MAX_DEPTH) throw broken(path, `its values are nested deeper than ${MAX_DEPTH} levels`);
    if (value instanceof Map || Array.isArray(value)) {
      const isOuter = names.length <= MAX_LISTED_DEPTH && characters() <= MAX_LISTED_CHARACTERS;
      if (value instanceof Map && isOuter) dictionaries.set(names.join('.'), value.size);
      value.forEach(visitInner);
    } else if (isKind<StoredTensor>(value, 'tensor')) {
      if (characters() > MAX_NAME_CHARACTERS) throw broken(path, `the name of a tensor has ${characters()} characters`);
      const name = names.join('.');
      if (tensors.has(name)) throw broken(path, `it has two tensors with the name ${name}`);
      tensors.set(name, value);
    }
  }
  /** Allocates nothing for a million values. */
  function visitInner(inner: unknown, key: unknown): void {
    names.push(String(key));
    visit(inner);
    names.pop();
  }
  visit(root);
  if (root instanceof PickleName) throw broken(path, misplaced(root.fullName));
  if (Array.isArray(root)) throw broken(path, 'it is a list, not a dictionary of tensors');
  if (tensors.size === 0) throw broken(path, 'it holds no tensor');
  return { tensors, dictionaries };
}

function isKind<Value extends { kind: string }>(value: unknown, kind: Value['kind']): value is Value {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === kind;
}

function parse<Value>(schema: z.ZodType<Value>, value: unknown, path: string): Value {
  if (Array.isArray(value) && value.length > MAX_PARAMETERS) throw broken(path, `a call has ${value.length} arguments`);
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const rules = parsed.error.issues
    .slice(0, MAX_LISTED_ISSUES)
    .map((issue) => `${issue.path.join('.')} ${issue.message}`.trim());
  throw broken(path, `a tensor is declared against the rules (${rules.join(', ')})`);
}

/** An AppError `engine-failed`. */
export function broken(path: string, reason: string): AppError {
  return new AppError('engine-failed', `${path} is not a valid PyTorch checkpoint: ${reason}.`);
}
