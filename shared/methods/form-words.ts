/** Words of the page for a setting, which need no knowledge of the method: `x-form` in the OpenAPI document. */
export interface FormWords {
  title: string;
  /** In place of the description. */
  about?: string;
  /** Of the options, by their value; '' is that the service decides. One without words is another name for one of them. */
  options?: Record<string, string>;
  /** Only for users who know the method. */
  expert?: true;
}

/** Metadata of a schema. An extension: generators of clients make names of `title`. */
export function inForm(words: FormWords) {
  return { 'x-form': words };
}
