import { AppError } from '../../shared/error.ts';

/** The meaning of a name of the allow list: a function of REDUCE's arguments, or a value. */
export type PickleGlobals = ReadonlyMap<string, unknown>;

/**
 * A name of the writer's program that means nothing here, such as the class of a callback: a value, or a key of a
 * dictionary. Nothing of it is looked for, called or made.
 */
export class PickleName {
  readonly fullName: string;
  constructor(fullName: string) {
    this.fullName = fullName;
  }
}

/** An object of a class that `records` allows. */
export class PickleRecord {
  attributes: ReadonlyMap<string | number, unknown> | undefined;
}

/** What is no tensor and no part of one, in whose place it stands: nothing is read of it. */
export const INERT = Object.freeze({ kind: 'inert' });

/** Of a pickle in the bytes that hold it. */
export interface PicklePlace {
  /** Where it begins: 0 by default. */
  start?: number;
  /** Why there are no more bytes, in words. */
  cut?: string;
}

interface Options extends PicklePlace {
  globals: PickleGlobals;
  /** Classes whose names begin so are plain records: their objects hold attributes, and nothing of them is run. */
  records?: string;
  /** Names that begin so may stand as values, see `PickleName`. */
  inert?: readonly string[];
  /** Resolves a persistent id. */
  persistent(id: unknown): unknown;
  /** Names the file in messages. */
  path: string;
}

type Machine = ReturnType<typeof createMachine>;

const HIGHEST_PROTOCOL = 5;
/** A tensor takes some seventy of them. Each may make a value of 300 bytes out of one byte of the file. */
const MAX_INSTRUCTIONS = 2 ** 21;

/**
 * Runs a pickle (protocols 2 to 5, Python's Lib/pickletools.py) without Python and without calling anything but the
 * functions of the allow list. Lists and tuples become arrays, dictionaries maps, bytes Uint8Array, integers beyond
 * 2^53 bigint. `end`: where the pickle ends in the bytes. Throws AppError `engine-failed` for any other instruction, for
 * any other name or a call of one that is inert, and for a damaged pickle.
 */
export function unpickle(bytes: Uint8Array<ArrayBuffer>, options: Options): { value: unknown; end: number } {
  const machine = createMachine(bytes, options);
  for (let done = 0; done < MAX_INSTRUCTIONS; done++) {
    const code = machine.byte();
    if (code === STOP) return { value: machine.pop(), end: machine.position() };
    const operation = OPERATIONS.get(code);
    if (!operation) throw machine.broken(`instruction 0x${code.toString(16)} is not allowed`);
    operation(machine);
  }
  throw machine.broken(`it has more than ${MAX_INSTRUCTIONS} instructions`);
}

function createMachine(
  bytes: Uint8Array<ArrayBuffer>,
  { globals, records, inert = [], persistent, path, start = 0, cut = 'it ends early' }: Options,
) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const stack: unknown[] = [];
  /** Heights of the stack. */
  const marks: number[] = [];
  const memo = new Map<number, unknown>();
  let position = start;

  function broken(reason: string): AppError {
    return new AppError('engine-failed', `${path} is not a valid pickle: ${reason}, before byte ${position}.`);
  }

  /** Steps over so many bytes and returns where they begin. */
  function advance(length: number): number {
    if (length > bytes.length - position) throw broken(`${cut}, ${length} more bytes were announced`);
    position += length;
    return position - length;
  }

  function peek(): unknown {
    if (stack.length <= (marks.at(-1) ?? 0)) throw broken('it takes more values than there are');
    return stack.at(-1);
  }

  return {
    broken,
    position: () => position,
    memo,
    globals,
    records,
    inert,
    persistent,
    push: (value: unknown) => void stack.push(value),
    peek,
    pop() {
      const value = peek();
      stack.pop();
      return value;
    },
    mark: () => void marks.push(stack.length),
    /** All values since the last mark. */
    popMark(): unknown[] {
      const height = marks.pop();
      if (height === undefined) throw broken('a mark is missing');
      return stack.splice(height);
    },
    byte: () => view.getUint8(advance(1)),
    uint16: () => view.getUint16(advance(2), true),
    uint32: () => view.getUint32(advance(4), true),
    int32: () => view.getInt32(advance(4), true),
    uint64: () => Number(view.getBigUint64(advance(8), true)),
    float64: () => view.getFloat64(advance(8), false),
    take(length: number): Uint8Array {
      const start = advance(length);
      return bytes.slice(start, start + length);
    },
    text(length: number): string {
      const start = advance(length);
      try {
        return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(start, start + length));
      } catch {
        throw broken('a text is not UTF-8');
      }
    },
    line(): string {
      const end = bytes.indexOf(0x0a, position);
      if (end < 0) throw broken('a line does not end');
      const line = this.text(end - position);
      advance(1);
      return line;
    },
  };
}

