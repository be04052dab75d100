import type { GalleryImage } from '../../../configs/schema/index.ts';
import type { Markup } from '../components/markup.ts';

/** Total bytes of the images and their overlays that keep the page under 5 MB. */
const budget = 3_400_000;

interface RenderedImage {
  readonly image: Pick<GalleryImage, 'group'>;
  readonly figure: Markup;
}

/** Selects as many images as fit, alternating between groups, and keeps their order. */
export function selectWithinBudget<T extends RenderedImage>(gallery: readonly T[]): T[] {
  const ordered = gallery
    .map((one, index) => ({ one, index, round: countBefore(gallery, index) }))
    .sort((a, b) => a.round - b.round || a.index - b.index);
  let room = budget;
  const chosen = new Set<T>();
  for (const { one } of ordered) {
    const bytes = Buffer.byteLength(String(one.figure));
    if (bytes > room) continue;
    room -= bytes;
    chosen.add(one);
  }
  return gallery.filter((one) => chosen.has(one));
}

/** Counts earlier images of the same group. */
const countBefore = (gallery: readonly RenderedImage[], index: number): number =>
  gallery.slice(0, index).filter(({ image }) => image.group === gallery[index]?.image.group).length;
