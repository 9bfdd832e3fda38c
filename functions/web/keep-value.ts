/** Small texts that the browser keeps for the page; for the page's life where it keeps nothing (site data blocked). */
const inMemory = new Map<string, string>();

export function keepValue(name: string, value: string | undefined): void {
  inMemory.delete(name);
  try {
    if (value === undefined) localStorage.removeItem(name);
    else localStorage.setItem(name, value);
  } catch {
    if (value !== undefined) inMemory.set(name, value);
  }
}

export function readValue(name: string): string | undefined {
  try {
    return localStorage.getItem(name) ?? inMemory.get(name);
  } catch {
    return inMemory.get(name);
  }
}
