import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { diagnoseGap } from '../../../../activities/report/gap/diagnose-gap.ts';
import { formatGap } from '../../../../activities/report/gap/gap-text.ts';
import { Report } from '../../../../configs/schema/index.ts';
import { projectRoot } from '../../../helpers/project.ts';

/** The blog's published numbers, with the settings of the recipe that trains its model. */
const blogReport = Report.parse(JSON.parse(readFileSync(`${projectRoot}/test/fixtures/blog-report.json`, 'utf8')));
const alter = (over: Partial<Report['plan']>, rest: Partial<Report> = {}): Report => ({
  ...blogReport,
  ...rest,
  plan: { ...blogReport.plan, ...over },
});
const paperHead = {
  type: 'ConvFCBBoxHead',
  num_shared_convs: 4,
  num_shared_fcs: 1,
  norm_cfg: { type: 'SyncBN' },
};
const differing = (report: Report) => diagnoseGap(report)?.differences.map(({ aspect }) => aspect);

describe('diagnoseGap for the published numbers of the blog', () => {
  const gap = diagnoseGap(blogReport);

  test('sorts differences by cost: box heads first, then batch and learning rate', () => {
    expect(differing(blogReport)).toEqual([
      ...['box heads', 'batch and learning rate', 'box loss', 'box regression', 'framework', 'precision', 'warm-up'],
    ]);
    expect(gap?.differences[0]).toMatchObject({
      ours: '2 fully connected layers',
      theirs: '4 convolutions with SyncBN and 1 fully connected layer',
      effect: { basis: 'relative', cost: { bbox: [1, 1], segm: [0.6, 0.6] } },
    });
    expect(gap?.differences[1]?.effect).toMatchObject({ basis: 'unknown', cost: null });
  });

  test('measures the gap from the paper and also lists the released model', () => {
    expect(gap).toMatchObject({ points: { bbox: -1, segm: -0.4 }, isWithinNoise: false });
    expect(gap?.reference.label).toBe('paper, table 2');
    expect(gap?.others.map(({ label }) => label)).toEqual(['released model']);
  });

  test('reports localization when AP75 falls short by more than AP50', () => {
    expect(gap?.shape.isLocalization).toBe(true);
    expect(gap?.shape.findings[0]).toContain('AP50 −0.3, AP75 −0.8');
    expect(gap?.shape.findings[2]).toContain('not published for the reference');
  });

  test('rules out the blog’s own guess by its recipe and its author’s second run', () => {
    expect(gap?.ruledOut).toHaveLength(1);
    expect(gap?.ruledOut[0]?.claim).toContain('pretrained with ResNet-50');
    expect(gap?.ruledOut[0]?.inThisRun).toContain('the backbone is SwinTransformer');
    expect(gap?.ruledOut[0]?.evidence.map(({ finding }) => finding).join()).toContain('50.9 / 44.3');
  });

  test('names its inferences: the cause, and how heads and batch share the gap', () => {
    expect(gap?.inference.join(' ')).toMatch(/this is the cause is an inference.*divides between the two is inference/);
  });

  test('cites a source for every effect that is not unknown', () => {
    for (const { effect } of gap?.differences ?? []) {
      if (effect.basis !== 'unknown') expect(effect.evidence.length, effect.summary).toBeGreaterThan(0);
    }
    expect(gap?.agreements).toContain('epochs (36)');
    expect(gap?.unknown).toEqual([]);
  });
});

