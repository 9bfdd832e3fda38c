import type { MethodId } from '../../shared/methods/registry.ts';
import type { Added } from '../model-store/added.ts';
import type { MethodEngine } from './engine.ts';

/**
 * How each method is computed: one line each, which the compiler asks for. A method that nobody asks for is not loaded.
 */
const ENGINES: Record<MethodId | Added['family'], () => Promise<MethodEngine>> = {
  seesr: async () => (await import('./seesr/engine.ts')).seesrEngine,
  'seesr-turbo': async () => (await import('./seesr/engine.ts')).seesrTurboEngine,
  'real-esrgan': async () => (await import('./real-esrgan/engine.ts')).realEsrganEngine,
  'real-esrgan-fast': async () => (await import('./real-esrgan/engine.ts')).realEsrganFastEngine,
  bsrgan: async () => (await import('./bsrgan/engine.ts')).bsrganEngine,
  ldl: async () => (await import('./ldl/engine.ts')).ldlEngine,
  dasr: async () => (await import('./dasr/engine.ts')).dasrEngine,
  ldm: async () => (await import('./ldm/engine.ts')).ldmEngine,
  femasr: async () => (await import('./femasr/engine.ts')).femasrEngine,
  resshift: async () => (await import('./resshift/engine.ts')).resshiftEngine,
  'resshift-fast': async () => (await import('./resshift/engine.ts')).resshiftFastEngine,
  stablesr: async () => (await import('./stablesr/engine.ts')).stablesrEngine,
  pasd: async () => (await import('./pasd/engine.ts')).pasdEngine,
  diffbir: async () => (await import('./diffbir/engine.ts')).diffbirEngine,
  'diffbir-v2': async () => (await import('./diffbir/engine.ts')).diffbirV2Engine,
  'diffbir-v21': async () => (await import('./diffbir/engine.ts')).diffbirV21Engine,
  esrgan: async () => (await import('./added-engine.ts')).addedEngine,
  compact: async () => (await import('./added-engine.ts')).addedEngine,
};

export type EngineId = keyof typeof ENGINES;

export async function engineOf(method: EngineId): Promise<MethodEngine> {
  return await ENGINES[method]();
}

/** Kinds of layers that networks of these methods are made of. */
export async function layersOf(methods: readonly EngineId[]) {
  const engines = await Promise.all(methods.map(engineOf));
  return [...new Set(engines.flatMap(({ layers }) => layers))];
}
