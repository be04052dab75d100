import { formatAp } from '../../shared/summary/format-score.ts';
import type { GateVerdict } from '../../../configs/schema/index.ts';
import { formatPlural } from '../../shared/summary/format-time.ts';
import { markup, type Markup } from '../../report/components/markup.ts';
import type { Section } from '../../report/components/section.ts';
import type { ModelDetails, VerdictDetails } from './read-models.ts';
import { verdictAnchor } from './model-parts.ts';

/** Renders the gate verdicts that the history cites as evidence, rule by rule. */
export const renderVerdicts = ({ verdicts, state }: ModelDetails): Section => {
  const named = new Set(state.history.flatMap(({ evidence }) => evidence ?? [])).size;
  const omitted = named - verdicts.length;
  return {
    id: 'verdicts',
    title: 'Gate verdicts',
    body:
      verdicts.length === 0
        ? markup`<p>The gate has not evaluated any version yet.</p>`
        : markup`${verdicts.map(renderVerdict)}
<p class="note">Newest first.${omitted > 0 ? ` ${formatPlural(omitted, 'earlier verdict')} omitted; the store contains all.` : ''}</p>`,
  };
};

function renderVerdict({ sha256, verdict }: VerdictDetails): Markup {
  const id = verdictAnchor(sha256);
  if ('problem' in verdict)
    return markup`<h3 id="${id}">${sha256.slice(0, 12)}</h3>
<p class="gone">${verdict.problem}</p>`;
  const { candidate, findings } = verdict.value;
  return markup`<h3 id="${id}">${candidate}: ${verdict.value.passed ? 'passed' : 'failed'}</h3>
<p class="note">${compareScores(verdict.value)}</p>
<table class="events findings">
<thead><tr><th scope="col">Rule</th><th scope="col">Verdict</th><th scope="col">Result</th></tr></thead>
<tbody>${findings.map(
    ({ rule, passed, message }) =>
      markup`<tr><td class="what">${rule}</td><td class="kind ${passed ? 'finished' : 'crashed'}">${passed ? 'passed' : 'failed'}</td><td class="what">${message}</td></tr>`,
  )}</tbody></table>`;
}

function compareScores({ champion, bbox, segm }: GateVerdict): string {
  if (champion === null) return 'There was no champion to compare with.';
  const pair = (kind: typeof bbox) => `${formatAp(kind.candidate)} (champion ${formatAp(kind.champion)})`;
  return `Box AP ${pair(bbox)}, mask AP ${pair(segm)}. Champion: ${champion}.`;
}
