/** The value of a Content-Type (RFC 9110, section 8.3.1). */
export interface MediaType {
  /** In lower case, e.g. `image/jpeg`. */
  essence: string;
  /** By their names in lower case. */
  parameters: Record<string, string>;
}

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const ESSENCE = new RegExp(`^${TOKEN}/${TOKEN}$`);
const PARAMETER = new RegExp(`[ \\t]*;[ \\t]*(?:(${TOKEN})=(?:(${TOKEN})|"((?:[^"\\\\]|\\\\.)*)"))?[ \\t]*`, 'y');

/** Null: it is none. An empty parameter is passed over, as RFC 9110 asks. */
export function parseMediaType(text: string): MediaType | null {
  const [type = ''] = text.split(';', 1);
  const essence = type.trim();
  if (!ESSENCE.test(essence)) return null;
  const parameters: Record<string, string> = {};
  PARAMETER.lastIndex = type.length;
  while (PARAMETER.lastIndex < text.length) {
    const found = PARAMETER.exec(text);
    if (!found) return null;
    const [, name, token, quoted] = found;
    if (name) parameters[name.toLowerCase()] = token ?? quoted!.replace(/\\(.)/g, '$1');
  }
  return { essence: essence.toLowerCase(), parameters };
}
