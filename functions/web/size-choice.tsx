import { type Enlargement, enlargedSize } from '../../shared/enlargement.ts';
import type { Size } from '../../shared/methods/method.ts';
import { NumberInput } from './number-input.tsx';

const SCALES = [16, 8, 4, 3, 2, 1];
const MEASURES = {
  width: { option: 'A width of my own', label: 'Width in pixels' },
  height: { option: 'A height of my own', label: 'Height in pixels' },
  megapixels: { option: 'So many megapixels', label: 'Megapixels' },
} as const;
type Measure = keyof typeof MEASURES;

/** Where the size of the photo is not known. */
const USUAL: Record<Measure, number> = { width: 1920, height: 1080, megapixels: 12 };

interface SizeChoiceProps {
  enlargement: Enlargement;
  /** The scale of the model. */
  most: number;
  /** Of the photo, once it is known. */
  size: Size | undefined;
  onChange: (enlargement: Enlargement) => void;
}

/** How large the result shall be: so many times the photo, or by one of its measures. */
export function SizeChoice({ enlargement, most, size, onChange }: SizeChoiceProps) {
  const { scale = most, target } = enlargement;
  const measure = target && (Object.keys(MEASURES) as Measure[]).find((name) => target[name] !== undefined);
  return (
    <>
      <label for="scale">Size</label>
      <select
        id="scale"
        value={measure ?? scale}
        onChange={({ currentTarget: { value } }) => {
          onChange(isMeasure(value) ? { target: { [value]: usual(value, most, size) } } : { scale: Number(value) });
        }}
      >
        {SCALES.filter((factor) => factor <= most).map((factor) => (
          <option key={`${factor} ${size?.width} ${size?.height}`} value={factor}>
            {factor === 1 ? 'As it is' : `${factor} times as large`}
            {size && `, ${inWords(enlargedSize(size, { scale: factor }))}`}
          </option>
        ))}
        {Object.entries(MEASURES).map(([name, { option }]) => (
          <option key={name} value={name}>
            {option}
          </option>
        ))}
      </select>
      {measure && (
        <TargetInput
          key={measure}
          measure={measure}
          value={target?.[measure]}
          most={most}
          size={size}
          onChange={(value) => onChange({ target: { [measure]: value } })}
        />
      )}
      {measure && size && <p class="quiet">The result will be {inWords(enlargedSize(size, { target }))} pixels.</p>}
    </>
  );
}

interface TargetInputProps {
  measure: Measure;
  value: number | undefined;
  most: number;
  size: Size | undefined;
  onChange: (value: number) => void;
}

/** Only a size that the photo can have goes on; the form waits for it. */
function TargetInput({ measure, value, most, size, onChange }: TargetInputProps) {
  return (
    <>
      <label for="target">{MEASURES[measure].label}</label>
      <NumberInput
        id="target"
        required
        minimum={size ? measureOf(measure, size) : 0}
        maximum={size && measureOf(measure, enlargedSize(size, { scale: most }))}
        isWhole={measure !== 'megapixels'}
        value={value}
        onChange={(number) => number !== undefined && onChange(number)}
      />
    </>
  );
}

function isMeasure(value: string): value is Measure {
  return value in MEASURES;
}

/** To begin with: twice the sides. */
function usual(measure: Measure, most: number, size: Size | undefined): number {
  return size ? measureOf(measure, enlargedSize(size, { scale: Math.min(2, most) })) : USUAL[measure];
}

function measureOf(measure: Measure, { width, height }: Size): number {
  return { width, height, megapixels: (width * height) / 1e6 }[measure];
}

function inWords({ width, height }: Size): string {
  return `${width} × ${height}`;
}
