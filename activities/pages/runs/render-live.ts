import { formatBytes } from '../../shared/summary/format-bytes.ts';
import { formatAp } from '../../shared/summary/format-score.ts';
import { formatCount, formatDuration, formatInstant, formatPlural } from '../../shared/summary/format-time.ts';
import { renderTimeline } from '../../report/sections/history-section.ts';
import { renderCurveFigures } from '../../report/sections/curves-section.ts';
import { renderFigures, speedFigure, type KeyFigure } from '../../report/sections/key-figures.ts';
import { markup, type Markup } from '../../report/components/markup.ts';
import { renderFigure } from '../../report/components/figure.ts';
import { renderNavigation } from '../../report/components/navigation.ts';
import type { Chart } from '../../report/components/svg-chart.ts';
import { formatNumber } from '../../report/components/format-number.ts';
import { renderPage } from '../../report/components/page.ts';
import { renderSection, type Section } from '../../report/components/section.ts';
import type { LiveRun } from './live-run.ts';
import { renderFailure } from './render-failure.ts';
import { renderGpus } from './render-gpus.ts';
import { liveScript } from './live-script.ts';
import { liveStyle } from './live-style.ts';
import { stageNames, type RunStage } from './run-state.ts';

/** Renders the live page of the page server. Its script updates the section; without scripts the page reloads. */
export const renderLivePage = (live: LiveRun): string =>
  renderPage({
    ...frame(live),
    navigation: renderNavigation(),
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
  style: liveStyle,
  summary: markup`<p class="note">${formatPlan(live)}</p>
<p class="note"><span id="age"></span> <span id="link" role="status"></span></p>`,
  sections: [renderLiveSection(live)],
});

const formatPlan = ({ plan, failure }: LiveRun): string =>
  plan === null
    ? `${failure === null ? 'No training has' : 'Failed before a training had'} started on this machine`
    : [
        plan.recipe.name,
        plan.dataset.id,
        formatPlural(plan.epochs, 'epoch'),
        `${plan.gpus} × ${formatPlural(plan.batchPerGpu, 'image')}`,
      ].join(' · ');

const titles: Record<RunStage, string> = {
  ...stageNames,
  preparing: 'No training yet',
  stopped: 'Stopped, checkpoint saved',
  trained: 'Training finished, test pending',
};

function renderLiveSection(live: LiveRun): Section {
  const { timeline, stage, reason, failure, lastEventAt, isReported } = live;
  const start = timeline[0]?.at ?? 0;
  const charts = lastEventAt === null ? [] : [renderCharts(live)];
  const log = renderLog(live);
  const why = failure === null ? markup`<p>${reason ?? ''}</p>` : renderFailure(failure);
  return {
    id: 'live',
    title: titles[stage],
    body: markup`${why}
<p class="note" data-at="${lastEventAt ?? ''}">${formatFreshness(live)}${isReported ? markup` <a href="index.html">Open the report</a>` : ''}</p>
${stage === 'interrupted' || stage === 'failed' ? [log, ...charts] : [...charts, log]}
${timeline.length === 0 ? '' : markup`<h3>Timeline</h3>\n${renderTimeline(timeline, start)}`}`,
  };
}

const renderCharts = (live: LiveRun): Markup => markup`${renderFigures(listFigures(live))}
${live.gpus !== null && live.gpus.gpus.length > 0 && live.stage === 'training' ? renderGpus(live.gpus) : ''}
${renderCurveFigures(live)}
${live.speed.some(({ y }) => y !== null) ? renderFigure(chartSpeed(live)) : ''}`;

const chartSpeed = ({ speed }: LiveRun): Chart => ({
  id: 'speed',
  title: 'Training speed',
  description: 'Images per second over all GPUs, by iteration.',
  xLabel: 'iteration',
  yLabel: 'images/s',
  yScale: 'linear-from-zero',
  series: [{ name: 'images/s', points: speed }],
  marks: [],
});

/** Renders the end of the log, or what the record of a failure has of a log on another machine. */
function renderLog({ log, failure, runId }: LiveRun): Markup | string {
  const lines = log?.lines ?? failure?.logTail ?? [];
  if (lines.length === 0) return '';
  const where = log === null ? '.' : ` of ${log.path}. More: everswin logs ${runId} --lines 1000`;
  return markup`<h3>End of the log</h3>
<p class="note">Last ${formatPlural(lines.length, 'line')}${where}</p>
<pre class="scroll log" tabindex="0" role="region" aria-label="End of the log"><code>${lines.join('\n')}</code></pre>`;
}

function formatFreshness({ runId, stage, lastEventAt, savedAt, progress }: LiveRun): string {
  const status = `everswin status ${runId}`;
  if (lastEventAt === null && ['queued', 'failed', 'cancelled'].includes(stage)) return 'No trainer has started.';
  if (lastEventAt === null)
    return `No trainer has started. To see whether the run waits or has failed, and why: ${status}`;
  const saved =
    savedAt === null
      ? 'No checkpoint yet.'
      : `Latest checkpoint: ${progress.lastCheckpoint ?? ''}, ${formatInstant(savedAt)}.`;
  return `Last event: ${formatInstant(lastEventAt)}. ${saved}${hintAt(stage, status)}`;
}

function hintAt(stage: RunStage, status: string): string {
  if (stage === 'cancelled') return ' To continue: everswin start, with the same run file.';
  return stage === 'stopped' || stage === 'interrupted' ? ` To see why, and how to continue: ${status}` : '';
}

function listFigures(live: LiveRun): KeyFigure[] {
  const { progress, iterations, curves, stage, memoryMb } = live;
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
    ...(memoryMb === null
      ? []
      : [{ name: 'GPU memory', value: formatBytes(memoryMb * 2 ** 20), more: 'peak of GPU 0' }]),
    { name: 'Time left', value: isTrained(stage) ? 'none' : formatLeft(live), more: 'of training' },
  ];
}

const isTrained = (stage: RunStage): boolean => stage === 'trained' || stage === 'testing' || stage === 'completed';

const formatRate = (lr: number | null): string =>
  lr === null ? 'learning rate –' : `learning rate ${formatNumber(lr)}`;

const formatLeft = ({ stage, progress: { etaSeconds } }: LiveRun): string =>
  stage !== 'training' || etaSeconds === null ? 'unknown' : formatDuration(etaSeconds);
