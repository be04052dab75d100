import type { Attempt, TrainerExit } from '../../../configs/schema/index.ts';
import { failureCatalogue } from '../../shared/errors/failure-catalogue.ts';

/** PCI bus ID with its domain: `0000:41:00` of the kernel, `00000000:41:00.0` of NVML. */
const busId = /\b([\da-f]{4,8}):([\da-f]{2}):([\da-f]{2})\b/gi;

/** Lists the PCI bus IDs in a text, all in one form. */
export const busesIn = (text: string): string[] =>
  [...text.matchAll(busId)].map(([, ...parts]) => parts.map((part) => parseInt(part, 16)).join(':'));

/**
 * Returns the GPU that the failure names by UUID or PCI bus ID, otherwise that of the rank that failed first, if the class
 * of the failure blames the GPU. When NVML saw a GPU of the job fail, the rank says nothing: the loss of one GPU also ends
 * the ranks on healthy ones.
 * @param leased UUIDs in the order of the ranks.
 * @param uuidOfBus UUIDs by the form of `busesIn`.
 * @param unusable leased GPUs that NVML saw fail.
 */
export function blameGpu(
  failure: Attempt['failure'],
  exit: TrainerExit | null,
  leased: readonly string[],
  uuidOfBus: ReadonlyMap<string, string>,
  unusable: readonly string[],
): string | undefined {
  const known = failureCatalogue.find(({ entry }) => entry.class === failure?.class);
  if (failure === null || known?.entry.blamesGpu !== true) return undefined;
  const ofBus = busesIn(failure.evidence).map((bus) => uuidOfBus.get(bus));
  const named = leased.find((uuid) => failure.evidence.includes(uuid)) ?? ofBus.find((uuid) => uuid !== undefined);
  if (named !== undefined) return leased.includes(named) ? named : undefined;
  if (unusable.length > 0) return undefined;
  const [, rankOfLine] = /^\[rank (\d+)\] /.exec(failure.evidence) ?? [];
  // A line without a rank is from the main log, which is that of rank 0.
  return leased[Number(rankOfLine ?? exit?.rootCause?.rank ?? 0)];
}
