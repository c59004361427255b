// Which special tokens go around one text or two, and which segment each belongs to.

/** A special token by its id, or the tokens of text 0 or 1, with the segment (token type) they belong to. */
export type TemplateItem = { readonly id: number; readonly type: number } | { readonly text: 0 | 1; readonly type: number };
/** For one text, and for two. */
export interface Template {
  readonly single: readonly TemplateItem[];
  readonly pair: readonly TemplateItem[];
}

const first: TemplateItem = { text: 0, type: 0 };
/** Ids before and after each text; the second text is of type `second`. */
export function around(before: readonly number[], after: readonly number[], second = 0): Template {
  const wrap = (item: TemplateItem): TemplateItem[] => [
    ...before.map((id) => ({ id, type: item.type })),
    item,
    ...after.map((id) => ({ id, type: item.type })),
  ];
  return { single: wrap(first), pair: [...wrap(first), ...wrap({ text: 1, type: second })] };
}
/** BERT's: [CLS] A [SEP], [CLS] A [SEP] B [SEP] with B of type 1. */
export function bertTemplate(cls: number, sep: number): Template {
  const single: TemplateItem[] = [{ id: cls, type: 0 }, first, { id: sep, type: 0 }];
  return { single, pair: [...single, { text: 1, type: 1 }, { id: sep, type: 1 }] };
}
/** RoBERTa's and CLIP's: <s> A </s>, <s> A </s></s> B </s>, all of type 0. */
export function robertaTemplate(cls: number, sep: number): Template {
  const single: TemplateItem[] = [{ id: cls, type: 0 }, first, { id: sep, type: 0 }];
  return { single, pair: [...single, { id: sep, type: 0 }, { text: 1, type: 0 }, { id: sep, type: 0 }] };
}

/** Ids with their types. */
export interface Encoded {
  readonly ids: number[];
  types(): number[];
}
/** Fills the template. */
export function fill(items: readonly TemplateItem[], texts: readonly number[][]): Encoded {
  const parts = items.map((item) => ("id" in item ? [item.id] : texts[item.text]!));
  return {
    ids: parts.length === 1 ? parts[0]! : parts.flat(),
    types: () => items.flatMap((item, i) => new Array<number>(parts[i]!.length).fill(item.type)),
  };
}
/** How many special tokens it adds. */
export const specials = (items: readonly TemplateItem[]): number => items.filter((i) => "id" in i).length;
