import type { Metrics } from './metrics.ts';

const [WIDTH, HEIGHT, MARGIN] = [800, 400, 50];
/** Of the smoothed line: share of the value before. */
const KEPT = 0.9;

/** The loss by step as a picture in SVG: every value in grey, and smoothed. */
export function lossPlot(metrics: readonly Pick<Metrics, 'step' | 'loss'>[]): string {
  const most = Math.max(...metrics.map(({ loss }) => loss), Number.MIN_VALUE);
  const last = Math.max(metrics.at(-1)?.step ?? 1, 1);
  const point = (step: number, loss: number) => {
    const x = MARGIN + ((WIDTH - 2 * MARGIN) * step) / last;
    const y = HEIGHT - MARGIN - ((HEIGHT - 2 * MARGIN) * loss) / most;
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  };
  let smooth = metrics[0]?.loss ?? 0;
  const smoothed = metrics.map(({ step, loss }) => {
    smooth = KEPT * smooth + (1 - KEPT) * loss;
    return point(step, smooth);
  });
  const line = (points: readonly string[], color: string) =>
    `<polyline fill="none" stroke="${color}" points="${points.join(' ')}"/>`;
  const label = (x: number, y: number, words: string) => `<text x="${x}" y="${y}" font-size="14">${words}</text>`;
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif">`,
    line([point(0, most), point(0, 0), point(last, 0)], 'black'),
    line(
      metrics.map(({ step, loss }) => point(step, loss)),
      'silver',
    ),
    line(smoothed, 'steelblue'),
    label(MARGIN, MARGIN - 10, `loss, at most ${most.toPrecision(4)}`),
    label(WIDTH - 3 * MARGIN, HEIGHT - MARGIN + 25, `step ${last}`),
    '</svg>',
  ].join('\n')}\n`;
}
