/*
 * Names of tensors in checkpoints of latent diffusion (github.com/CompVis/latent-diffusion, github.com/CompVis/stable-diffusion)
 * in those of diffusers and transformers, which the graphs have. The prefix of the network is gone. A name that is not one
 * of them stays as it is: whoever checks the tensors then tells of it.
 */

type Rename = (name: string) => string;

const RESNET: readonly [RegExp, string][] = [
  [/^in_layers\.0\./, 'norm1.'],
  [/^in_layers\.2\./, 'conv1.'],
  [/^emb_layers\.1\./, 'time_emb_proj.'],
  [/^out_layers\.0\./, 'norm2.'],
  [/^out_layers\.3\./, 'conv2.'],
  [/^skip_connection\./, 'conv_shortcut.'],
];

const UNET: readonly [RegExp, string][] = [
  [/^time_embed\.0\./, 'time_embedding.linear_1.'],
  [/^time_embed\.2\./, 'time_embedding.linear_2.'],
  [/^input_blocks\.0\.0\./, 'conv_in.'],
  [/^out\.0\./, 'conv_norm_out.'],
  [/^out\.2\./, 'conv_out.'],
  [/^middle_block\.0\./, 'mid_block.resnets.0.'],
  [/^middle_block\.1\./, 'mid_block.attentions.0.'],
  [/^middle_block\.2\./, 'mid_block.resnets.1.'],
  // ControlNet.
  [/^zero_convs\.(\d+)\.0\./, 'controlnet_down_blocks.$1.'],
  [/^middle_block_out\.0\./, 'controlnet_mid_block.'],
];

/** Of a UNet, or of a ControlNet; `layersPerBlock`: residual blocks at a resolution of the encoder. */
export function unetName(layersPerBlock: number): Rename {
  const count = layersPerBlock + 1;
  return (name) => withResnetNames(blockName(replaced(name, UNET), count));
}

/** Blocks are numbered through; `count`: those of a resolution. */
function blockName(name: string, count: number): string {
  const [, side, number, rest] = /^(input|output)_blocks\.(\d+)\.(.*)$/.exec(name) ?? [];
  if (rest === undefined) return name;
  const position = Number(number) - (side === 'input' ? 1 : 0);
  const block = `${side === 'input' ? 'down' : 'up'}_blocks.${Math.floor(position / count)}`;
  const parts: readonly [RegExp, string][] = [
    [/^0\.op\./, `${block}.downsamplers.0.conv.`],
    [/^[12]\.conv\./, `${block}.upsamplers.0.conv.`],
    [/^0\./, `${block}.resnets.${position % count}.`],
    [/^1\./, `${block}.attentions.${position % count}.`],
  ];
  const renamed = replaced(rest, parts);
  return renamed === rest ? name : renamed;
}

function withResnetNames(name: string): string {
  return name.replace(
    /^(.*\.resnets\.\d+\.)(.*)$/,
    (_match, block: string, rest: string) => block + replaced(rest, RESNET),
  );
}

const AUTOENCODER: readonly [RegExp, string][] = [
  [/\.down\.(\d+)\.block\.(\d+)\./, '.down_blocks.$1.resnets.$2.'],
  [/\.down\.(\d+)\.downsample\.conv\./, '.down_blocks.$1.downsamplers.0.conv.'],
  [/\.mid\.block_1\./, '.mid_block.resnets.0.'],
  [/\.mid\.block_2\./, '.mid_block.resnets.1.'],
  [/\.mid\.attn_1\.norm\./, '.mid_block.attentions.0.group_norm.'],
  [/\.mid\.attn_1\.([qkv])\./, '.mid_block.attentions.0.to_$1.'],
  [/\.mid\.attn_1\.proj_out\./, '.mid_block.attentions.0.to_out.0.'],
  [/\.norm_out\./, '.conv_norm_out.'],
];

/** Of the autoencoder, `levels`: its resolutions. The matrices of its attention are 1 × 1 convolutions. */
export function autoencoderName(levels: number): Rename {
  return (name) =>
    replaced(name, AUTOENCODER)
      .replace(
        /\.up\.(\d+)\.block\.(\d+)\./,
        (_match, level, index) => `.up_blocks.${levels - 1 - level}.resnets.${index}.`,
      )
      .replace(
        /\.up\.(\d+)\.upsample\.conv\./,
        (_match, level) => `.up_blocks.${levels - 1 - level}.upsamplers.0.conv.`,
      )
      .replace('.nin_shortcut.', '.conv_shortcut.');
}

const TEXT: readonly [RegExp, string][] = [
  [/^token_embedding\./, 'text_model.embeddings.token_embedding.'],
  [/^positional_embedding$/, 'text_model.embeddings.position_embedding.weight'],
  [/^ln_final\./, 'text_model.final_layer_norm.'],
  [/^transformer\.resblocks\.(\d+)\.ln_([12])\./, 'text_model.encoder.layers.$1.layer_norm$2.'],
  [/^transformer\.resblocks\.(\d+)\.mlp\.c_fc\./, 'text_model.encoder.layers.$1.mlp.fc1.'],
  [/^transformer\.resblocks\.(\d+)\.mlp\.c_proj\./, 'text_model.encoder.layers.$1.mlp.fc2.'],
  [/^transformer\.resblocks\.(\d+)\.attn\.out_proj\./, 'text_model.encoder.layers.$1.self_attn.out_proj.'],
  // Those of queries, keys and values, one below another.
  [/^transformer\.resblocks\.(\d+)\.attn\.in_proj_/, 'text_model.encoder.layers.$1.self_attn.in_proj.'],
];

/** Of the text tower of OpenCLIP (github.com/mlfoundations/open_clip). */
export function openClipName(name: string): string {
  return replaced(name, TEXT);
}

/** By the first that fits. */
function replaced(name: string, rules: readonly [RegExp, string][]): string {
  const rule = rules.find(([pattern]) => pattern.test(name));
  return rule ? name.replace(...rule) : name;
}
