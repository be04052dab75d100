/** Compares the settings of a run with those of a published model. */
import { aspects, type Aspect, type GapFacts, type KnownEffect, type Setting } from '../../../configs/schema/index.ts';
import type { Settings } from './recipe-settings.ts';

export interface Difference {
  readonly aspect: Aspect;
  readonly ours: string;
  readonly theirs: string;
  readonly effect: KnownEffect;
}

const unknownEffect: KnownEffect = {
  aspect: 'changes during the run',
  basis: 'unknown',
  cost: null,
  summary: 'Its effect was not published.',
  evidence: [],
};

/** Values of settings that publications omit because they are standard. */
const defaults: Partial<Record<Aspect, string>> = {
  'micro-batches': 'none',
  augmentation: 'short sides of 480 to 800, half of the images cropped',
  'weight averaging': 'none',
  'changes during the run': 'none',
};

/** Lists the differences, sorted by their known or assumed cost, largest first. */
export function listDifferences(ours: Settings, theirs: Settings, facts: GapFacts): Difference[] {
  const differences = aspects.flatMap((aspect) => {
    const setting = ours[aspect];
    const published = theirs[aspect] ?? defaultSetting(aspect);
    if (setting === undefined || published === undefined || setting.value === published.value) return [];
    const effect =
      facts.effects.find((one) => one.aspect === aspect && applies(one, setting, published)) ?? unknownEffect;
    return { aspect, ours: setting.value, theirs: published.value, effect };
  });
  return differences.sort((a, b) => estimateCost(b.effect) - estimateCost(a.effect));
}

/** Lists the settings that are known for both models and equal. */
export const listAgreements = (ours: Settings, theirs: Settings): string[] =>
  aspects.flatMap((aspect) => {
    const setting = ours[aspect]?.value;
    return setting !== undefined && setting === theirs[aspect]?.value ? `${aspect} (${setting})` : [];
  });

/** Lists the settings that are published but unknown for this run. */
export const listUnknown = (ours: Settings, theirs: Settings): string[] =>
  aspects.filter((aspect) => theirs[aspect] !== undefined && ours[aspect] === undefined);

function defaultSetting(aspect: Aspect): Setting | undefined {
  const value = defaults[aspect];
  return value === undefined ? undefined : { value };
}

function applies({ ours, maxRatio }: KnownEffect, setting: Setting, published: Setting): boolean {
  if (ours !== undefined && ours !== setting.value) return false;
  if (maxRatio === undefined) return true;
  return (
    setting.amount !== undefined && published.amount !== undefined && setting.amount / published.amount <= maxRatio
  );
}

/** Returns the middle of the range in box AP that the evidence allows, or the assumed cost of an unknown effect. */
export const estimateCost = ({ cost, assumedCost = 0 }: KnownEffect): number =>
  cost ? (cost.bbox[0] + cost.bbox[1]) / 2 : assumedCost;