describe('diagnoseGap for another run', () => {
  test('lists epochs first when a third of the schedule was trained', () => {
    const [first] = diagnoseGap(alter({ epochs: 12 }))?.differences ?? [];
    expect(first).toMatchObject({ aspect: 'epochs', effect: { cost: { bbox: [2.3, 2.3] } } });
  });

  test('lists batch size 2 first, with its measured cost', () => {
    const [first] = diagnoseGap(alter({ gpus: 1 }))?.differences ?? [];
    expect(first).toMatchObject({ aspect: 'batch and learning rate', ours: 'batch size 2, learning rate 1e-4' });
    expect(first?.effect.cost?.bbox).toEqual([4.9, 4.9]);
  });

  test('lists the dataset first when it is not the published one', () => {
    const { dataset } = blogReport.plan;
    expect(differing(alter({ dataset: { ...dataset, id: 'my-photos' } }))?.[0]).toBe('dataset');
  });

  test('lists changes that decisions made during the run', () => {
    const change = 'learning rate × 0.5 from here on';
    const decision = { at: 1, attempt: 1, next: 'retry' as const, why: 'NaN', change };
    const found = diagnoseGap(alter({}, { decisions: [decision] }))?.differences;
    expect(found?.find(({ aspect }) => aspect === 'changes during the run')?.ours).toBe(change);
  });

  test('lists jitter, copy-paste and an average of the weights', () => {
    const { recipe } = blogReport.plan;
    const summary = { ...recipe.summary, weightAverage: { type: 'ExpMomentumEMA', momentum: 0.0002 } };
    const pipeline = [{ type: 'LoadImageFromFile' }, { type: 'RandomResize', ratio_range: [0.1, 2] }];
    const dataset = { type: 'MultiImageMixDataset', pipeline: [{ type: 'CopyPaste' }], dataset: { pipeline } };
    const recipeSettings = { ...blogReport.recipeSettings, train_dataloader: { dataset } };
    const found = diagnoseGap(alter({ recipe: { ...recipe, summary } }, { recipeSettings }))?.differences;
    expect(found).toContainEqual(
      expect.objectContaining({ aspect: 'augmentation', ours: 'large-scale jitter from 0.1 to 2 and copy-paste' }),
    );
    expect(found).toContainEqual(
      expect.objectContaining({
        aspect: 'weight averaging',
        ours: 'moving average (ExpMomentumEMA, momentum 0.0002)',
        theirs: 'none',
      }),
    );
  });

  test('does not rule out a pretrained head when the run loads a detector', () => {
    const recipeSettings = { ...blogReport.recipeSettings, load_from: 'r50.pth' };
    expect(diagnoseGap(alter({}, { recipeSettings }))?.ruledOut[0]?.inThisRun).toContain('not ruled out');
  });

  test('finds the gap within noise when the scores equal the published ones', () => {
    const { metrics } = blogReport;
    const good = alter({}, { metrics: { ...metrics, bbox: { ...metrics.bbox, AP: 0.516, AP50: 0.703, AP75: 0.562 } } });
    expect(diagnoseGap(good)).toMatchObject({ isWithinNoise: true, shape: { isLocalization: false } });
  });

  test('lists unknown settings instead of guessing when the recipe is unreadable', () => {
    const gap = diagnoseGap(alter({}, { recipeSettings: { model: 'os', optim_wrapper: [], param_scheduler: {} } }));
    expect(gap?.unknown).toEqual(expect.arrayContaining(['box heads', 'box loss', 'batch and learning rate']));
    expect(gap?.differences.map(({ aspect }) => aspect)).toEqual(['framework']);
    expect(gap?.suspect).toBeUndefined();
    expect(gap && formatGap(gap)).toContain('too little is known about this run to name a cause');
    expect(gap?.ruledOut).toEqual([]);
  });

  test('names no suspect when only cheap differences remain', () => {
    const published = diagnoseGap(blogReport);
    const only = { ...blogReport.plan, recipe: { ...blogReport.plan.recipe, name: 'cascade-mask-rcnn_swin-s_paper' } };
    const bbox_head = { ...paperHead, reg_class_agnostic: false, loss_bbox: { type: 'SmoothL1Loss' } };
    const recipeSettings = { ...blogReport.recipeSettings, model: { roi_head: { bbox_head } } };
    const gap = diagnoseGap(alter({ ...only, batchPerGpu: 4 }, { recipeSettings }));
    expect(gap?.suspect).toBeUndefined();
    expect(gap && formatGap(gap)).toContain('no known difference costs as much');
    expect(published?.suspect?.aspect).toBe('box heads');
  });

  test('returns undefined for a recipe without a published model', () => {
    const { recipe } = blogReport.plan;
    expect(diagnoseGap(alter({ recipe: { ...recipe, name: 'cascade-mask-rcnn_swin-demo' } }))).toBeUndefined();
  });
});
