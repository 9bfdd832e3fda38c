import { z } from 'zod';
import { fixColorsAsPublished } from '../../../gpu-worker/diffusion/published-color-fix.ts';
import type { Pixels } from '../../../gpu-worker/images/image.ts';
import { centered, toTensor } from '../../../gpu-worker/images/image-tensor.ts';
import type { PasdModels } from '../../../gpu-worker/methods/pasd/models.ts';
import { publishedCondition } from '../../../gpu-worker/methods/pasd/published-mode.ts';
import { publishedVaeTiles } from '../../../gpu-worker/vae/published-vae-tiles.ts';
import { decodeTiled, encodeTiled } from '../../../gpu-worker/vae/tiled-vae.ts';
import type { RecordedCase } from '../../support/recorded-case.ts';
import { openDenoiser, openPasd, type PasdDenoiser } from '../compute/pasd.ts';
import { computeLoop, computeRun, computeScheduler, computeStart } from '../compute/pasd-sampling.ts';
import { promptOf, recordedWords } from '../compute/pasd-words.ts';
import type { Computed, Fact } from '../computed.ts';
import type { Parity } from '../parity.ts';

type Compute = (recorded: RecordedCase, models: PasdModels) => Promise<Computed>;

/** PASD: its networks, its sampler and its script, of October 2023 and of September 2024. */
export const parity: Parity = {
  methods: ['pasd'],
  networks: ['text', 'denoiser', 'vae_encode', 'vae_decode'],
  open(folder) {
    let opened: Promise<PasdModels> | undefined;
    let probed: Promise<PasdDenoiser> | undefined;
    const kinds = Object.entries(KINDS).map(([kind, compute]) => {
      const ofKind = async (recorded: RecordedCase) => {
        opened ??= openPasd(folder);
        return await compute(recorded, await opened);
      };
      return [kind, ofKind] as const;
    });
    const denoiser = async (recorded: RecordedCase): Promise<Computed> => {
      probed ??= openDenoiser(folder);
      return { outputs: await (await probed).compute(recorded) };
    };
    return {
      kinds: { ...Object.fromEntries(kinds), denoiser },
      async [Symbol.asyncDispose]() {
        await (await opened)?.release();
        await (await probed)?.release();
      },
    };
  },
  // In the order of the computation.
  blocks: [
    ...['stem', 'control_down', 'control_mid', 'block_down', 'block_mid', 'residual', 'residual_mid'],
    ...[0, 1, 2, 3].flatMap((block) => [`up${block}_resnet`, `up${block}_text`, `up${block}_pixel`]),
    ...['block_up', 'eps'],
  ],
};

const tokenizer: Compute = async (recorded, { tokenizer }) => {
  const { prompts } = tokensSchema.parse(JSON.parse(await recorded.text('prompts')));
  const facts = prompts.map(({ text, ids }): Fact => {
    return { name: `ids of ${JSON.stringify(text.slice(0, 40))}`, actual: tokenizer.encode(text), expected: ids };
  });
  return { outputs: {}, facts, covers: ['prompts'] };
};
const tokensSchema = z.object({ prompts: z.array(z.object({ text: z.string(), ids: z.array(z.int()) })) });

const prompt: Compute = async (recorded) => {
  const words = recordedWords.parse(JSON.parse(await recorded.text('prompts')));
  const facts = words.map((given, index): Fact => {
    return { name: `prompt ${index}`, actual: promptOf(given), expected: given.positive };
  });
  return { outputs: {}, facts, covers: ['prompts'] };
};

const text: Compute = async (recorded, { textEncoder }) => {
  const { data, shape } = await recorded.tensor('ids');
  const [texts, tokens] = shape as [number, number];
  const ids = Array.from({ length: texts }, (_, index) => [...data.subarray(index * tokens, (index + 1) * tokens)]);
  return { outputs: { hidden: await textEncoder.encode(ids) } };
};

const sizesSchema = z.object({
  sizes: z.array(
    z.object({ input: z.tuple([z.int(), z.int()]), process_size: z.int(), prepared: z.tuple([z.int(), z.int()]) }),
  ),
  corners: z.array(z.object({ process_size: z.int() })),
});

const prepare: Compute = async (recorded) => {
  const { sizes, corners } = sizesSchema.parse(recorded.parameters);
  const facts = sizes.map(({ input: [width, height], process_size, prepared }): Fact => {
    const photo: Pixels = { width, height, channels: 1, data: new Uint8Array(width * height) };
    const { image } = publishedCondition(photo, process_size);
    return { name: `size of ${width}×${height}`, actual: [image.width, image.height], expected: prepared };
  });
  const outputs: Computed['outputs'] = {};
  for (const [index, { process_size }] of corners.entries()) {
    const { image } = publishedCondition(await recorded.image(`in${index}`), process_size);
    const [height, width] = recorded.shape(`corner${index}`) as [number, number];
    const rows = Array.from({ length: height }, (_, y) => y * image.width * 3);
    const data = rows.flatMap((start) => Array.from(image.data.subarray(start, start + width * 3)));
    outputs[`corner${index}`] = { data, shape: [height, width, 3] };
  }
  return { outputs, facts };
};

const vaeEncode: Compute = async (recorded, { vae }) => {
  const { mean, logVariance: logvar } = await vae.encode(centered(toTensor(await recorded.image('image'))));
  return { outputs: { mean, logvar } };
};

const vaeDecode: Compute = async (recorded, { vae }) => {
  return { outputs: { image: await vae.decode(await recorded.tensor('latent')) } };
};

const tiledSchema = z.object({ encoder_tile: z.int(), decoder_tile: z.int() });

const vaeTiled: Compute = async (recorded, { vae }) => {
  const { encoder_tile, decoder_tile } = tiledSchema.parse(recorded.parameters);
  const [encoder, decoder] = [encoder_tile, decoder_tile].map((size) => publishedVaeTiles(size, { normsTwice: true }));
  const { mean, logVariance: logvar } = await encodeTiled(vae, centered(toTensor(await recorded.image('image'))), {
    tiling: encoder!,
  });
  const image = await decodeTiled(vae, await recorded.tensor('latent'), { tiling: decoder! });
  return { outputs: { mean, logvar, image_out: image } };
};

const colorFix: Compute = async (recorded) => {
  const outputs: Computed['outputs'] = {};
  for (const name of recorded.outputNames) {
    const index = name.replace('wavelet', '');
    const [result, condition] = [await recorded.image(`result${index}`), await recorded.image(`condition${index}`)];
    const { data, width, height } = fixColorsAsPublished(result, condition, 'wavelet');
    outputs[name] = { data, shape: [height, width, 3] };
  }
  return { outputs };
};

const loop: Compute = async (recorded, models) => ({ outputs: await computeLoop(recorded, models) });

const KINDS: Record<string, Compute> = {
  tokenizer,
  prompt,
  text,
  prepare,
  vae_encode: vaeEncode,
  vae_decode: vaeDecode,
  vae_tiled: vaeTiled,
  scheduler: computeScheduler,
  start: computeStart,
  loop,
  loop_tiled: loop,
  color_fix: colorFix,
  run: computeRun,
};
