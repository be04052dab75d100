/** Places the labels of boxes on a picture so that they do not cover each other. */

import { roundCoordinate as round } from '../components/round-coordinate.ts';

/** x, y, width, height in pixels of the picture. */
type Box = readonly [number, number, number, number];

export interface Label {
  readonly box: Box;
  /** Texts from the longest to the shortest. */
  readonly texts: readonly string[];
}

/** Place of a label: start of its base line. */
export interface PlacedLabel {
  readonly x: number;
  readonly y: number;
  readonly text: string;
  /** False if there is no room: readers see the label when they hover or zoom. */
  readonly isShown: boolean;
}

export interface Picture {
  readonly width: number;
  readonly height: number;
}

/** Size of the letters as a share of the picture's width: 10 pixels in a gallery with three columns. */
const relativeSize = 0.034;
export const fontSizeOf = ({ width }: Picture): number => round(width * relativeSize);

/** Boxes with a shorter long side are covered by their label, which they therefore show on hover only. */
const leastSide = 0.9;

/** Places labels in the given order, most important first. */
export function placeLabels(labels: readonly Label[], picture: Picture): PlacedLabel[] {
  const size = fontSizeOf(picture);
  const taken: Box[] = [];
  return labels.map(({ box, texts }) => {
    const [x, y, width, height] = box;
    const isTiny = Math.max(width, height) < leastSide * size;
    for (const text of isTiny ? [] : texts) {
      const textWidth = widthOf(text) * size;
      const found = listPlaces(box, textWidth, size)
        .map((place) => [...place, textWidth, size] as const)
        .find((area) => isInside(area, picture) && !taken.some((other) => overlaps(area, other)));
      if (found === undefined) continue;
      taken.push(found);
      return { x: round(found[0]), y: round(found[1] + 0.8 * size), text, isShown: true };
    }
    return { x: round(x), y: round(Math.max(size, y - 0.2 * size)), text: texts[0] ?? '', isShown: false };
  });
}

/** Lists upper left corners of a label: above, inside at the top, below, inside at the bottom; left, then right. */
function listPlaces([x, y, width, height]: Box, textWidth: number, size: number): (readonly [number, number])[] {
  const gap = 0.06 * size;
  const right = x + width - textWidth - gap;
  const rows = [y - size - gap, y + gap, y + height + gap, y + height - size - gap];
  return rows.flatMap((row) => [[x + gap, row] as const, [right, row] as const]);
}

const isInside = ([x, y, width, height]: Box, picture: Picture): boolean =>
  x >= 0 && y >= 0 && x + width <= picture.width && y + height <= picture.height;

const overlaps = (a: Box, b: Box): boolean =>
  a[0] < b[0] + b[2] && b[0] < a[0] + a[2] && a[1] < b[1] + b[3] && b[1] < a[1] + a[3];

/** Estimates the width of a text in units of the letter size, since a page without scripts cannot measure it. */
const widthOf = (text: string): number => Array.from(text).reduce((sum, letter) => sum + letterWidth(letter), 0);

function letterWidth(letter: string): number {
  if (/[ilj.,:|!' ]/.test(letter)) return 0.38;
  if (/[mwMW✗]/.test(letter)) return 1;
  if (/[A-Z]/.test(letter)) return 0.77;
  return letter < '\u2e80' ? 0.68 : 1.1;
}

/** Shortens a text to at most `most` characters. */
export const shorten = (text: string, most: number): string => {
  const letters = Array.from(text);
  return letters.length <= most ? text : `${letters.slice(0, most - 1).join('')}…`;
};
