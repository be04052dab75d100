import { pagePaths } from '../../../configs/names.ts';
import { formatBytes } from '../../shared/summary/format-bytes.ts';
import type { RegistryState } from '../../../configs/schema/index.ts';
import { formatCount, formatInstant, formatPlural } from '../../shared/summary/format-time.ts';
import { drawFacts } from '../../report/draw/facts.ts';
import { drawFigures, type KeyFigure } from '../../report/sections/key-figures.ts';
import { markup, type Markup } from '../../report/draw/markup.ts';
import { drawPage } from '../../report/draw/page.ts';
import { drawNavigation } from '../../report/draw/navigation.ts';
import type { Section } from '../../report/draw/section.ts';
import { drawVerdicts } from './draw-verdicts.ts';
import type { VersionDetails, ModelDetails } from './read-models.ts';
import { actionNames, drawId, drawScores, formatAp, verdictAnchor } from './model-parts.ts';

/** More would make the page heavy; state.json has all. */
const maxChanges = 200;

/** The page of one model: what is used, what it was chosen from, and who chose. */
export const renderModel = (story: ModelDetails, address: string): string =>
  drawPage({
    kind: 'everswin, model',
    title: story.model,
    navigation: drawNavigation(),
    summary: markup`<p class="note">${summarize(story)} in ${address}</p>`,
    sections: [drawUsed(story), drawVersions(story), drawHistory(story), drawVerdicts(story)],
  });

function summarize({ state, versions }: ModelDetails): string {
  const last = state.history.at(-1);
  const changed = last === undefined ? '' : `, last change ${formatInstant(last.at)},`;
  return `${formatPlural(versions.length, 'version')}${changed}`;
}

function drawUsed(story: ModelDetails): Section {
  const { model, state } = story;
  const champion = findVersion(story, state.champion);
  return {
    id: 'used',
    title: 'Used now',
    body: markup`${champion === undefined ? '' : drawFigures(listFigures(champion, state))}
${drawFacts([
  [
    'Champion',
    drawVersionLine(story, state.champion, 'none yet: the first version that the gate lets pass becomes it'),
  ],
  ['Candidate', drawVersionLine(story, state.candidate, 'none')],
])}
${state.champion === null ? '' : markup`<p class="note">To use it: <code>npm run models -- export ${model} --out FOLDER</code></p>`}`,
  };
}

const findVersion = ({ versions }: ModelDetails, wanted: string | null): VersionDetails | undefined =>
  versions.find(({ id }) => id === wanted);

function listFigures({ id, version }: VersionDetails, { history }: RegistryState): KeyFigure[] {
  if ('problem' in version) return [];
  const { bbox, segm, test, weights } = version.is;
  const put = history.findLast(
    ({ action, version: of }) => (action === 'promote' || action === 'rollback') && of === id,
  );
  const [day = '–', time = ''] = put === undefined ? [] : formatInstant(put.at).split(/ (.*)/);
  return [
    { name: 'Box AP', value: formatAp(bbox.AP), more: `on ${formatPlural(test.images, 'image')}` },
    { name: 'Mask AP', value: formatAp(segm.AP), more: `on ${formatPlural(test.images, 'image')}` },
    { name: 'Weights', value: formatBytes(weights.bytes), more: 'as plain tensors' },
    { name: 'Champion since', value: day, more: time },
  ];
}

function drawVersionLine(story: ModelDetails, id: string | null, otherwise: string): string | Markup {
  if (id === null) return otherwise;
  const found = findVersion(story, id);
  if (found === undefined)
    return markup`<span class="id">${drawId(id)}</span>, <span class="gone">which is not in the store</span>`;
  if ('problem' in found.version)
    return markup`<span class="id">${drawId(id)}</span>, <span class="gone">damaged</span>`;
  const { bbox, segm } = found.version.is;
  return markup`<span class="id">${drawId(id)}</span>, box / mask AP ${formatAp(bbox.AP)} / ${formatAp(segm.AP)}`;
}

const drawVersions = ({ versions, state }: ModelDetails): Section => ({
  id: 'versions',
  title: 'Versions',
  body:
    versions.length === 0
      ? markup`<p>There is none in the store.</p>`
      : markup`<div class="scroll tall" role="region" aria-label="Versions" tabindex="0"><table class="plain sortable registry">
<thead><tr><th scope="col" data-sort="text">Version</th><th scope="col" data-sort="text">Role</th><th scope="col" class="number" data-sort="number">Box AP</th><th scope="col" class="number" data-sort="number">Mask AP</th><th scope="col" data-sort="text">Recipe</th><th scope="col" data-sort="text">Trained</th></tr></thead>
<tbody>${versions.map((one) => drawVersion(one, state))}</tbody></table></div>
<p class="note">The newest first. AP in points, each on the images of its own test: the gate tells versions apart on the same ones. Links lead to runs of this machine.</p>`,
});

function drawVersion({ id, version, isRunLocal: isHere }: VersionDetails, state: RegistryState): Markup {
  const head = (name: Markup) => markup`<th scope="row" class="id">${name}</th>`;
  if ('problem' in version)
    return markup`<tr>${head(drawId(id))}<td class="gone" colspan="5">${version.problem}</td></tr>`;
  const { runId, recipe, createdAt } = version.is;
  const name = isHere ? markup`<a href="${pagePaths.run(runId)}">${drawId(id)}</a>` : drawId(id);
  return markup`<tr>${head(name)}<td>${roleOf(id, state)}</td>${drawScores(version)}<td class="recipe">${recipe.name}</td><td class="whole">${formatInstant(createdAt)}</td></tr>`;
}

/** What is, and else what became of it. */
function roleOf(id: string, { champion, candidate, history }: RegistryState): Markup | string {
  if (id === champion) return markup`<b class="kind finished">champion</b>`;
  if (id === candidate) return markup`<span class="kind">candidate</span>`;
  const last = history.findLast((one) => one.version === id)?.action;
  if (last === 'reject') return 'rejected';
  return last === 'promote' || last === 'rollback' ? 'champion before' : '–';
}

function drawHistory({ state: { history }, verdicts }: ModelDetails): Section {
  const shown = history.slice(-maxChanges).reverse();
  const known = new Set(verdicts.map(({ sha256 }) => sha256));
  const left = history.length - shown.length;
  return {
    id: 'history',
    title: 'History',
    body: markup`<table class="events">
<thead><tr><th scope="col">When</th><th scope="col">What</th><th scope="col">Version</th><th scope="col">Who</th><th scope="col">Why</th></tr></thead>
<tbody>${shown.map(({ at, action, version, who, why, evidence }) => {
      const verdict =
        evidence !== null && known.has(evidence)
          ? markup` <a href="#${verdictAnchor(evidence)}" aria-label="verdict on ${version}">verdict</a>`
          : '';
      return markup`<tr><td class="whole">${formatInstant(at)}</td><td class="kind ${actionClasses[action]}">${actionNames[action]}</td><td class="id">${drawId(version)}</td><td class="what who" data-label="by">${who}</td><td class="what">${why}${verdict}</td></tr>`;
    })}</tbody></table>
<p class="note">The newest first.${left > 0 ? ` ${formatCount(left)} earlier ones stand in state.json of the store.` : ''}</p>`,
  };
}

/** Classes of the style sheet: a green dot, a red one, or a grey one. */
const actionClasses = { candidate: '', promote: 'finished', reject: 'crashed', rollback: 'preempted' };
