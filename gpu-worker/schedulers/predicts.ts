/** The prediction of a network: the noise in the sample, or the velocity (Salimans & Ho 2022, appendix D). */
export type Predicts = 'noise' | 'velocity';

/** Of sample and prediction in the clean latent that they stand for. */
export function cleanFactors(alphaBar: number, predicts: Predicts): { ofSample: number; ofPrediction: number } {
  return predicts === 'noise'
    ? { ofSample: 1 / Math.sqrt(alphaBar), ofPrediction: -Math.sqrt(1 / alphaBar - 1) }
    : { ofSample: Math.sqrt(alphaBar), ofPrediction: -Math.sqrt(1 - alphaBar) };
}
