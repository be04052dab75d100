import { formatAp } from '../../shared/summary/format-score.ts';
import { pagePaths } from '../../../configs/names.ts';
import { formatBytes } from '../../shared/summary/format-bytes.ts';
import type { RegistryState } from '../../../configs/schema/index.ts';
import { formatCount, formatInstant, formatPlural } from '../../shared/summary/format-time.ts';
import { renderFacts } from '../../report/components/facts.ts';
import { renderFigures, type KeyFigure } from '../../report/sections/key-figures.ts';
import { markup, type Markup } from '../../report/components/markup.ts';
import { renderPage } from '../../report/components/page.ts';
import { renderNavigation } from '../../report/components/navigation.ts';
import type { Section } from '../../report/components/section.ts';
import { renderVerdicts } from './render-verdicts.ts';
import type { VersionDetails, ModelDetails } from './read-models.ts';
import { actionNames, renderVersionId, renderScores, verdictAnchor } from './model-parts.ts';

/** Limits the size of the page; state.json contains all changes. */
const maxChanges = 200;

/** Renders the page of one model: champion, versions, history and gate verdicts. */
export const renderModel = (details: ModelDetails, address: string): string =>
  renderPage({
    kind: 'everswin, model',
    title: details.model,
    navigation: renderNavigation(),
    summary: markup`<p class="note">${summarize(details)} in ${address}</p>`,
    sections: [renderChampion(details), renderVersions(details), renderHistory(details), renderVerdicts(details)],
  });

function summarize({ state, versions }: ModelDetails): string {
  const last = state.history.at(-1);
  const changed = last === undefined ? '' : `, last change ${formatInstant(last.at)},`;
  return `${formatPlural(versions.length, 'version')}${changed}`;
}

function renderChampion(details: ModelDetails): Section {
  const { model, state } = details;
  const champion = findVersion(details, state.champion);
  return {
    id: 'used',
    title: 'Champion and candidate',
    body: markup`${champion === undefined ? '' : renderFigures(listFigures(champion, state))}
${renderFacts([
  [
    'Champion',
    renderVersionLine(details, state.champion, 'none yet; the first version that passes the gate becomes champion'),
  ],
  ['Candidate', renderVersionLine(details, state.candidate, 'none')],
])}
${state.champion === null ? '' : markup`<p class="note">Export the champion: <code>everswin models export ${model} --out FOLDER</code></p>`}`,
  };
}

const findVersion = ({ versions }: ModelDetails, versionId: string | null): VersionDetails | undefined =>
  versions.find(({ id }) => id === versionId);

function listFigures({ id, version }: VersionDetails, { history }: RegistryState): KeyFigure[] {
  if ('problem' in version) return [];
  const { bbox, segm, test, weights } = version.value;
  const put = history.findLast(
    ({ action, version: of }) => (action === 'promote' || action === 'rollback') && of === id,
  );
  const [day = '–', time = ''] = put === undefined ? [] : formatInstant(put.at).split(/ (.*)/);
  return [
    { name: 'Box AP', value: formatAp(bbox.AP), more: `on ${formatPlural(test.images, 'image')}` },
    { name: 'Mask AP', value: formatAp(segm.AP), more: `on ${formatPlural(test.images, 'image')}` },
    { name: 'Weights', value: formatBytes(weights.bytes), more: 'as safetensors' },
    { name: 'Champion since', value: day, more: time },
  ];
}

function renderVersionLine(details: ModelDetails, id: string | null, otherwise: string): string | Markup {
  if (id === null) return otherwise;
  const found = findVersion(details, id);
  if (found === undefined)
    return markup`<span class="id">${renderVersionId(id)}</span>, <span class="gone">not in the store</span>`;
  if ('problem' in found.version)
    return markup`<span class="id">${renderVersionId(id)}</span>, <span class="gone">damaged</span>`;
  const { bbox, segm } = found.version.value;
  return markup`<span class="id">${renderVersionId(id)}</span>, box / mask AP ${formatAp(bbox.AP)} / ${formatAp(segm.AP)}`;
}

const renderVersions = ({ versions, state }: ModelDetails): Section => ({
  id: 'versions',
  title: 'Versions',
  body:
    versions.length === 0
      ? markup`<p>The store contains no versions.</p>`
      : markup`<div class="scroll tall" role="region" aria-label="Versions" tabindex="0"><table class="plain sortable registry">
<thead><tr><th scope="col" data-sort="text">Version</th><th scope="col" data-sort="text">Role</th><th scope="col" class="number" data-sort="number">Box AP</th><th scope="col" class="number" data-sort="number">Mask AP</th><th scope="col" data-sort="text">Recipe</th><th scope="col" data-sort="text">Trained</th></tr></thead>
<tbody>${versions.map((one) => renderVersionRow(one, state))}</tbody></table></div>
<p class="note">Newest first. AP is in points on the images of each version's own test; the gate compares versions on the same images. Links lead to runs on this machine.</p>`,
});

function renderVersionRow({ id, version, isRunLocal: isHere }: VersionDetails, state: RegistryState): Markup {
  const head = (name: Markup) => markup`<th scope="row" class="id">${name}</th>`;
  if ('problem' in version)
    return markup`<tr>${head(renderVersionId(id))}<td class="gone" colspan="5">${version.problem}</td></tr>`;
  const { runId, recipe, createdAt } = version.value;
  const name = isHere ? markup`<a href="${pagePaths.run(runId)}">${renderVersionId(id)}</a>` : renderVersionId(id);
  return markup`<tr>${head(name)}<td>${roleOf(id, state)}</td>${renderScores(version)}<td class="recipe">${recipe.name}</td><td class="whole">${formatInstant(createdAt)}</td></tr>`;
}

/** Returns the current role of a version, or else its last one. */
function roleOf(id: string, { champion, candidate, history }: RegistryState): Markup | string {
  if (id === champion) return markup`<b class="kind finished">champion</b>`;
  if (id === candidate) return markup`<span class="kind">candidate</span>`;
  const last = history.findLast((one) => one.version === id)?.action;
  if (last === 'reject') return 'rejected';
  return last === 'promote' || last === 'rollback' ? 'former champion' : '–';
}

function renderHistory({ state: { history }, verdicts }: ModelDetails): Section {
  const shown = history.slice(-maxChanges).reverse();
  const known = new Set(verdicts.map(({ sha256 }) => sha256));
  const omitted = history.length - shown.length;
  return {
    id: 'history',
    title: 'History',
    body: markup`<table class="events">
<thead><tr><th scope="col">Time</th><th scope="col">Change</th><th scope="col">Version</th><th scope="col">By</th><th scope="col">Reason</th></tr></thead>
<tbody>${shown.map(({ at, action, version, who, why, evidence }) => {
      const verdict =
        evidence !== null && known.has(evidence)
          ? markup` <a href="#${verdictAnchor(evidence)}" aria-label="verdict on ${version}">verdict</a>`
          : '';
      return markup`<tr><td class="whole">${formatInstant(at)}</td><td class="kind ${actionClasses[action]}">${actionNames[action]}</td><td class="id">${renderVersionId(version)}</td><td class="what who" data-label="by">${who}</td><td class="what">${why}${verdict}</td></tr>`;
    })}</tbody></table>
<p class="note">Newest first.${omitted > 0 ? ` ${formatCount(omitted)} earlier changes are in state.json of the store.` : ''}</p>`,
  };
}

/** CSS classes that color the dot of a change green, red or gray. */
const actionClasses = { candidate: '', promote: 'finished', reject: 'crashed', rollback: 'preempted' };
