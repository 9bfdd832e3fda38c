import { AppError } from '../../shared/error.ts';
import type { Graph, GraphOptions } from '../graphs/onnx.ts';
import { type RrdbnetConfig, rrdbnet, rrdbnetStages } from '../graphs/rrdbnet.ts';
import { type SrvggConfig, srvgg, srvggStages } from '../graphs/srvgg.ts';
import type { Stage } from '../graphs/stage.ts';
import { elementCount } from '../tensor/tensor.ts';
import { type Checkpoint, checkShapes } from '../weights/checkpoint.ts';
import { renamed, routed } from '../weights/combine.ts';
import { compactFacts, isCompact } from '../weights/compact-checkpoint.ts';
import {
  ESRGAN_NAMINGS,
  type EsrganNaming,
  esrganFacts,
  esrganNaming,
  MAX_UPSAMPLINGS,
} from '../weights/esrgan-checkpoint.ts';
import { foreignArchitecture } from '../weights/foreign-architectures.ts';
import { openCheckpoint } from '../weights/open-checkpoint.ts';
import { unwrapped } from '../weights/unwrap.ts';

/** Facts in the file of a network that makes pictures larger, or only cleaner. */
interface CommonFacts {
  /** The factor by which a picture is enlarged after all. */
  scale: number;
  /** Of pictures: 1 gray, 3 RGB, 4 RGB and alpha. */
  inputChannels: number;
  outputChannels: number;
  features: number;
  /** Pixels around a point of the input on which the result depends. */
  context: number;
  /** Sides of the network's input are multiples of it, and tiles begin there: factor of a pixel unshuffle, or 1. */
  shuffle: number;
}

/** RRDBNet (Wang et al. 2018), with or without the additions of ESRGAN+. */
interface EsrganNetworkFacts extends CommonFacts {
  family: 'esrgan';
  blocks: number;
  growth: number;
  isPlus: boolean;
  /** The naming of the tensors in the file. */
  names: EsrganNaming;
}

/** SRVGGNetCompact (Real-ESRGAN). */
interface CompactNetworkFacts extends CommonFacts {
  family: 'compact';
  /** Between the first and the last. */
  convolutions: number;
}

export type NetworkFacts = EsrganNetworkFacts | CompactNetworkFacts;

/** A network out of a file that somebody brings. */
export interface NetworkFile extends AsyncDisposable {
  facts: NetworkFacts;
  graph(options?: GraphOptions): Graph;
  stages(options?: GraphOptions): Stage[];
  /** All weights of the graph, by its names. */
  checkpoint: Checkpoint;
}

/** The network in a checkpoint: its facts, its graph, whole and in stages, and the file's names of the graph's tensors. */
interface Recognized {
  facts: NetworkFacts;
  graph(options?: GraphOptions): Graph;
  stages(options?: GraphOptions): Stage[];
  nameOf(tensor: string): string;
}

const CHANNELS = [1, 3, 4];
const MAX_SCALE = 16;
const RESIDUAL_SCALE = 0.2;
/** Of a training, beside the weights. */
const COUNTERS = ['step', 'initted', 'n_averaged'];
const FLOATS = ['F64', 'F32', 'F16', 'BF16'];

/**
 * Recognizes the network in a file by names and shapes of its tensors alone, in any wrapping, and accounts for each.
 * `container`: the dictionary of the weights where a file has several. Throws AppError `engine-failed` that names
 * another architecture, or the tensors that do not fit.
 */
