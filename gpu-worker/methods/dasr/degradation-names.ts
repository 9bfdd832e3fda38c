/**
 * The meaning of each value of the published predictor, in its order: parameters of the damage that it was trained on
 * (github.com/csjliang/DASR), each scaled to 0..1. Of a group of methods or kinds one should be near 1.
 */
const PUBLISHED = [
  ...blur('blur 1'),
  ...blur('blur 2'),
  ...['kernel size', 'cut-off'].map((part) => `sinc filter: ${part}`),
  ...resize('resize 1'),
  ...resize('resize 2'),
  ...noise('noise 1'),
  ...noise('noise 2'),
  'JPEG 1: quality',
  'JPEG 2: quality',
  'order: last resize before JPEG',
  'order: last resize after JPEG',
  ...methods('last resize'),
];

function blur(stage: string): string[] {
  return ['kernel size', 'sigma x', 'sigma y', 'rotation'].map((part) => `${stage}: ${part}`);
}

function resize(stage: string): string[] {
  return [`${stage}: scale`, ...methods(stage)];
}

function methods(stage: string): string[] {
  return ['area', 'bilinear', 'bicubic'].map((method) => `${stage}: method ${method}`);
}

function noise(stage: string): string[] {
  return ['strength', 'gray', 'kind Gaussian', 'kind Poisson'].map((part) => `${stage}: ${part}`);
}

/** `count`: of the values. A predictor that was trained otherwise has other ones, of unknown meaning. */
export function degradationNames(count: number): readonly string[] {
  return count === PUBLISHED.length ? PUBLISHED : Array.from({ length: count }, (_, index) => `value ${index + 1}`);
}
