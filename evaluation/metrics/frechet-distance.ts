/**
 * Fréchet distance of the normal distributions of two sets of features, [sample][feature], as of FID (Heusel et al. 2017).
 * Needs no root of a covariance: tr √(C₁C₂) is the sum of the singular values of A Bᵀ, which has as many rows as there are
 * samples, where A and B are the centered features over √(samples − 1). Throws RangeError for a set of fewer than two.
 */
export function frechetDistance(a: readonly Float64Array[], b: readonly Float64Array[]): number {
  if (a.length < 2 || b.length < 2) {
    throw new RangeError(`A covariance needs two pictures, the sets have ${a.length} and ${b.length}.`);
  }
  const [left, right] = [center(a), center(b)];
  const means = left.mean.reduce((sum, value, index) => sum + (value - right.mean[index]!) ** 2, 0);
  const products = left.rows.map((row) => Float64Array.from(right.rows, (other) => dot(row, other)));
  const singularValues = orthogonalize(products).map((row) => Math.sqrt(dot(row, row)));
  const trace = (rows: Float64Array[]) => rows.reduce((sum, row) => sum + dot(row, row), 0);
  return means + trace(left.rows) + trace(right.rows) - 2 * singularValues.reduce((sum, value) => sum + value, 0);
}

function center(samples: readonly Float64Array[]) {
  const mean = samples[0]!.map((_, index) => samples.reduce((sum, row) => sum + row[index]!, 0) / samples.length);
  const scale = Math.sqrt(samples.length - 1);
  return { mean, rows: samples.map((row) => row.map((value, index) => (value - mean[index]!) / scale)) };
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let index = 0; index < a.length; index++) sum += a[index]! * b[index]!;
  return sum;
}

/** Turns rows, two at a time, until all are at right angles (one-sided Jacobi): their lengths are the singular values. */
function orthogonalize(rows: Float64Array[]): Float64Array[] {
  const turned = rows.map((row) => row.slice());
  // The rest of rows that depend on others is rounding: it never comes to rest.
  const rounding = 1e-24 * turned.reduce((sum, row) => sum + dot(row, row), 0);
  for (let turns = 1; turns > 0; ) {
    turns = 0;
    for (const [index, p] of turned.entries()) {
      for (const q of turned.slice(index + 1)) {
        const [pp, qq, pq] = [dot(p, p), dot(q, q), dot(p, q)];
        if (Math.abs(pq) <= 1e-12 * Math.sqrt(pp * qq) + rounding) continue;
        const ratio = (qq - pp) / (2 * pq);
        const tangent = (ratio < 0 ? -1 : 1) / (Math.abs(ratio) + Math.hypot(1, ratio));
        turn(p, q, 1 / Math.hypot(1, tangent), tangent / Math.hypot(1, tangent));
        turns++;
      }
    }
  }
  return turned;
}

function turn(p: Float64Array, q: Float64Array, cosine: number, sine: number): void {
  for (let index = 0; index < p.length; index++) {
    const [a, b] = [p[index]!, q[index]!];
    p[index] = cosine * a - sine * b;
    q[index] = sine * a + cosine * b;
  }
}
