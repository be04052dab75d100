import { expect, test } from 'vitest';
import { drawTimelineChart } from '../../../../activities/report/sections/timeline-chart.ts';
import { sampleAttempt, sampleReport } from '../../../fixtures/sample-report.ts';
import { findTagErrors } from '../tag-errors.ts';

const draw = (over: Parameters<typeof sampleReport>[0] = {}): string => String(drawTimelineChart(sampleReport(over)));

test('drawTimelineChart draws each attempt as a bar with time and outcome', () => {
  const svg = draw();
  expect(svg.match(/<g class="attempt /g)).toHaveLength(3);
  expect(svg).toContain('Attempt 2, 1 d 04:39:44 to 2 d 13:25:25: worker lost');
  expect(
    [...svg.matchAll(/<text text-anchor="(?:start|middle)" x="[\d.]+" y="72">(.*?)<\/text>/g)].map(([, at]) => at),
  ).toEqual(['0', '12 h', '1 d', '1 d 12 h', '2 d', '2 d 12 h', '3 d']);
});

test.each([0, 1, 59, 3600, 86_400, 86_400 * 400])(
  'a run of %i seconds is sound SVG with at most nine ticks',
  (seconds) => {
    const { createdAt } = sampleReport();
    const attempts = [sampleAttempt({ startedAt: createdAt, endedAt: createdAt + seconds })];
    const svg = draw({ attempts, timeline: [], seconds: { total: 0, training: 0 } });
    expect(findTagErrors(svg)).toEqual([]);
    expect(svg).not.toMatch(/NaN|Infinity/);
    expect(svg.match(/class="notch"/g)?.length).toBeLessThanOrEqual(9);
  },
);

test('drawTimelineChart draws a run without attempts', () => {
  expect(draw({ attempts: [], timeline: [] })).toContain('0 attempts');
});
