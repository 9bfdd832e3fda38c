import { FIELD_WORDS } from './field-words.ts';
import { type Choices, choicesFor, type Field, fieldsOf, type Model } from './settings.ts';
import { formatName } from './words.ts';

const SCALES = [4, 3, 2, 1];

interface SettingsProps {
  models: readonly Model[];
  fields: readonly Field[];
  choices: Choices;
  onChange: (choices: Choices) => void;
  /** Of the photo, once it is known. */
  size: { width: number; height: number } | undefined;
}

export function SettingsForm({ models, fields, choices, onChange, size }: SettingsProps) {
  const installed = models.filter((model) => model.installed);
  const model = installed.find(({ id }) => id === choices.model) ?? installed[0];
  if (!model) return <p class="note">No model is installed here.</p>;
  const scale = Number(choices.scale ?? 4);
  const set = (name: string, value: unknown) => onChange({ ...choices, [name]: value });
  const own = model.parameters as Record<string, unknown>;
  const fidelity = 'fidelity' in own && fields.find(({ name }) => name === 'fidelity');
  const shown = fieldsOf(model, fields);
  const forExperts = shown.filter(({ name }) => FIELD_WORDS[name]?.expert);
  const control = (field: Field) => (
    <Control key={field.name} field={field} value={choices[field.name]} onChange={(value) => set(field.name, value)} />
  );
  return (
    <div class="settings">
      <label for="model">Method</label>
      <select
        id="model"
        value={model.id}
        onChange={(event) => {
          const chosen = installed.find(({ id }) => id === event.currentTarget.value);
          if (chosen) onChange(choicesFor(chosen, choices));
        }}
      >
        {installed.map(({ id, name }) => (
          <option key={id} value={id}>
            {name}
          </option>
        ))}
      </select>
      <p class="quiet">
        {model.default && 'Recommended. '}
        {model.description.replace(/`(\w+)`/g, (_, field: string) => `“${FIELD_WORDS[field]?.label ?? field}”`)}
      </p>

      <label for="scale">Size</label>
      <select id="scale" value={scale} onChange={(event) => set('scale', Number(event.currentTarget.value))}>
        {SCALES.map((factor) => (
          <option key={factor} value={factor}>
            {factor === 1 ? 'As it is' : `${factor} times as large`}
            {size && `, ${Math.round(size.width * factor)} × ${Math.round(size.height * factor)}`}
          </option>
        ))}
      </select>

      {fidelity && (
        <Dial value={Number(choices.fidelity ?? own.fidelity)} onChange={(value) => set('fidelity', value)} />
      )}

      <details>
        <summary>More settings</summary>
        {shown.filter((field) => !forExperts.includes(field)).map(control)}
        {forExperts.length > 0 && (
          <details>
            <summary>For experts</summary>
            {forExperts.map(control)}
          </details>
        )}
      </details>
    </div>
  );
}

/** 0: all that the model can invent; 1: nothing but the photo. */
function Dial({ value, onChange }: { value: number; onChange: (value: number) => void }) {
  return (
    <div class="dial">
      <label for="fidelity">Fidelity</label>
      <input
        id="fidelity"
        type="range"
        min={0}
        max={1}
        step={0.05}
        value={value}
        aria-valuetext={`${Math.round(value * 100)} % true to the photo`}
        onInput={(event) => onChange(event.currentTarget.valueAsNumber)}
      />
      <div class="ends quiet" aria-hidden="true">
        <span>More detail</span>
        <span>Truer to the photo</span>
      </div>
    </div>
  );
}

interface ControlProps {
  field: Field;
  value: unknown;
  onChange: (value: unknown) => void;
}

function Control({ field, value, onChange }: ControlProps) {
  const id = `field-${field.name}`;
  const about = `${id}-about`;
  const words = FIELD_WORDS[field.name];
  const description = words?.about ?? field.description?.replace(/^[\w, -]+ only: /, '').replaceAll('`', '');
  return (
    <div class="field">
      <label for={id}>{words?.label ?? formatName(field.name)}</label>
      <Input field={field} id={id} about={description && about} value={value ?? field.default} onChange={onChange} />
      {description && (
        <p id={about} class="quiet">
          {description}
        </p>
      )}
    </div>
  );
}

function Input({ field, id, about, value, onChange }: ControlProps & { id: string; about: string | undefined }) {
  const { type, enum: options, minimum, maximum } = field;
  const shared = { id, 'aria-describedby': about };
  if (options) {
    return (
      <select
        {...shared}
        value={String(value ?? '')}
        onChange={({ currentTarget }) => onChange(currentTarget.value || undefined)}
      >
        {(field.default === undefined ? ['', ...options] : options).map((option) => (
          <option key={option} value={option}>
            {FIELD_WORDS[field.name]?.options?.[option] ?? formatName(option)}
          </option>
        ))}
      </select>
    );
  }
  if (type === 'number' || type === 'integer') {
    return (
      <input
        {...shared}
        type="number"
        inputMode="decimal"
        min={minimum}
        max={maximum}
        step={type === 'integer' ? 1 : 'any'}
        value={value as number | undefined}
        onInput={({ currentTarget }) => onChange(currentTarget.value === '' ? undefined : currentTarget.valueAsNumber)}
      />
    );
  }
  return (
    <textarea
      {...shared}
      rows={2}
      value={String(value ?? '')}
      onInput={(event) => onChange(event.currentTarget.value)}
    />
  );
}
