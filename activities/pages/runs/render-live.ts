import { formatPoints } from '../../shared/summary/format-score.ts';
import type { Progress } from '../../../configs/schema/index.ts';
import { formatCount, formatDuration, formatInstant, formatPlural } from '../../shared/summary/format-time.ts';
import { renderTimeline } from '../../report/sections/history-section.ts';
import { renderCurveFigures } from '../../report/sections/curves-section.ts';
import { renderFigures, speedFigure, type KeyFigure } from '../../report/sections/key-figures.ts';
import { markup } from '../../report/components/markup.ts';
import { formatNumber } from '../../report/components/format-number.ts';
import { renderPage } from '../../report/components/page.ts';
import { renderSection, type Section } from '../../report/components/section.ts';
import type { LiveRun } from './live-run.ts';
import { renderFailure } from './render-failure.ts';
import { liveScript } from './live-script.ts';

/** Renders the live page of the page server. Its script updates the section; without scripts the page reloads. */
export const renderLivePage = (live: LiveRun): string =>
  renderPage({
    ...frame(live),
    head: markup`<noscript><meta http-equiv="refresh" content="10"></noscript>`,
    script: liveScript,
    allowConnect: true,
  });

/** Renders the live page as a file that reloads itself. */
export const renderLiveFile = (live: LiveRun): string =>
  renderPage({ ...frame(live), head: markup`<meta http-equiv="refresh" content="30">` });

/** Renders the section that the script replaces. */
export const renderLiveFragment = (live: LiveRun): string => renderSection(renderLiveSection(live)).toString();

const frame = (live: LiveRun) => ({
  kind: 'everswin, live',
  title: live.runId,
  summary: markup`<p class="note">${formatPlan(live)}</p>
<p class="note"><span id="age"></span> <span id="link" role="status"></span></p>`,
  sections: [renderLiveSection(live)],
});

const formatPlan = ({ plan }: LiveRun): string =>
  plan === null
    ? 'Not planned yet, or planned on another machine'
    : [
        plan.recipe.name,
        plan.dataset.id,
        formatPlural(plan.epochs, 'epoch'),
        `${plan.gpus} × ${formatPlural(plan.batchPerGpu, 'image')}`,
      ].join(' · ');

const stateNames: Record<LiveRun['state'], string> = {
  waiting: 'No training yet',
  training: 'Training',
  stopped: 'Stopped, checkpoint saved',
  finished: 'Training finished, test pending',
  failed: 'Failed',
};

function renderLiveSection(live: LiveRun): Section {
  const { curves, references, timeline, state, failure, lastEventAt, isReported } = live;
  const start = timeline[0]?.at ?? 0;
  return {
    id: 'live',
    title: isReported && failure === null ? 'Finished' : stateNames[state],
    body: markup`<p class="note" data-at="${lastEventAt ?? ''}">${formatFreshness(live)}${isReported ? markup` <a href="index.html">Open the report</a>` : ''}</p>
${failure === null ? '' : renderFailure(failure)}
${renderFigures(listFigures(live))}
${renderCurveFigures({ curves, references, timeline })}
<h3>Timeline</h3>
${timeline.length === 0 ? markup`<p class="note">No events yet.</p>` : renderTimeline(timeline, start)}`,
  };
}

function formatFreshness({ runId, state, failure, lastEventAt, savedAt, progress }: LiveRun): string {
  if (failure !== null && lastEventAt === null) return 'No trainer has started.';
  if (lastEventAt === null)
    return `No trainer has started. To see whether the run waits or has failed, and why: everswin status ${runId}`;
  const saved =
    savedAt === null
      ? 'No checkpoint yet.'
      : `Latest checkpoint: ${progress.lastCheckpoint ?? ''}, ${formatInstant(savedAt)}.`;
  const why = state === 'stopped' ? ` To see why, and how to continue: everswin status ${runId}` : '';
  return `Last event: ${formatInstant(lastEventAt)}. ${saved}${why}`;
}

function listFigures({ progress, iterations, curves, state }: LiveRun): KeyFigure[] {
  const { epoch, epochs, iteration, loss, lr, bboxAP, segmAP, imagesPerSecond, mfu } = progress;
  const validated = curves.ap.at(-1);
  const after = validated === undefined ? 'after the first epoch' : `after epoch ${validated.epoch}`;
  return [
    {
      name: 'Epoch',
      value: `${epoch} of ${epochs}`,
      more: `step ${formatCount(iteration)} of ${formatCount(iterations)}`,
    },
    { name: 'Loss', value: loss === null ? '–' : String(Number(loss.toPrecision(4))), more: formatRate(lr) },
    { name: 'Box AP', value: formatAp(bboxAP), more: after },
    { name: 'Mask AP', value: formatAp(segmAP), more: after },
    ...(imagesPerSecond == null ? [] : [speedFigure(imagesPerSecond, mfu ?? null)]),
    { name: 'Time left', value: state === 'finished' ? 'none' : formatLeft(progress), more: 'of training' },
  ];
}

const formatRate = (lr: number | null): string =>
  lr === null ? 'learning rate –' : `learning rate ${formatNumber(lr)}`;

const formatAp = (score: number | null): string => (score === null ? '–' : formatPoints(score));

const formatLeft = ({ etaSeconds }: Progress): string => (etaSeconds === null ? 'unknown' : formatDuration(etaSeconds));
