import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openNetworkFile } from '../../../../gpu-worker/methods/network-file.ts';
import { compactShapes, esrganShapes, networkFile, type Shapes } from '../../../support/network-files.ts';
import { legacyBytes } from '../../../support/torch-legacy-sample.ts';
import { pickle } from '../../../support/weight-files.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-network-'));
});
afterAll(() => rm(directory, { recursive: true }));

async function open(file: Shapes | Buffer) {
  const path = join(directory, crypto.randomUUID());
  await writeFile(path, Buffer.isBuffer(file) ? file : networkFile(file));
  return await openNetworkFile(path);
}

async function factsOf(file: Shapes | Buffer) {
  await using network = await open(file);
  return network.facts;
}

const NAMINGS = ['old', 'RRDB_trunk', 'Real-ESRGAN'];

describe('an ESRGAN is recognized by names and shapes', () => {
  test.each(NAMINGS)('under %s names, in any size', async (names) => {
    const sizes = { features: 7, growth: 3, blocks: 12, upsamplings: 1 };
    expect(await factsOf(esrganShapes(names, sizes))).toEqual({
      family: 'esrgan',
      names,
      scale: 2,
      inputChannels: 3,
      outputChannels: 3,
      features: 7,
      growth: 3,
      blocks: 12,
      shuffle: 1,
      isPlus: false,
      context: 184,
    });
  });

  test.each(NAMINGS)('under %s names, at any scale', async (names) => {
    for (const upsamplings of [0, 1, 2, 3, 4]) {
      expect(await factsOf(esrganShapes(names, { upsamplings }))).toMatchObject({ names, scale: 2 ** upsamplings });
    }
  });

  test.each([
    { first: 1, out: 1, upsamplings: 0, found: [1, 1, 1, 1] },
    { first: 1, out: 3, upsamplings: 2, found: [1, 3, 1, 4] },
    { first: 4, out: 4, upsamplings: 1, found: [4, 4, 1, 2] },
    { first: 4, out: 3, upsamplings: 1, found: [4, 3, 1, 2] },
    { first: 3, out: 1, upsamplings: 2, found: [3, 1, 1, 4] },
    { first: 12, out: 3, upsamplings: 2, found: [3, 3, 2, 2] },
    { first: 12, out: 3, upsamplings: 1, found: [3, 3, 2, 1] },
    { first: 12, out: 3, upsamplings: 3, found: [3, 3, 2, 4] },
    { first: 12, out: 3, upsamplings: 5, found: [3, 3, 2, 16] },
    { first: 48, out: 3, upsamplings: 2, found: [3, 3, 4, 1] },
    { first: 48, out: 3, upsamplings: 4, found: [3, 3, 4, 4] },
    { first: 16, out: 4, upsamplings: 2, found: [4, 4, 2, 2] },
    { first: 64, out: 4, upsamplings: 2, found: [4, 4, 4, 1] },
    { first: 4, out: 1, upsamplings: 2, found: [1, 1, 2, 2] },
    { first: 16, out: 1, upsamplings: 2, found: [1, 1, 4, 1] },
  ])('of $first → $out channels and $upsamplings upsamplings', async ({ found, ...sizes }) => {
    for (const names of NAMINGS) {
      const { inputChannels, outputChannels, shuffle, scale, context } = await factsOf(esrganShapes(names, sizes));
      expect([inputChannels, outputChannels, shuffle, scale]).toEqual(found);
      expect(context).toBe(19 * shuffle);
    }
  });

  test.each(NAMINGS)('with the 1×1 convolutions of ESRGAN+ under %s names', async (names) => {
    expect(await factsOf(esrganShapes(names, { isPlus: true, blocks: 2 }))).toMatchObject({ isPlus: true, names });
  });

  test('beside counters of its training', async () => {
    const counters = { step: [], initted: [1], n_averaged: [] };
    expect(await factsOf({ ...esrganShapes('old'), ...counters })).toMatchObject({ family: 'esrgan' });
    await expect(factsOf({ ...esrganShapes('old'), step: [2] })).rejects.toThrow(/unexpected step \[2\]/);
  });
});

describe('a compact network is recognized by names and shapes', () => {
  test.each([
    { in: 3, last: 3, found: [3, 1] },
    { in: 3, last: 12, found: [3, 2] },
    { in: 3, last: 27, found: [3, 3] },
    { in: 3, last: 48, found: [3, 4] },
    { in: 3, last: 192, found: [3, 8] },
    { in: 1, last: 1, found: [1, 1] },
    { in: 1, last: 4, found: [1, 2] },
    { in: 1, last: 3, found: [3, 1] },
    { in: 1, last: 27, found: [3, 3] },
    { in: 1, last: 48, found: [3, 4] },
    { in: 4, last: 16, found: [4, 2] },
    { in: 4, last: 64, found: [4, 4] },
  ])('of $in channels whose last layer gives $last', async ({ found, ...sizes }) => {
    for (const convolutions of [0, 1, 16]) {
      expect(await factsOf(compactShapes({ ...sizes, convolutions, features: 5 }))).toEqual({
        family: 'compact',
        inputChannels: sizes.in,
        outputChannels: found[0],
        scale: found[1],
        features: 5,
        convolutions,
        shuffle: 1,
        context: convolutions + 2,
      });
    }
  });
});