const STOP = 0x2e;

/** By code; names as in pickletools. */
const OPERATIONS: ReadonlyMap<number, (machine: Machine) => void> = new Map<number, (machine: Machine) => void>([
  [0x80, protocol],
  [0x95, (m) => void m.take(8)], // FRAME: only a hint for buffering
  [0x28, (m) => m.mark()], // MARK
  [0x30, (m) => void m.pop()], // POP
  [0x31, (m) => void m.popMark()], // POP_MARK
  [0x32, (m) => m.push(m.peek())], // DUP
  [0x4e, (m) => m.push(null)], // NONE
  [0x88, (m) => m.push(true)], // NEWTRUE
  [0x89, (m) => m.push(false)], // NEWFALSE
  [0x4a, (m) => m.push(m.int32())], // BININT
  [0x4b, (m) => m.push(m.byte())], // BININT1
  [0x4d, (m) => m.push(m.uint16())], // BININT2
  [0x8a, (m) => m.push(integer(m.take(m.byte())))], // LONG1
  [0x47, (m) => m.push(m.float64())], // BINFLOAT
  [0x8c, (m) => m.push(m.text(m.byte()))], // SHORT_BINUNICODE
  [0x58, (m) => m.push(m.text(m.uint32()))], // BINUNICODE
  [0x8d, (m) => m.push(m.text(m.uint64()))], // BINUNICODE8
  [0x55, (m) => m.push(m.text(m.byte()))], // SHORT_BINSTRING
  [0x54, (m) => m.push(m.text(m.uint32()))], // BINSTRING
  [0x43, (m) => m.push(m.take(m.byte()))], // SHORT_BINBYTES
  [0x42, (m) => m.push(m.take(m.uint32()))], // BINBYTES
  [0x8e, (m) => m.push(m.take(m.uint64()))], // BINBYTES8
  [0x96, (m) => m.push(m.take(m.uint64()))], // BYTEARRAY8
  [0x29, (m) => m.push([])], // EMPTY_TUPLE
  [0x85, (m) => m.push(popped(m, 1))], // TUPLE1
  [0x86, (m) => m.push(popped(m, 2))], // TUPLE2
  [0x87, (m) => m.push(popped(m, 3))], // TUPLE3
  [0x74, (m) => m.push(m.popMark())], // TUPLE
  [0x5d, (m) => m.push([])], // EMPTY_LIST
  [0x6c, (m) => m.push(m.popMark())], // LIST
  [0x61, (m) => append(m, [m.pop()])], // APPEND
  [0x65, (m) => append(m, m.popMark())], // APPENDS
  [0x7d, (m) => m.push(new Map())], // EMPTY_DICT
  [0x64, (m) => pushDictionary(m, m.popMark())], // DICT
  [0x73, (m) => setItems(m, popped(m, 2))], // SETITEM
  [0x75, (m) => setItems(m, m.popMark())], // SETITEMS
  [0x71, (m) => void m.memo.set(m.byte(), m.peek())], // BINPUT
  [0x72, (m) => void m.memo.set(m.uint32(), m.peek())], // LONG_BINPUT
  [0x94, (m) => void m.memo.set(m.memo.size, m.peek())], // MEMOIZE
  [0x68, (m) => recall(m, m.byte())], // BINGET
  [0x6a, (m) => recall(m, m.uint32())], // LONG_BINGET
  [0x63, (m) => pushGlobal(m, m.line(), m.line())], // GLOBAL
  [0x93, stackGlobal],
  [0x51, (m) => m.push(m.persistent(m.pop()))], // BINPERSID
  [0x52, reduce],
  [0x81, newObject],
  [0x62, build],
]);

