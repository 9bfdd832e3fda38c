import { expect } from 'vitest';
import type { Resource } from './evaluate.ts';

/** A rule for a program, and mistakes that it must notice. */
export interface Check {
  name: string;
  holds(program: readonly Resource[]): void;
  /** Each is made in a copy of a program in which it holds. */
  mistakes: Record<string, (program: Resource[]) => void>;
}

export function named(program: readonly Resource[], name: string): Resource {
  const found = program.filter((resource) => resource.name === name && !resource.type.startsWith('sst:'));
  expect(found, `resources called ${name}`).toHaveLength(1);
  return found[0]!;
}

/** Inputs of the resource of that name, as the caller knows them. */
export function inputsOf<Inputs>(program: readonly Resource[], name: string): Inputs {
  return named(program, name).inputs as Inputs;
}

export function ofType(program: readonly Resource[], type: string): Resource[] {
  return program.filter((resource) => resource.type === type);
}

/** `inputs[key] = value` */
export function set(program: readonly Resource[], name: string, key: string, value: unknown): void {
  named(program, name).inputs[key] = value;
}

export function remove(program: Resource[], name: string): void {
  program.splice(program.indexOf(named(program, name)), 1);
}