/** Without some tensors, and with others. */
function changed(shapes: Shapes, without: readonly string[], others: Shapes = {}): Shapes {
  const left = Object.entries(shapes).filter(([name]) => !without.some((prefix) => name.startsWith(prefix)));
  return { ...Object.fromEntries(left), ...others };
}

describe('a misfit is refused by the tensor', () => {
  const real = esrganShapes('Real-ESRGAN', { blocks: 3 });
  const old = esrganShapes('old', { blocks: 2 });
  const trunk = esrganShapes('RRDB_trunk');
  const compact = compactShapes();
  const square = { 'body.0.weight': [6, 3, 5, 5] };
  test.each<[string, Shapes, RegExp]>([
    ['the first layer', changed(old, ['model.0.']), /missing model\.0\.weight \[6,3,3,3\]; missing model\.0\.bias/],
    ['the last layer of old names', changed(old, ['model.10.']), /missing model\.10\.weight \[3,6,3,3\]/],
    ['the second layer from the end', changed(old, ['model.8.']), /missing model\.8\.weight \[6,6,3,3\]/],
    ['an upsampling of old names', changed(old, ['model.3.']), /missing model\.3\.weight/],
    [
      'a dense layer',
      changed(old, ['model.1.sub.1.RDB2.conv3.0.w']),
      /missing model\.1\.sub\.1\.RDB2\.conv3\.0\.weight/,
    ],
    [
      'the layer that tells the growth',
      changed(real, ['body.0.rdb1.conv1.w']),
      /missing body\.0\.rdb1\.conv1\.weight \[2,6,3,3\]\.$/,
    ],
    [
      'the layer that tells the features',
      changed(trunk, ['conv_first.w']),
      /missing conv_first\.weight \[6,3,3,3\]\.$/,
    ],
    ['the layer behind the blocks', changed(trunk, ['trunk_conv.']), /missing trunk_conv\.weight/],
    ['the last layer', changed(real, ['conv_last.']), /missing conv_last\.weight/],
    ['a block', changed(real, ['body.1.']), /missing body\.1\.rdb1\.conv1\.weight.*and 20 more such/],
    ['a bias', changed(trunk, ['HRconv.b']), /missing HRconv\.bias \[6\]\.$/],
    [
      'a 1×1 convolution of ESRGAN+',
      changed(esrganShapes('old', { isPlus: true }), ['model.1.sub.0.RDB3.conv1x1']),
      /missing model\.1\.sub\.0\.RDB3\.conv1x1\.weight \[2,6,1,1\]/,
    ],
    ['a tensor too many', { ...trunk, extra: [3] }, /RRDB_trunk names.*unexpected extra \[3\]/],
    [
      'another kernel',
      changed(trunk, [], { 'HRconv.weight': [6, 6, 5, 5] }),
      /HRconv\.weight is \[6,6,5,5\] and should be \[6,6,3,3\]/,
    ],
    ['other features', changed(real, [], { 'conv_body.weight': [7, 6, 3, 3] }), /conv_body\.weight is \[7,6,3,3\]/],
    [
      'normalization',
      { ...old, 'model.1.sub.0.RDB1.conv1.1.weight': [2] },
      /unexpected model\.1\.sub\.0\.RDB1\.conv1\.1\.weight/,
    ],
    [
      'more dense blocks',
      { ...real, 'body.0.rdb4.conv1.weight': [2, 6, 3, 3] },
      /unexpected body\.0\.rdb4\.conv1\.weight/,
    ],
    [
      'dense blocks in a list',
      changed(old, ['model.1.sub.0.RDB', 'model.1.sub.1.RDB'], { 'model.1.sub.0.RDBs.0.conv1.0.weight': [2, 6, 3, 3] }),
      /missing model\.1\.sub\.0\.RDB1\.conv1\.0\.weight.*unexpected model\.1\.sub\.0\.RDBs\.0\.conv1\.0\.weight/,
    ],
    [
      'dense blocks of a fork',
      changed(real, ['body.'], { 'body.0.srdb1.conv1.weight': [2, 6, 3, 3] }),
      /unexpected body\.0\.srdb1\.conv1\.weight/,
    ],
    [
      'a pixel shuffle as upsampling',
      changed(old, ['model.3.', 'model.6.'], { 'model.2.weight': [24, 6, 3, 3], 'model.5.weight': [24, 6, 3, 3] }),
      /missing model\.3\.weight.*unexpected model\.2\.weight \[24,6,3,3\]/,
    ],
    [
      'a pixel unshuffle by 3',
      esrganShapes('Real-ESRGAN', { first: 27 }),
      /conv_first\.weight takes 27 channels: a picture has 1, 3, 4/,
    ],
    ['an odd number of channels', esrganShapes('old', { out: 2 }), /model\.10\.weight gives 2 channels/],
    [
      'less than its own size',
      esrganShapes('old', { first: 48, upsamplings: 1 }),
      /model\.0\.weight takes 48 channels, of a picture made smaller by 4, and it enlarges by 2/,
    ],
    ['more than sixteen times', esrganShapes('Real-ESRGAN', { upsamplings: 5 }), /enlarges by 32/],
    [
      'upsamplings without end',
      { ...real, 'conv_up999999999.weight': [6, 6, 3, 3] },
      /has 999999999 upsamplings, at most 5/,
    ],
    [
      'blocks without end',
      { ...real, 'body.999999999.rdb1.conv1.weight': [1] },
      /numbers 1000000000 blocks and has 10\d tensors/,
    ],
    ['layers without end', { ...compact, 'body.999999999.weight': [1] }, /numbers 500000001 convolutions/],
    ['a layer of a compact network', changed(compact, ['body.4.']), /missing body\.4\.weight \[6,6,3,3\]/],
    ['the last layer of a compact network', changed(compact, ['body.6.']), /missing body\.6\.weight/],
    ['the first layer of a compact network', changed(compact, ['body.0.w']), /missing body\.0\.weight \[6,3,3,3\]\.$/],
    [
      'the slopes of a compact network',
      changed(compact, ['body.1.', 'body.3.', 'body.5.']),
      /missing body\.1\.weight \[6\]; missing body\.3\.weight/,
    ],
    [
      'one slope for all',
      changed(compact, [], { 'body.1.weight': [1] }),
      /body\.1\.weight is \[1\] and should be \[6\]/,
    ],
    ['another kernel of a compact network', changed(compact, [], square), /body\.0\.weight is \[6,3,5,5\]/],
    ['a compact network with more', { ...compact, 'head.weight': [3] }, /SRVGGNetCompact.*unexpected head\.weight/],
    ['no scale', compactShapes({ last: 10 }), /body\.6\.weight gives 10 channels, which no scale makes out of 3/],
    ['colors to alpha', compactShapes({ last: 64 }), /gives 64 channels, which no scale makes out of 3/],
    ['five channels', compactShapes({ in: 5 }), /body\.0\.weight takes 5 channels/],
    ['no numbers of axes', { ...compact, 'body.0.weight': [] }, /body\.0\.weight is \[\]/],
    [
      'nothing that is known',
      { 'encoder.weight': [1], 'decoder.weight': [1] },
      /whose tensors are called encoder\.weight, decoder\.weight/,
    ],
    ['nothing', {}, /(holds no tensor|called nothing)/],
  ])('%s', async (_name, shapes, message) => {
    await expect(factsOf(shapes)).rejects.toMatchObject({
      name: 'AppError',
      code: 'engine-failed',
      message: expect.stringMatching(message),
    });
  });

  test('numbers of another type', async () => {
    const storage = (type: string, elements: number) => pickle.storage(pickle.global('torch', type), type, elements);
    const tensors = Object.entries(compactShapes({ features: 1, convolutions: 0, last: 3 })).map(([name, shape]) => {
      const type = name === 'body.1.weight' ? 'CharStorage' : 'FloatStorage';
      const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
      return [name, pickle.tensor(storage(type, 27), { shape, strides })] as const;
    });
    const storages = [
      { key: 'FloatStorage', content: Buffer.alloc(4 * 27), elements: 27 },
      { key: 'CharStorage', content: Buffer.alloc(27), elements: 27 },
    ];
    const file = legacyBytes({ data: pickle.file(pickle.dictionary(Object.fromEntries(tensors))), storages });
    await expect(factsOf(file)).rejects.toThrow(/body\.1\.weight is I8/);
  });
});

