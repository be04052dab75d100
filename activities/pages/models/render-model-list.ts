import { pagePaths } from '../../../configs/names.ts';
import { formatInstant, formatPlural } from '../../shared/summary/format-time.ts';
import { markup, type Markup } from '../../report/components/markup.ts';
import { renderPage } from '../../report/components/page.ts';
import { renderNavigation } from '../../report/components/navigation.ts';
import type { ModelSummary } from './read-models.ts';
import { actionNames, renderVersionId, renderScores } from './model-parts.ts';

/** Renders the list of models. @param address of the model store. */
export const renderModelList = (models: readonly ModelSummary[], address: string): string =>
  renderPage({
    kind: 'everswin',
    title: 'Models',
    navigation: renderNavigation('models'),
    summary: markup`<p class="note">${formatPlural(models.length, 'model')} in ${address}</p>`,
    sections: [{ id: 'models', title: 'Champions', body: renderModels(models) }],
  });

const renderModels = (models: readonly ModelSummary[]): Markup =>
  models.length === 0
    ? markup`<p>No models yet. <code>everswin retrain configs/retrain/demo.json</code> trains a first version.</p>`
    : markup`<div class="scroll" role="region" aria-label="Models" tabindex="0"><table class="plain sortable registry">
<thead><tr><th scope="col" data-sort="text">Model</th><th scope="col" class="number" data-sort="number">Box AP</th><th scope="col" class="number" data-sort="number">Mask AP</th><th scope="col" data-sort="text">Champion</th><th scope="col" data-sort="text">Candidate</th><th scope="col" class="number" data-sort="number">Versions</th><th scope="col" data-sort="text">Last change</th></tr></thead>
<tbody>${models.map(renderModelRow)}</tbody></table></div>`;

function renderModelRow({ model, state, champion, versions }: ModelSummary): Markup {
  const name = markup`<th scope="row" class="name"><a href="${pagePaths.model(model)}">${model}</a></th>`;
  if ('problem' in state) return markup`<tr>${name}<td class="gone" colspan="6">${state.problem}</td></tr>`;
  const { champion: used, candidate, history } = state.value;
  const last = history.at(-1);
  const changed =
    last === undefined
      ? '–'
      : markup`<span class="whole">${formatInstant(last.at)}</span> ${actionNames[last.action].toLowerCase()}`;
  return markup`<tr>${name}${renderScores(champion)}<td class="id">${used === null ? 'none yet' : renderVersionId(used)}</td><td${candidate === null ? '' : markup` class="id"`}>${candidate === null ? '–' : renderVersionId(candidate)}</td><td class="number">${versions}</td><td>${changed}</td></tr>`;
}
