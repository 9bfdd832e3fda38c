/** x of A x = b for a symmetric, positive definite A, by Cholesky's factors. Throws RangeError for any other. */
export function solveSymmetric(matrix: readonly (readonly number[])[], right: readonly number[]): number[] {
  const factor: number[][] = [];
  const forward: number[] = [];
  for (const [i, row] of matrix.entries()) {
    const line: number[] = [];
    for (let j = 0; j <= i; j++) {
      let sum = row[j]!;
      for (let k = 0; k < j; k++) sum -= line[k]! * (j === i ? line[k]! : factor[j]![k]!);
      if (j < i) line.push(sum / factor[j]![j]!);
      else if (sum > 0) line.push(Math.sqrt(sum));
      else throw new RangeError(`The matrix is not positive definite: pivot ${i} is ${sum}.`);
    }
    factor.push(line);
    forward.push(line.slice(0, i).reduce((rest, value, k) => rest - value * forward[k]!, right[i]!) / line[i]!);
  }
  const solution = [...forward];
  for (let i = solution.length - 1; i >= 0; i--) {
    for (let k = i + 1; k < solution.length; k++) solution[i]! -= factor[k]![i]! * solution[k]!;
    solution[i]! /= factor[i]![i]!;
  }
  return solution;
}
