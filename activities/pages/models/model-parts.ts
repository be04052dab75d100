import { formatAp } from '../../shared/summary/format-score.ts';
import type { ModelVersion, RegistryChange } from '../../../configs/schema/index.ts';
import { type Markup, markup } from '../../report/components/markup.ts';
import type { Readable } from './read-models.ts';

/** Renders two cells with box and mask AP. */
export function renderScores(version: Readable<ModelVersion> | null): Markup {
  const scores = version !== null && 'value' in version ? [version.value.bbox.AP, version.value.segm.AP] : [null, null];
  return markup`${scores.map((score) => markup`<td class="number" data-value="${score ?? ''}">${formatAp(score)}</td>`)}`;
}

/** Renders a version ID that may wrap at the @ but is copied without a break. */
export function renderVersionId(id: string): Markup {
  const at = id.indexOf('@');
  return markup`${id.slice(0, at)}<wbr>${id.slice(at)}`;
}

/** Labels of registry changes. */
export const actionNames: Record<RegistryChange['action'], string> = {
  candidate: 'Candidate',
  promote: 'Promoted',
  reject: 'Rejected',
  rollback: 'Rolled back to',
};

/** Returns the anchor of a verdict. */
export const verdictAnchor = (sha256: string): string => `verdict-${sha256.slice(0, 12)}`;
