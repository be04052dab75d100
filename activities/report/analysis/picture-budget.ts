import type { GalleryImage } from '../../../configs/schema/index.ts';

/** Total base64 characters that keep the page under 5 MB. */
const budget = 3_400_000;

/** Selects as many images as fit, alternating between groups, and keeps their order. */
export function selectPictures(gallery: readonly GalleryImage[]): GalleryImage[] {
  const ordered = gallery
    .map((image, index) => ({ image, index, round: countBefore(gallery, index) }))
    .sort((a, b) => a.round - b.round || a.index - b.index);
  let room = budget;
  const chosen = new Set<GalleryImage>();
  for (const { image } of ordered) {
    const characters = image.picture.truth.length + image.picture.predictions.length;
    if (characters > room) continue;
    room -= characters;
    chosen.add(image);
  }
  return gallery.filter((image) => chosen.has(image));
}

/** Counts earlier images of the same group. */
const countBefore = (gallery: readonly GalleryImage[], index: number): number =>
  gallery.slice(0, index).filter(({ group }) => group === gallery[index]?.group).length;
