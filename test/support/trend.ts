interface Trend {
  /** Of y in each unit of x. */
  slope: number;
  /** Half the width of its 95 % confidence interval; NaN with fewer than three points. */
  margin: number;
}

/** Two-sided 95 % quantile of Student's distribution for 1, 2, … degrees of freedom; beyond, that of 30 is wide enough. */
const STUDENT = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11,
  2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/** Line of least squares through the points, its errors taken for normal and independent. */
export function trendOf(points: readonly { x: number; y: number }[]): Trend {
  const count = points.length;
  const meanX = points.reduce((sum, { x }) => sum + x, 0) / count;
  const meanY = points.reduce((sum, { y }) => sum + y, 0) / count;
  const spread = points.reduce((sum, { x }) => sum + (x - meanX) ** 2, 0);
  const slope = points.reduce((sum, { x, y }) => sum + (x - meanX) * (y - meanY), 0) / spread;
  if (count < 3) return { slope, margin: Number.NaN };
  const rest = points.reduce((sum, { x, y }) => sum + (y - meanY - slope * (x - meanX)) ** 2, 0);
  const quantile = STUDENT[Math.min(count - 2, STUDENT.length) - 1]!;
  return { slope, margin: quantile * Math.sqrt(rest / (count - 2) / spread) };
}
