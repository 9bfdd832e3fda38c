import type { RecordedCase } from '../../support/recorded-case.ts';
import {
  computeSwinir,
  computeText,
  type DenoiserRunner,
  denoiserInputs,
  openClipTokenizer,
  openDenoiserRunner,
  openDiffbirModels,
} from '../compute/diffbir.ts';
import {
  computeColor,
  computeGuidedLoop,
  computeLoop,
  computePrepare,
  computeResize,
  computeScheduler,
  computeScript,
  type LoopTools,
} from '../compute/diffbir-v1.ts';
import {
  computeBsrnet,
  computeDecode,
  computeEncode,
  computeLoopV2,
  computeSchedulerV21,
  computeScriptV2,
  computeTiledVae,
  openV2Control,
  openV2Models,
  type V2Models,
} from '../compute/diffbir-v2.ts';
import { computeTokenizer } from '../compute/numbers.ts';
import type { Computed } from '../computed.ts';
import type { OpenSystem, Parity } from '../parity.ts';

/** DiffBIR: its networks, and the published scripts of all versions. */
export const parity: Parity = {
  methods: ['diffbir', 'diffbir-v2', 'diffbir-v21'],
  networks: ['swinir', 'text', 'denoiser'],
  open,
};

function open(folder: string): OpenSystem {
  const models = openDiffbirModels(folder);
  const tools = async (): Promise<LoopTools> => {
    const tokenizer = await openClipTokenizer();
    const loaded = await models.get();
    const encode = (prompts: readonly string[]) =>
      loaded.textEncoder.encode(prompts.map((prompt) => tokenizer.encode(prompt)));
    return { models: loaded, encode };
  };
  const withTools = (compute: (recorded: RecordedCase, tools: LoopTools) => Promise<Computed>) => {
    return async (recorded: RecordedCase) => await compute(recorded, await tools());
  };
  let v2: Promise<V2Models> | undefined;
  const withV2 = (compute: (recorded: RecordedCase, models: V2Models, tools: LoopTools) => Promise<Computed>) => {
    return async (recorded: RecordedCase) => {
      v2 ??= openV2Models(folder);
      return await compute(recorded, await v2, await tools());
    };
  };
  const denoisers = new Map<unknown, Promise<DenoiserRunner>>();
  const denoiserOf = ({ parameters: { generation } }: RecordedCase) => {
    const found = denoisers.get(generation) ?? openDenoiser(folder, generation === 'v2');
    denoisers.set(generation, found);
    return found;
  };
  const values = (compute: (recorded: RecordedCase) => Promise<Computed['outputs']>) => {
    return async (recorded: RecordedCase) => ({ outputs: await compute(recorded) });
  };
  const plain = withTools(computeLoop);
  const guided = withV2((recorded, { v2: { vae } }, tools) => computeGuidedLoop(recorded, tools, vae));
  return {
    kinds: {
      tokenizer: async (recorded) => computeTokenizer(recorded, { tokenizer: await openClipTokenizer() }),
      prepare: computePrepare,
      resize: computeResize,
      color: computeColor,
      scheduler: computeScheduler,
      swinir: values((recorded) => computeSwinir(recorded)),
      text: values(computeText),
      denoiser: values(async (recorded) => (await denoiserOf(recorded)).run(await denoiserInputs(recorded))),
      loop: (recorded) => ('t_start' in recorded.parameters ? guided(recorded) : plain(recorded)),
      tiled: withTools(computeLoop),
      cli_v1: withTools(computeScript),
      encode: withV2(computeEncode),
      decode: withV2(computeDecode),
      vae_tiled: withV2(computeTiledVae),
      scheduler_v21: computeSchedulerV21,
      bsrnet: computeBsrnet,
      loop_v2: withV2(computeLoopV2),
      cli_v2: withV2(computeScriptV2),
    },
    async [Symbol.asyncDispose]() {
      if (v2) await (await v2).release();
      for (const denoiser of denoisers.values()) await (await denoiser).release();
      await models[Symbol.asyncDispose]();
    },
  };
}

async function openDenoiser(folder: string, isSecond: boolean): Promise<DenoiserRunner> {
  if (!isSecond) return await openDenoiserRunner(folder);
  await using control = await openV2Control(folder);
  return await openDenoiserRunner(folder, { control });
}
