import type { Enlargement } from '../../shared/enlargement.ts';
import type { Size } from '../../shared/methods/method.ts';
import { NumberInput } from './number-input.tsx';
import { type Choices, choicesFor, type Field, fieldsOf, isLicenseTold, type Model, titleOf } from './settings.ts';
import { SizeChoice } from './size-choice.tsx';
import { formatName } from './words.ts';

interface SettingsProps {
  models: readonly Model[];
  fields: readonly Field[];
  choices: Choices;
  onChange: (choices: Choices) => void;
  /** Of the photo, once it is known. */
  size: Size | undefined;
}

export function SettingsForm({ models, fields, choices, onChange, size }: SettingsProps) {
  const installed = models.filter((model) => model.installed);
  const chosen = installed.find(({ id }) => id === choices.model);
  const model = chosen ?? installed.find(({ default: isDefault }) => isDefault) ?? installed[0];
  if (!model) return <p class="note">No model is installed here.</p>;
  const set = (name: string, value: unknown) => onChange({ ...choices, [name]: value });
  const own = model.parameters as Record<string, unknown>;
  const fidelity = 'fidelity' in own && fields.find(({ name }) => name === 'fidelity');
  const shown = fieldsOf(model, fields);
  const forExperts = shown.filter((field) => field['x-form']?.expert);
  const titleNamed = (name: string) => titleOf(fields.find((field) => field.name === name) ?? { name });
  const control = (field: Field) => (
    <Control
      key={`${model.id} ${field.name}`}
      field={field}
      value={choices[field.name]}
      onChange={(value) => set(field.name, value)}
    />
  );
  return (
    <div class="settings">
      <label for="model">Method</label>
      <select
        id="model"
        value={model.id}
        onChange={(event) => {
          const next = installed.find(({ id }) => id === event.currentTarget.value);
          if (next) onChange(choicesFor(next, choices));
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
        {model.description.replace(/`(\w+)`/g, (_, name: string) => `“${titleNamed(name)}”`)}
      </p>
      {isLicenseTold(model) && (
        <p class="quiet">
          License: {model.license}
          {model.commercial_use === false && ', not for commercial use'}
        </p>
      )}

      <SizeChoice
        enlargement={choices as Enlargement}
        most={model.scale}
        size={size}
        onChange={({ scale, target }) => onChange({ ...choices, scale, target })}
      />

      {fidelity && (
        <Dial
          title={titleOf(fidelity)}
          value={Number(choices.fidelity ?? own.fidelity)}
          onChange={(value) => set('fidelity', value)}
        />
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
function Dial({ title, value, onChange }: { title: string; value: number; onChange: (value: number) => void }) {
  return (
    <div class="dial">
      <label for="fidelity">{title}</label>
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
  const description = field['x-form']?.about ?? field.description?.replace(/^[\w, -]+ only: /, '').replaceAll('`', '');
  return (
    <div class="field">
      <label for={id}>{titleOf(field)}</label>
      <Input field={field} id={id} about={description && about} value={value ?? field.default} onChange={onChange} />
      {description && (
        <p id={about} class="quiet">
          {description}
        </p>
      )}
    </div>
  );
}

/** In the order of their words. */
function optionsOf(words: Record<string, string>, type: string | undefined): (string | number)[] {
  return Object.keys(words)
    .filter((value) => value !== '')
    .map((value) => (type === 'integer' ? Number(value) : value));
}

function Input({ field, id, about, value, onChange }: ControlProps & { id: string; about: string | undefined }) {
  const { type, minimum, maximum } = field;
  const words = field['x-form']?.options;
  // An option that has no words while others have is another name for one of them.
  const options = words ? optionsOf(words, type) : field.enum;
  const shared = { id, 'aria-describedby': about };
  if (options) {
    return (
      <select
        {...shared}
        value={String(value ?? '')}
        onChange={({ currentTarget: { value: chosen } }) =>
          onChange(options.find((option) => String(option) === chosen))
        }
      >
        {(field.default === undefined ? ['', ...options] : options).map((option) => (
          <option key={option} value={option}>
            {words?.[option] ?? formatName(String(option))}
          </option>
        ))}
      </select>
    );
  }
  if (type === 'number' || type === 'integer') {
    return (
      <NumberInput
        id={id}
        about={about}
        value={value as number | undefined}
        fallback={field.default as number | undefined}
        minimum={minimum}
        maximum={maximum}
        isWhole={type === 'integer'}
        onChange={onChange}
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
