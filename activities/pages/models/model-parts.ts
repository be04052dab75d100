import { formatPoints } from '../../shared/summary/format-score.ts';
import type { ModelVersion, RegistryChange } from '../../../configs/schema/index.ts';
import { type Markup, markup } from '../../report/draw/markup.ts';
import type { Readable } from './read-models.ts';

export const formatAp = (score: number | null): string => (score === null ? '–' : formatPoints(score));

/** Two cells, box and mask AP. */
export function drawScores(version: Readable<ModelVersion> | null): Markup {
  const scores = version !== null && 'is' in version ? [version.is.bbox.AP, version.is.segm.AP] : [null, null];
  return markup`${scores.map((score) => markup`<td class="number" data-value="${score ?? ''}">${formatAp(score)}</td>`)}`;
}

/** A version's id, which breaks where its parts meet and is copied as one. */
export function drawId(id: string): Markup {
  const at = id.indexOf('@');
  return markup`${id.slice(0, at)}<wbr>${id.slice(at)}`;
}

/** What a change did, as a reader says it. */
export const actionNames: Record<RegistryChange['action'], string> = {
  candidate: 'Candidate',
  promote: 'Promoted',
  reject: 'Rejected',
  rollback: 'Rolled back to',
};

/** Where a verdict stands in the page. */
export const verdictAnchor = (sha256: string): string => `verdict-${sha256.slice(0, 12)}`;