export async function openNetworkFile(
  path: string,
  { container }: { container?: string | undefined } = {},
): Promise<NetworkFile> {
  const file = await openCheckpoint(path);
  try {
    const network = unwrapped(file, container);
    const isCounter = (name: string) => COUNTERS.includes(name) && elementCount(network.tensors.get(name)!.shape) === 1;
    const checkpoint = renamed(network, (name) => (isCounter(name) ? undefined : name));
    const { facts, graph, stages, nameOf } = recognizeNetwork(checkpoint.tensors, path);
    const weights = [...graph().weights];
    const expected = new Map(weights.map(([name, shape]) => [nameOf(name), shape]));
    checkShapes(expected, checkpoint.tensors, `${path}, which looks like ${describe(facts)},`);
    checkTypes(checkpoint, path);
    const routes = new Map(weights.map(([name]) => [name, { from: checkpoint, name: nameOf(name) }]));
    return {
      facts,
      graph,
      stages,
      checkpoint: routed(routes, [checkpoint]),
      [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
    };
  } catch (error) {
    await file[Symbol.asyncDispose]();
    throw error;
  }
}

/** By names and shapes of its tensors. Throws as `openNetworkFile` does. */
export function recognizeNetwork(tensors: Checkpoint['tensors'], path: string): Recognized {
  const names = [...tensors.keys()];
  const foreign = foreignArchitecture(names);
  if (foreign) throw refused(path, `its architecture is ${foreign}`);
  if (isCompact(names)) return recognizeCompact(tensors, path);
  const naming = esrganNaming(names);
  if (naming) return recognizeEsrgan(tensors, naming, path);
  const some = names.slice(0, 5).join(', ');
  throw refused(path, `no architecture is known whose tensors are called ${some || 'nothing'}`);
}

function recognizeEsrgan(tensors: Checkpoint['tensors'], names: EsrganNaming, path: string): Recognized {
  const { first, out, ...layers } = esrganFacts(tensors, names);
  const { blocks, upsamplings, features, growth, isPlus } = layers;
  const nameOf = (tensor: string) => {
    const end = tensor.lastIndexOf('.');
    return `${ESRGAN_NAMINGS[names].nameOf(tensor.slice(0, end), layers)}${tensor.slice(end)}`;
  };
  if (blocks > tensors.size) throw refused(path, `it numbers ${blocks} blocks and has ${tensors.size} tensors`);
  if (upsamplings > MAX_UPSAMPLINGS)
    throw refused(path, `it has ${upsamplings} upsamplings, at most ${MAX_UPSAMPLINGS}`);
  const shuffle = first === 4 * out ? 2 : first === 16 * out ? 4 : 1;
  const inputChannels = first / shuffle ** 2;
  const takes = `${nameOf('conv_first.weight')} takes ${first} channels`;
  checkChannels(inputChannels, takes, path);
  checkChannels(out, `${nameOf('conv_last.weight')} gives ${out} channels`, path);
  const scale = 2 ** upsamplings / shuffle;
  if (scale < 1)
    throw refused(path, `${takes}, of a picture made smaller by ${shuffle}, and it enlarges by ${2 ** upsamplings}`);
  checkScale(scale, path);
  const config: RrdbnetConfig = {
    ...layers,
    inputChannels,
    outputChannels: out,
    shuffle,
    residualScale: RESIDUAL_SCALE,
  };
  const facts: NetworkFacts = {
    family: 'esrgan',
    scale,
    inputChannels,
    outputChannels: out,
    features,
    blocks,
    growth,
    shuffle,
    isPlus,
    names,
    // One pixel for each of fifteen convolutions a block, and for four others; less for those behind an upsampling.
    context: shuffle * (15 * blocks + 4),
  };
  const stages = (options?: GraphOptions) => rrdbnetStages(config, options);
  return { facts, graph: (options) => rrdbnet(config, options), stages, nameOf };
}

function recognizeCompact(tensors: Checkpoint['tensors'], path: string): Recognized {
  const { in: inputChannels, out, features, convolutions } = compactFacts(tensors);
  const last = `body.${2 * (convolutions + 1)}.weight`;
  if (convolutions > tensors.size)
    throw refused(path, `it numbers ${convolutions + 2} convolutions and has ${tensors.size} tensors`);
  checkChannels(inputChannels, `body.0.weight takes ${inputChannels} channels`, path);
  const outputChannels = [inputChannels, 3, 4, 1].find((channels) => Number.isInteger(Math.sqrt(out / channels)));
  // The picture itself is added: one channel to all, else each to its own.
  if (outputChannels === undefined || (outputChannels !== inputChannels && inputChannels !== 1))
    throw refused(path, `${last} gives ${out} channels, which no scale makes out of ${inputChannels}`);
  const scale = Math.sqrt(out / outputChannels);
  checkScale(scale, path);
  const config: SrvggConfig = { inputChannels, outputChannels, scale, features, convolutions };
  const facts: NetworkFacts = { family: 'compact', ...config, shuffle: 1, context: convolutions + 2 };
  const stages = (options?: GraphOptions) => srvggStages(config, options);
  return { facts, graph: (options) => srvgg(config, options), stages, nameOf: (tensor) => tensor };
}

function checkChannels(channels: number, what: string, path: string): void {
  if (!CHANNELS.includes(channels)) throw refused(path, `${what}: a picture has ${CHANNELS.join(', ')}`);
}

function checkScale(scale: number, path: string): void {
  if (scale > MAX_SCALE) throw refused(path, `it enlarges by ${scale}, at most ${MAX_SCALE}`);
}

function checkTypes({ tensors }: Checkpoint, path: string): void {
  for (const [name, { dtype }] of tensors) {
    if (!FLOATS.includes(dtype)) throw refused(path, `${name} is ${dtype}, which weights never are`);
  }
}

function describe(facts: NetworkFacts): string {
  if (facts.family === 'compact') return `a compact network (SRVGGNetCompact, convolutions: ${facts.convolutions + 2})`;
  return `an ESRGAN (${facts.names} names, blocks: ${facts.blocks})`;
}

function refused(path: string, reason: string): AppError {
  return new AppError('engine-failed', `${path} is no ESRGAN and no compact network (SRVGGNetCompact): ${reason}.`);
}
