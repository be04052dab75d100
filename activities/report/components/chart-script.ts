import { markup } from './markup.ts';

/** Script that shows the values of a chart next to its title while the pointer is over it. */
export const chartScript = markup`
for (const figure of document.querySelectorAll('figure')) {
  const [svg, strips] = [figure.querySelector(':scope > svg'), [...figure.querySelectorAll('.readings path')]];
  if (!svg || strips.length === 0) continue;
  const places = strips.map((strip) => Number(strip.getAttribute('d').slice(1).split(' ')[0]));
  const reading = document.createElement('p');
  reading.className = 'values';
  reading.setAttribute('aria-hidden', 'true');
  svg.after(reading);
  svg.addEventListener('pointermove', (event) => {
    const box = svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
    let nearest = 0;
    places.forEach((place, index) => {
      if (Math.abs(place - x) < Math.abs(places[nearest] - x)) nearest = index;
    });
    strips.forEach((strip, index) => strip.classList.toggle('here', index === nearest));
    reading.textContent = strips[nearest].querySelector('title').textContent;
  });
  svg.addEventListener('pointerleave', () => {
    strips.forEach((strip) => strip.classList.remove('here'));
    reading.textContent = '';
  });
}
`;
