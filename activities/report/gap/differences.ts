/** In what a run differs from a published model, the costliest first. */
import { aspects, type Aspect, type GapFacts, type KnownEffect, type Setting } from '../../../configs/schema/index.ts';
import type { Settings } from './run-settings.ts';

export interface Difference {
  readonly about: Aspect;
  readonly ours: string;
  readonly theirs: string;
  readonly effect: KnownEffect;
}

const nobodyKnows: KnownEffect = {
  about: 'changes on the way',
  basis: 'unknown',
  loses: null,
  says: 'Its effect was not published.',
  evidence: [],
};

/** Those that a run has and a published model lacks: a difference only where they are there. */
const additions: Partial<Record<Aspect, string>> = {
  'batch in parts': 'all images of a GPU at once',
  'changes on the way': 'none known',
};

export function listDifferences(ours: Settings, theirs: Settings, facts: GapFacts): Difference[] {
  const found = aspects.flatMap((about) => {
    const mine = ours[about];
    const published = theirs[about] ?? nothing(about);
    if (mine === undefined || published === undefined || mine.says === published.says) return [];
    const effect = facts.effects.find((one) => one.about === about && fits(one, mine, published)) ?? nobodyKnows;
    return { about, ours: mine.says, theirs: published.says, effect };
  });
  return found.sort((a, b) => weigh(b.effect) - weigh(a.effect));
}

/** In what both are known, and alike. */
export const listLikenesses = (ours: Settings, theirs: Settings): string[] =>
  aspects.flatMap((about) => {
    const mine = ours[about]?.says;
    return mine !== undefined && mine === theirs[about]?.says ? `${about} (${mine})` : [];
  });

/** What of the published model's settings is not known of this run. */
export const listUnknown = (ours: Settings, theirs: Settings): string[] =>
  aspects.filter((about) => theirs[about] !== undefined && ours[about] === undefined);

function nothing(about: Aspect): Setting | undefined {
  const says = additions[about];
  return says === undefined ? undefined : { says };
}

function fits({ ours, atMost }: KnownEffect, mine: Setting, published: Setting): boolean {
  if (ours !== undefined && ours !== mine.says) return false;
  if (atMost === undefined) return true;
  return mine.amount !== undefined && published.amount !== undefined && mine.amount / published.amount <= atMost;
}

/** By the middle of what the evidence allows in box AP, or what an unknown effect is listed as. */
export const weigh = ({ loses, listedAs = 0 }: KnownEffect): number =>
  loses ? (loses.bbox[0] + loses.bbox[1]) / 2 : listedAs;
