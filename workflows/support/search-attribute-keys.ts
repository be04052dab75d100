/** Search attribute keys. Their names are checked against configs/names.ts at compile time. */
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import type { searchAttributes } from '../../configs/names.ts';

type NameOf<T extends string> = {
  [K in keyof typeof searchAttributes]: (typeof searchAttributes)[K] extends T ? K : never;
}[keyof typeof searchAttributes];

const keyword = (name: NameOf<'Keyword'>) => defineSearchAttributeKey(name, SearchAttributeType.KEYWORD);
const double = (name: NameOf<'Double'>) => defineSearchAttributeKey(name, SearchAttributeType.DOUBLE);
const int = (name: NameOf<'Int'>) => defineSearchAttributeKey(name, SearchAttributeType.INT);

export const phaseKey = keyword('Phase');
export const recipeKey = keyword('Recipe');
export const lastFailureKey = keyword('LastFailure');
export const epochKey = int('Epoch');
export const bboxKey = double('BboxMAP');
export const segmKey = double('SegmMAP');
export const goodputKey = double('Goodput');
