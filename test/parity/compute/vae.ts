import { join } from 'node:path';
import { type Flavor, FULL_PRECISION } from '../../../gpu-worker/graphs/onnx.ts';
import { openSeesrCheckpoints } from '../../../gpu-worker/methods/seesr/checkpoints.ts';
import { compileModel } from '../../../gpu-worker/runtime/compile.ts';
import type { Device } from '../../../gpu-worker/runtime/devices.ts';
import type { Tensor } from '../../../gpu-worker/tensor/tensor.ts';
import { publishedVaeTiles } from '../../../gpu-worker/vae/published-vae-tiles.ts';
import { decodeTiled, encodeTiled } from '../../../gpu-worker/vae/tiled-vae.ts';
import { createVae, type Vae } from '../../../gpu-worker/vae/vae.ts';
import { vaeDecoder, vaeEncoder } from '../../../gpu-worker/vae/vae-graphs.ts';
import { checkShapes } from '../../../gpu-worker/weights/checkpoint.ts';
import type { RecordedCase } from '../../support/recorded-case.ts';
import { PARITY_DEVICE } from '../device.ts';

interface OpenOptions {
  flavor?: Flavor;
  device?: Device;
  /** May change the weights that are read. */
  alter?: (name: string, values: Float32Array<ArrayBuffer>) => Float32Array<ArrayBuffer>;
}

/** The autoencoder of a set; its checkpoint holds exactly the tensors of the two graphs. */
export async function openVae(
  folder: string,
  { flavor = FULL_PRECISION, device = PARITY_DEVICE, alter = (_, values) => values }: OpenOptions = {},
): Promise<Vae> {
  const path = (name: string) => join(folder, 'checkpoints', name);
  await using checkpoints = await openSeesrCheckpoints({
    seesr: path('seesr'),
    sd: path('stable-diffusion-2-base'),
    ram: path('ram_swin_large_14m.pth'),
    ramConfig: path('ram_config.json'),
  });
  const config = checkpoints.configs.vae;
  const graphs = { encoder: vaeEncoder(config, { flavor }), decoder: vaeDecoder(config, { flavor }) };
  checkShapes(new Map([...graphs.encoder.weights, ...graphs.decoder.weights]), checkpoints.vae.tensors, 'vae');
  const read = async (name: string) => alter(name, await checkpoints.vae.read(name));
  const encoder = await compileModel(graphs.encoder, read);
  const decoder = await compileModel(graphs.decoder, read);
  return createVae({ config, models: { encoder, decoder }, flavor, device });
}

/** All outputs of a case `vae_*`: the encoder's of `image`, the decoder's of `latent`; tiled or not. */
export async function computeVae(recorded: RecordedCase, options?: OpenOptions): Promise<Record<string, Tensor>> {
  const vae = await openVae(recorded.folder, options);
  const { encoder_tile: encoderTile, decoder_tile: decoderTile } = recorded.parameters as Record<string, number>;
  const outputs: Record<string, Tensor> = {};
  if (recorded.inputNames.includes('image')) {
    const image = await imageOf(recorded);
    const tiling = encoderTile && publishedVaeTiles(encoderTile);
    const { mean, logVariance } = tiling ? await encodeTiled(vae, image, { tiling }) : await vae.encode(image);
    outputs.mean = mean;
    outputs.logvar = logVariance;
  }
  if (recorded.inputNames.includes('latent')) {
    const latent = await recorded.tensor('latent');
    const tiling = decoderTile && publishedVaeTiles(decoderTile);
    const image = tiling ? await decodeTiled(vae, latent, { tiling }) : await vae.decode(latent);
    outputs.image = image;
    outputs.image_out = image;
  }
  await vae.release();
  return outputs;
}

/** The photo of a case: [1, 3, h, w], −1..1. */
async function imageOf(recorded: RecordedCase): Promise<Tensor> {
  const { data, width, height } = await recorded.image('image');
  const pixels = width * height;
  const planes = Float32Array.from({ length: 3 * pixels }, (_, index) => {
    return (2 * data[(index % pixels) * 3 + Math.floor(index / pixels)]!) / 255 - 1;
  });
  return { data: planes, shape: [1, 3, height, width] };
}
