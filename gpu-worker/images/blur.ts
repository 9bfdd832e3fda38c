/** Of the wavelet decomposition à trous: ¼, ½, ¼ at distances of `radius`; the border value goes on outside. */
export function blur(plane: Float32Array, width: number, radius: number, scratch: Float32Array): void {
  blurRows(plane, scratch, width, radius);
  blurColumns(scratch, plane, width, radius);
}

function blurRows(source: Float32Array, target: Float32Array, width: number, radius: number): void {
  for (let row = 0; row < source.length; row += width) {
    const last = row + width - 1;
    for (let index = row; index <= last; index++) {
      const before = source[Math.max(row, index - radius)]!;
      const after = source[Math.min(last, index + radius)]!;
      target[index] = (before + after) / 4 + source[index]! / 2;
    }
  }
}

function blurColumns(source: Float32Array, target: Float32Array, width: number, radius: number): void {
  const height = source.length / width;
  for (let y = 0; y < height; y++) {
    const [row, above, below] = [y, Math.max(0, y - radius), Math.min(height - 1, y + radius)].map((at) => at * width);
    for (let x = 0; x < width; x++)
      target[row! + x] = (source[above! + x]! + source[below! + x]!) / 4 + source[row! + x]! / 2;
  }
}
