import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../../shared/error.ts';
import { type BuildPlan, flavorOf, type Precision } from '../model-store/build-plan.ts';
import { licenseNotice } from '../model-store/licenses.ts';
import type { Restorer } from '../restore/restorer.ts';
import { fingerprint } from '../runtime/compile.ts';
import type { Device } from '../runtime/devices.ts';
import { storedWeights } from '../runtime/share-weights.ts';
import { type SuperResolver, upscale } from '../tiling/picture-tiles.ts';
import type { EsrganNaming } from '../weights/esrgan-checkpoint.ts';
import type { LoadedMethod, MethodEngine, Source } from './engine.ts';
import { RRDBNET } from './layer-kinds.ts';
import { type NetworkFacts, type NetworkFile, openNetworkFile, recognizeNetwork } from './network-file.ts';
import { openStages, withWeightsOf } from './open-stages.ts';

/** The common part of methods that send the photo through one network once. */

const NETWORK = 'network';

/** Of a network that is loaded. */
export function onePass(resolver: SuperResolver): LoadedMethod {
  const restore: Restorer = async (pixels, options) => {
    const { tileSize, signal, onProgress, show } = options;
    const onTile = (tile: number, tiles: number) => onProgress({ stage: 'upscale', tile, tiles }, tile / tiles);
    const bitDepth = options.parameters.bit_depth ?? 8;
    return { bands: upscale(pixels, resolver, { tileSize, bitDepth, signal, onTile, show }) };
  };
  return { restore, release: resolver.release };
}

interface Declared {
  id: string;
  /** See `SuperResolver`. */
  context: number;
}

interface Published {
  source: Omit<Source, 'kind'> & { license: string };
  /** The naming of the tensors in the file. */
  names: EsrganNaming;
  /** In which of the dictionaries of a file the weights are, where it has several. */
  container?: string;
}

/** An engine for one published file of RRDBNet that makes color pictures four times larger. */
export function onePassEngine({ id, context }: Declared, { source, names, container }: Published): MethodEngine {
  return {
    layers: RRDBNET,
    build: {
      sources: [{ ...source, kind: 'FILE' }],
      async plan(paths, precision) {
        const path = paths[source.option]!;
        const network = await openNetworkFile(path, { container });
        try {
          checkFacts(network.facts, { ...COLORS_TIMES_FOUR, names }, `${path} is not ${source.about}`);
          return planNetwork(network, { ...precision, model: id, path, license: source.license });
        } catch (error) {
          await network[Symbol.asyncDispose]();
          throw error;
        }
      },
    },
    async load(directory, { device }) {
      return onePass(await openNetwork(directory, device, { ...COLORS_TIMES_FOUR, context }));
    },
  };
}

/** Facts of such a network. */
export const COLORS_TIMES_FOUR = { scale: 4, inputChannels: 3, outputChannels: 3, unit: 1 } as const;

/** Throws AppError `engine-failed` that begins with `message`. */
export function checkFacts(facts: NetworkFacts, expected: Record<string, unknown>, message: string): void {
  const found: Record<string, unknown> = { ...facts, unit: facts.shuffle };
  for (const [name, value] of Object.entries(expected)) {
    if (found[name] === value) continue;
    throw new AppError('engine-failed', `${message}: ${name} of its network is ${found[name]}, not ${value}.`);
  }
}

interface PlanOptions extends Precision {
  model: string;
  path: string;
  license: string;
}

/** The plan to install a network. Disposing it disposes the network. */
export function planNetwork(network: NetworkFile, { model, path, license, dtype, device }: PlanOptions): BuildPlan {
  const { facts, checkpoint } = network;
  const graph = network.graph({ flavor: flavorOf(dtype, device) });
  const sources = [{ path, license }];
  return {
    model,
    dtype,
    device,
    networks: [{ name: NETWORK, graph, read: checkpoint.read }],
    texts: new Map([['LICENSES.md', licenseNotice(model, sources)]]),
    recipe: createHash('sha256')
      .update(JSON.stringify([facts, fingerprint(graph)]))
      .digest('hex'),
    sources,
    [Symbol.asyncDispose]: () => network[Symbol.asyncDispose](),
  };
}

/** The network that was installed in `directory`, in the precision that its weights are stored in. */
export async function openNetwork(
  directory: string,
  device: Device,
  facts: Omit<SuperResolver, 'stages' | 'release'>,
): Promise<SuperResolver> {
  return { ...facts, ...(await openNetworkStages(join(directory, `${NETWORK}.onnx`), device)) };
}

/** All stages of a network in its own precision. `path`: of its model. */
export async function openNetworkStages(path: string, device: Device): ReturnType<typeof openStages> {
  const model = await readFile(path);
  const weights = storedWeights(model);
  const isHalf = weights.values().some(({ dtype }) => dtype === 'F16');
  const stages = recognizeNetwork(weights, path).stages({ flavor: flavorOf(isHalf ? 'fp16' : 'fp32', device) });
  return await openStages(stages, device, withWeightsOf(model, path));
}