function protocol(m: Machine): void {
  const version = m.byte();
  if (version > HIGHEST_PROTOCOL) throw m.broken(`protocol ${version} is not known`);
}

/** Little-endian two's complement of any length. */
function integer(bytes: Uint8Array): number | bigint {
  let value = 0n;
  for (const byte of bytes.toReversed()) value = (value << 8n) | BigInt(byte);
  const signed = BigInt.asIntN(bytes.length * 8, value);
  const number = Number(signed);
  return Number.isSafeInteger(number) ? number : signed;
}

function popped(m: Machine, count: number): unknown[] {
  return Array.from({ length: count }, () => m.pop()).reverse();
}

function append(m: Machine, values: unknown[]): void {
  const list = m.peek();
  if (!Array.isArray(list)) throw m.broken('it appends to a value that is not a list');
  for (const value of values) list.push(value);
}

function pushDictionary(m: Machine, items: unknown[]): void {
  m.push(new Map());
  setItems(m, items);
}

function setItems(m: Machine, items: unknown[]): void {
  const dictionary = m.peek();
  if (!(dictionary instanceof Map)) throw m.broken('it sets an item of a value that is not a dictionary');
  if (items.length % 2 !== 0) throw m.broken('a key has no value');
  for (let index = 0; index < items.length; index += 2) {
    const item = items[index];
    const key = item instanceof PickleName ? item.fullName : item;
    if (typeof key !== 'string' && typeof key !== 'number') throw m.broken('a key is neither text nor number');
    if (dictionary.has(key)) throw m.broken(`a dictionary has the key ${String(key).slice(0, 200)} twice`);
    dictionary.set(key, items[index + 1]);
  }
}

function recall(m: Machine, index: number): void {
  if (!m.memo.has(index)) throw m.broken(`it reads memo ${index}, which was never set`);
  m.push(m.memo.get(index));
}

function stackGlobal(m: Machine): void {
  const [module, name] = popped(m, 2);
  if (typeof module !== 'string' || typeof name !== 'string') throw m.broken('a global has no name');
  pushGlobal(m, module, name);
}

function pushGlobal(m: Machine, module: string, name: string): void {
  const fullName = `${module}.${name}`.slice(0, 200);
  if (m.records !== undefined && fullName.startsWith(m.records)) m.push(PickleRecord);
  else if (m.globals.has(fullName)) m.push(m.globals.get(fullName));
  else if (m.inert.some((start) => fullName.startsWith(start))) m.push(new PickleName(fullName));
  else throw m.broken(misplaced(fullName));
}

/** Of a name, in words. */
export function misplaced(fullName: string): string {
  return `it refers to ${fullName}, which has no place in weights (nothing was executed)`;
}

function reduce(m: Machine): void {
  const [callable, parameters] = popped(m, 2);
  if (callable instanceof PickleName) throw m.broken(misplaced(callable.fullName));
  if (typeof callable !== 'function' || callable === PickleRecord)
    throw m.broken('it calls a value that is not a function');
  if (!Array.isArray(parameters)) throw m.broken('the arguments of a call are not a tuple');
  m.push(callable(parameters));
}

/** NEWOBJ. */
function newObject(m: Machine): void {
  const [type, parameters] = popped(m, 2);
  if (type instanceof PickleName) throw m.broken(misplaced(type.fullName));
  if (type !== PickleRecord) throw m.broken('it makes an object of a class that has no place in weights');
  if (!Array.isArray(parameters) || parameters.length > 0) throw m.broken('an object is made with arguments');
  m.push(new PickleRecord());
}

/**
 * State of a record is its attributes. That of an OrderedDict is the versions of its modules, and that of an inert value
 * how numpy reads it: they say nothing about tensors.
 */
function build(m: Machine): void {
  const state = m.pop();
  const target = m.peek();
  if (target instanceof PickleRecord) {
    if (!(state instanceof Map)) throw m.broken('the state of an object is not a dictionary');
    if (target.attributes) throw m.broken('it sets the state of an object twice');
    target.attributes = state;
  } else if (!(target instanceof Map) && target !== INERT)
    throw m.broken('it sets the state of a value that is not a dictionary');
}
