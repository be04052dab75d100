import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { diagnoseGap } from '../../../../activities/report/gap/diagnose.ts';
import { describeGap } from '../../../../activities/report/gap/gap-text.ts';
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
const named = (report: Report) => diagnoseGap(report)?.differences.map(({ about }) => about);

describe('of the numbers of the blog', () => {
  const gap = diagnoseGap(blogReport);

  test('the box heads stand first, then batch and learning rate; what is known to cost nothing stands last', () => {
    expect(named(blogReport)).toEqual([
      ...['box heads', 'batch and learning rate', 'box loss', 'box classes', 'framework', 'precision', 'warm-up'],
    ]);
    expect(gap?.differences[0]).toMatchObject({
      ours: '2 fully connected layers',
      theirs: '4 convolutions with SyncBN and 1 fully connected layer',
      effect: { basis: 'relative', loses: { bbox: [1, 1], segm: [0.6, 0.6] } },
    });
    expect(gap?.differences[1]?.effect).toMatchObject({ basis: 'unknown', loses: null });
  });

  test('the gap is measured from the paper, and the released model is named beside it', () => {
    expect(gap).toMatchObject({ points: { bbox: -1, segm: -0.4 }, isWithinNoise: false });
    expect(gap?.reference.label).toBe('paper, table 2');
    expect(gap?.others.map(({ label }) => label)).toEqual(['released model']);
  });

  test('its shape is localisation: AP75 falls short by more than AP50', () => {
    expect(gap?.shape.isLocalisation).toBe(true);
    expect(gap?.shape.says[0]).toContain('AP50 −0.3, AP75 −0.8');
    expect(gap?.shape.says[2]).toContain('published without it');
  });

  test('its own guess is ruled out, by its recipe and by its author’s second run', () => {
    expect(gap?.ruledOut).toHaveLength(1);
    expect(gap?.ruledOut[0]?.claim).toContain('pretrained with ResNet-50');
    expect(gap?.ruledOut[0]?.here).toContain('the backbone is SwinTransformer');
    expect(gap?.ruledOut[0]?.evidence.map(({ says }) => says).join()).toContain('50.9 / 44.3');
  });

  test('it says what is inference: that the heads are the cause, and how heads and batch share the gap', () => {
    expect(gap?.inference.join(' ')).toMatch(/the cause is inferred.*divides between the two is inference/);
  });

  test('every effect that is more than unknown has a source', () => {
    for (const { effect } of gap?.differences ?? []) {
      if (effect.basis !== 'unknown') expect(effect.evidence.length, effect.says).toBeGreaterThan(0);
    }
    expect(gap?.alike).toContain('epochs (36)');
    expect(gap?.unknown).toEqual([]);
  });
});

describe('another run', () => {
  test('of a third of the epochs has those first', () => {
    const [first] = diagnoseGap(alter({ epochs: 12 }))?.differences ?? [];
    expect(first).toMatchObject({ about: 'epochs', effect: { loses: { bbox: [2.3, 2.3] } } });
  });

  test('of two images a step has the known extreme first', () => {
    const [first] = diagnoseGap(alter({ gpus: 1 }))?.differences ?? [];
    expect(first).toMatchObject({ about: 'batch and learning rate', ours: '2 images a step at 1e-4' });
    expect(first?.effect.loses?.bbox).toEqual([4.9, 4.9]);
  });

  test('of other data can be compared with nothing, and that stands first', () => {
    const { dataset } = blogReport.plan;
    expect(named(alter({ dataset: { ...dataset, id: 'my-photos' } }))?.[0]).toBe('data set');
  });

  test('says what was changed on the way', () => {
    const change = 'learning rate × 0.5 from here on';
    const decision = { at: 1, attempt: 1, next: 'retry' as const, why: 'NaN', change };
    const found = diagnoseGap(alter({}, { decisions: [decision] }))?.differences;
    expect(found?.find(({ about }) => about === 'changes on the way')?.ours).toBe(change);
  });

  test('that loads a whole detector does not have the pretrained head ruled out', () => {
    const recipeSettings = { ...blogReport.recipeSettings, load_from: 'r50.pth' };
    expect(diagnoseGap(alter({}, { recipeSettings }))?.ruledOut[0]?.here).toContain('not ruled out');
  });

  test('as good as the published one has nothing to explain', () => {
    const { metrics } = blogReport;
    const good = alter({}, { metrics: { ...metrics, bbox: { ...metrics.bbox, AP: 0.516, AP50: 0.703, AP75: 0.562 } } });
    expect(diagnoseGap(good)).toMatchObject({ isWithinNoise: true, shape: { isLocalisation: false } });
  });

  test('whose recipe cannot be read says what is not known instead of guessing', () => {
    const gap = diagnoseGap(alter({}, { recipeSettings: { model: 'os', optim_wrapper: [], param_scheduler: {} } }));
    expect(gap?.unknown).toEqual(expect.arrayContaining(['box heads', 'box loss', 'batch and learning rate']));
    expect(gap?.differences.map(({ about }) => about)).toEqual(['framework']);
    expect(gap?.suspect).toBeUndefined();
    expect(gap && describeGap(gap)).toContain('too little is known of this run to name a cause');
    expect(gap?.ruledOut).toEqual([]);
  });

  test('that differs in little only is not told a cause that is none', () => {
    const small = diagnoseGap(blogReport);
    const only = { ...blogReport.plan, recipe: { ...blogReport.plan.recipe, name: 'cascade-mask-rcnn_swin-s_paper' } };
    const bbox_head = { ...paperHead, reg_class_agnostic: false, loss_bbox: { type: 'SmoothL1Loss' } };
    const recipeSettings = { ...blogReport.recipeSettings, model: { roi_head: { bbox_head } } };
    const gap = diagnoseGap(alter({ ...only, batchPerGpu: 4 }, { recipeSettings }));
    expect(gap?.suspect).toBeUndefined();
    expect(gap && describeGap(gap)).toContain('nothing that differs is known to cost as much');
    expect(small?.suspect?.about).toBe('box heads');
  });

  test('of a recipe with no published model has no diagnosis', () => {
    const { recipe } = blogReport.plan;
    expect(diagnoseGap(alter({ recipe: { ...recipe, name: 'cascade-mask-rcnn_swin-demo' } }))).toBeUndefined();
  });
});
