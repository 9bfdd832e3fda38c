/**
 * Architectures of networks that make pictures larger or cleaner and are not computed here, each with the name of a
 * tensor that no other of them has. The first that fits counts: some have all names of another one.
 */
const ARCHITECTURES: readonly [architecture: string, tensor: RegExp][] = [
  ['SPSR', /^f_HR_conv1\.0\.weight$/],
  ['MM-RealSR', /^am_list\.0\.fc\.0\.weight$/],
  ['SPAN', /^block_1\.c1_r\.sk\.weight$/],
  ['Swin2SR', /^layers\.0\.residual_group\.blocks\.0\.attn\.logit_scale$/],
  ['SwinIR', /^layers\.0\.residual_group\.blocks\.0\.attn\.relative_position_index$/],
  ['HAT', /^layers\.0\.residual_group\.overlap_attn\.qkv\.weight$/],
  ['SRFormer', /^layers\.0\.residual_group\.blocks\.0\.attn\.aligned_relative_position_index$/],
  ['ATD', /^layers\.0\.residual_group\.layers\.0\.attn_atd\.scale$/],
  ['DAT', /^layers\.0\.blocks\.0\.attn\.channel_interaction\.1\.weight$/],
  ['RGT', /^layers\.0\.blocks\.0\.gamma$/],
  ['DRCT', /^layers\.0\.swin1\.attn\.qkv\.weight$/],
  ['GRL', /^(model(_g)?\.)?layers\.0\.blocks\.0\.attn\.stripe_attn\.attn_transform1\.logit_scale$/],
  ['CRAFT', /^layers\.0\.residual_group\.hf_blocks\.0\.attn\.temperature$/],
  ['OmniSR', /^residual_layer\.0\.residual_layer\.0\.layer\.0\.fn\.0\.weight$/],
  ['PLKSR', /^feats\.1\.channe_mixer\.0\.weight$/], // sic
  ['RealPLKSR', /^feats\.1\.channel_mixer\.0\.weight$/],
  ['MoSR', /^gblocks\.1\.fc1\.weight$/],
  ['MoESR', /^in_to_dim\.weight$/],
  ['SAFMN', /^feats\.0\.safm\.aggr\.weight$/],
  ['SeemoRe', /^body\.0\.local_block\.norm_1\.weight$/],
  ['RCAN', /^body\.0\.body\.0\.body\.3\.conv_du\.0\.weight$/],
  ['DITN', /^UFONE\.0\.ITLs\.0\.attn\.temperature$/],
  ['FDAT', /^groups\.0\.blocks\.0\.inter\.cg\.1\.weight$/],
  ['Real-CUGAN', /^unet1\.conv1\.conv\.0\.weight$/],
  ['Swift-SRGAN', /^initial\.cnn\.depthwise\.weight$/],
  ['SCUNet', /^m_head\.0\.weight$/],
  ['FBCNN', /^qf_pred\.0\.res\.0\.weight$/],
  ['DRUNet', /^m_down1\.0\.res\.0\.weight$/],
  ['GFPGAN', /^stylegan_decoder\.style_mlp\.1\.weight$/],
  ['CodeFormer', /^idx_pred_layer\.1\.weight$/],
  ['LaMa', /^((model|generator)\.)?model\.1\.bn_l\.running_mean$/],
  ['NAFNet or KBNet', /^middle_blks\.0\.beta$/],
  ['Restormer', /^encoder_level1\.0\.attn\.qkv_dwconv\.weight$/],
  ['EDSR or MSRResNet', /^body\.0\.conv1\.weight$/],
  ['UNetDiscriminatorSN, the discriminator of a training', /^conv1\.weight_orig$/],
];

/** Undefined for one that is not known. */
export function foreignArchitecture(names: Iterable<string>): string | undefined {
  const all = [...names];
  const found = ARCHITECTURES.find(([, tensor]) => all.some((name) => tensor.test(name)));
  if (found) return found[0];
  // All of its names are those of an ESRGAN's first and last layers.
  const isPlain = all.includes('model.0.weight') && all.includes('model.2.weight');
  return isPlain && !all.some((name) => name.startsWith('model.1.sub.')) ? 'DnCNN' : undefined;
}