/** By each of the names that tells one (all of them are from files of its own). */
const OTHERS: [architecture: string, tensor: string][] = [
  ['SPSR', 'f_HR_conv1.0.weight'],
  ['MM-RealSR', 'am_list.0.fc.0.weight'],
  ['SPAN', 'block_1.c1_r.sk.weight'],
  ['SwinIR', 'layers.0.residual_group.blocks.0.attn.relative_position_index'],
  ['Swin2SR', 'layers.0.residual_group.blocks.0.attn.logit_scale'],
  ['HAT', 'layers.0.residual_group.overlap_attn.qkv.weight'],
  ['SRFormer', 'layers.0.residual_group.blocks.0.attn.aligned_relative_position_index'],
  ['ATD', 'layers.0.residual_group.layers.0.attn_atd.scale'],
  ['DAT', 'layers.0.blocks.0.attn.channel_interaction.1.weight'],
  ['RGT', 'layers.0.blocks.0.gamma'],
  ['DRCT', 'layers.0.swin1.attn.qkv.weight'],
  ['GRL', 'model.layers.0.blocks.0.attn.stripe_attn.attn_transform1.logit_scale'],
  ['GRL', 'model_g.layers.0.blocks.0.attn.stripe_attn.attn_transform1.logit_scale'],
  ['CRAFT', 'layers.0.residual_group.hf_blocks.0.attn.temperature'],
  ['OmniSR', 'residual_layer.0.residual_layer.0.layer.0.fn.0.weight'],
  ['PLKSR', 'feats.1.channe_mixer.0.weight'],
  ['RealPLKSR', 'feats.1.channel_mixer.0.weight'],
  ['MoSR', 'gblocks.1.fc1.weight'],
  ['MoESR', 'in_to_dim.weight'],
  ['SAFMN', 'feats.0.safm.aggr.weight'],
  ['SeemoRe', 'body.0.local_block.norm_1.weight'],
  ['RCAN', 'body.0.body.0.body.3.conv_du.0.weight'],
  ['DITN', 'UFONE.0.ITLs.0.attn.temperature'],
  ['FDAT', 'groups.0.blocks.0.inter.cg.1.weight'],
  ['Real-CUGAN', 'unet1.conv1.conv.0.weight'],
  ['Swift-SRGAN', 'initial.cnn.depthwise.weight'],
  ['SCUNet', 'm_head.0.weight'],
  ['DRUNet', 'm_down1.0.res.0.weight'],
  ['GFPGAN', 'stylegan_decoder.style_mlp.1.weight'],
  ['CodeFormer', 'idx_pred_layer.1.weight'],
  ['LaMa', 'generator.model.1.bn_l.running_mean'],
  ['LaMa', 'model.model.1.bn_l.running_mean'],
  ['NAFNet', 'middle_blks.0.beta'],
  ['KBNet', 'middle_blks.0.beta'],
  ['Restormer', 'encoder_level1.0.attn.qkv_dwconv.weight'],
  ['EDSR', 'body.0.conv1.weight'],
  ['MSRResNet', 'body.0.conv1.weight'],
];

