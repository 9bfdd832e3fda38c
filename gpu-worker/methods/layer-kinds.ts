import type { LayerKind } from '../runtime/checked-layers.ts';

/** Kinds of layers by the part of a network that is made of them, for `MethodEngine.layers`. */

type Kinds = readonly LayerKind[];

const CONVOLUTIONS: Kinds = ['convolution 3×3', 'convolution 3×3 of a color picture', 'scaled residual'];
const PERCEPTRON: Kinds = ['linear layer', 'gelu', 'scaled residual'];

export const RRDBNET: Kinds = [...CONVOLUTIONS, 'leaky relu', 'concatenation', 'nearest upsampling'];

export const COMPACT: Kinds = [...CONVOLUTIONS, 'parametric relu', 'pixel shuffle', 'nearest upsampling'];

/** Of any sizes, with a pixel unshuffle or the 1×1 convolutions of ESRGAN+ too. */
export const ADDED: Kinds = [
  ...RRDBNET,
  ...COMPACT,
  'convolution 1×1',
  'convolution 3×3 of 15 channels',
  'pixel unshuffle',
];

export const DASR: Kinds = [
  ...CONVOLUTIONS,
  'convolution 5×5',
  'convolution 5×5 of stride 2',
  'relu',
  'leaky relu',
  'linear layer',
  'mixture of experts',
  'pixel shuffle',
  'bilinear upsampling',
];

/** With what an autoencoder is made of that runs in exact tiles. */
const AUTOENCODER: Kinds = [
  ...CONVOLUTIONS,
  'convolution 3×3 of stride 2',
  'convolution 1×1',
  'group norm',
  'mean and variance',
  'silu',
  'attention',
  'linear layer',
  'concatenation',
  'nearest upsampling',
  'narrow split',
  'slice and expand',
  'tokens of a picture',
  'whole numbers',
];

const VQ: Kinds = [...AUTOENCODER, 'nearest codes'];

const WORDS: Kinds = [...PERCEPTRON, 'layer norm', 'attention with a bias', 'mask', 'word embedding'];

const UNET: Kinds = [
  ...AUTOENCODER,
  ...PERCEPTRON,
  'layer norm',
  'nearest upsampling to a size',
  'wide split',
  'concatenation',
];

const SWIN: Kinds = [
  ...PERCEPTRON,
  'layer norm',
  'attention with a bias',
  'mask',
  'order of tokens',
  'slice and expand',
];

/** The photo lies beside the latent: six channels. */
const BESIDE: Kinds = ['convolution 3×3 of 15 channels'];

export const LDM: Kinds = [...VQ, ...UNET, ...BESIDE];

export const RESSHIFT: Kinds = [...VQ, ...UNET, ...SWIN, ...BESIDE];

export const FEMASR: Kinds = [...VQ, ...SWIN, 'convolution 4×4'];

/** Of Stable Diffusion: words, UNet and autoencoder. */
export const STABLE_DIFFUSION: Kinds = [...AUTOENCODER, ...UNET, ...WORDS];

export const STABLESR: Kinds = [...STABLE_DIFFUSION, 'relu', 'leaky relu'];

export const DIFFBIR: Kinds = [...STABLE_DIFFUSION, ...SWIN, 'leaky relu', 'pixel unshuffle'];

/** With the tagger of SeeSR. */
export const STABLE_DIFFUSION_TAGGED: Kinds = [...STABLE_DIFFUSION, ...SWIN, 'patch embedding', 'relu'];