describe('another architecture is refused by its name', () => {
  test.each(OTHERS)('%s: %s', async (architecture, tensor) => {
    const message = expect.stringMatching(new RegExp(`its architecture is (\\w+ or )?${architecture}\\b`));
    const plain = { 'conv_first.weight': [6, 3, 3, 3], 'conv_last.weight': [3, 6, 3, 3], [tensor]: [1] };
    await expect(factsOf(plain)).rejects.toMatchObject({ code: 'engine-failed', message });
  });

  test.each<[string, Shapes]>([
    ['SPSR', { ...esrganShapes('old'), 'f_HR_conv1.0.weight': [1] }],
    ['MM-RealSR', { ...esrganShapes('Real-ESRGAN'), 'am_list.0.fc.0.weight': [1] }],
    ['FBCNN', { 'm_down1.0.res.0.weight': [1], 'qf_pred.0.res.0.weight': [1] }],
    [
      'Swin2SR',
      {
        'layers.0.residual_group.blocks.0.attn.relative_position_index': [1],
        'layers.0.residual_group.blocks.0.attn.logit_scale': [1],
      },
    ],
    ['DnCNN', { 'model.0.weight': [6, 3, 3, 3], 'model.2.weight': [6, 6, 3, 3], 'model.4.weight': [3, 6, 3, 3] }],
    ['UNetDiscriminatorSN', { 'conv0.weight': [6, 3, 3, 3], 'conv1.weight_orig': [12, 6, 4, 4] }],
  ])('%s, although it has names of others', async (architecture, shapes) => {
    await expect(factsOf(shapes)).rejects.toThrow(`its architecture is ${architecture}`);
  });
});

test('weights come under the names of the graph, each from its place', async () => {
  for (const names of NAMINGS) {
    const sizes = { blocks: 2, isPlus: true, upsamplings: 3 };
    await using network = await open(esrganShapes(names, sizes));
    const { weights } = network.graph();
    expect(new Set(network.checkpoint.tensors.keys())).toEqual(new Set(weights.keys()));
    expect(weights.size).toBe(Object.keys(esrganShapes(names, sizes)).length);
    for (const [name, shape] of weights) expect(network.checkpoint.tensors.get(name)!.shape).toEqual(shape);
  }
});
