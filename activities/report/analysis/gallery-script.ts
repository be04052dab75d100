import { markup } from '../components/markup.ts';

/** Script of the gallery: filters, score slider, ground truth, and a dialog that shows one image enlarged. */
export const galleryScript = markup`
{
  const gallery = document.querySelector('#gallery');
  const dialog = gallery?.querySelector('dialog');
  const bar = gallery?.querySelector('.controls');
  const figures = [...(gallery?.querySelectorAll('figure') ?? [])];
  if (dialog && bar && figures.length > 0) {
    const inputs = (name) => [...gallery.querySelectorAll('[name=' + name + ']')];
    const [stage, caption] = [dialog.querySelector('.stage'), dialog.querySelector('.caption')];
    const state = { truth: false, score: Number(inputs('score')[0].min) };
    let current = 0;
    const draw = (shot) => {
      shot.classList.toggle('all-truth', state.truth);
      for (const one of shot.querySelectorAll('[data-score]')) one.classList.toggle('off', one.dataset.score < state.score);
      for (const one of shot.querySelectorAll('[data-found]')) {
        one.classList.toggle('found', one.dataset.found >= state.score);
        one.classList.toggle('missed', one.dataset.found < state.score);
      }
    };
    const drawAll = () => {
      for (const one of inputs('truth')) one.checked = state.truth;
      for (const one of inputs('score')) one.value = state.score;
      for (const one of gallery.querySelectorAll('.reading')) one.textContent = state.score.toFixed(2);
      for (const shot of gallery.querySelectorAll('.shot')) draw(shot);
    };
    const visible = () => figures.filter((figure) => !figure.hidden);
    const filter = () => {
      const [kind, outcome] = [inputs('class')[0].value, inputs('outcome')[0].value];
      const matches = (pair) => (kind === '' || pair.startsWith(kind + ':')) && (outcome === '' || pair.endsWith(':' + outcome));
      for (const figure of figures) figure.hidden = (kind + outcome !== '') && !figure.dataset.has.split(' ').some(matches);
      for (const group of gallery.querySelectorAll('div.gallery')) {
        const isEmpty = ![...group.children].some((figure) => !figure.hidden);
        group.hidden = isEmpty;
        group.previousElementSibling.hidden = isEmpty;
      }
      bar.querySelector('output').textContent = visible().length + ' of ' + figures.length + ' images';
    };
    const fit = () => {
      const [shot, svg] = [stage.querySelector('.shot'), stage.querySelector('svg')];
      if (!svg) return;
      const { width, height } = svg.viewBox.baseVal;
      const scale = Math.min((stage.clientWidth || innerWidth) / width, (innerHeight * 0.78) / height);
      shot.style.width = width * scale + 'px';
      svg.setAttribute('font-size', 13 / scale);
    };
    const show = (number) => {
      const list = visible();
      current = (number + list.length) % list.length;
      const figure = list[current];
      stage.replaceChildren(figure.querySelector('.shot').cloneNode(true));
      stage.querySelector('button')?.remove();
      caption.replaceChildren(...[...figure.querySelector('figcaption').childNodes].map((one) => one.cloneNode(true)));
      if (!dialog.open) dialog.showModal();
      fit();
    };
    figures.forEach((figure) => {
      const shot = figure.querySelector('.shot');
      const button = document.createElement('button');
      button.type = 'button';
      button.className = 'enlarge';
      button.textContent = '⤢';
      button.setAttribute('aria-label', 'Enlarge ' + figure.querySelector('b').textContent);
      shot.append(button);
      shot.addEventListener('click', () => show(visible().indexOf(figure)));
    });
    dialog.addEventListener('keydown', (event) => {
      if (event.target.type === 'range') return;
      if (event.key === 'ArrowLeft') show(current - 1);
      if (event.key === 'ArrowRight') show(current + 1);
    });
    dialog.addEventListener('click', (event) => {
      if (event.target === dialog) dialog.close();
    });
    inputs('previous')[0].addEventListener('click', () => show(current - 1));
    inputs('next')[0].addEventListener('click', () => show(current + 1));
    inputs('close')[0].addEventListener('click', () => dialog.close());
    for (const one of [...inputs('class'), ...inputs('outcome')]) one.addEventListener('input', filter);
    for (const one of inputs('truth')) one.addEventListener('input', () => { state.truth = one.checked; drawAll(); });
    for (const one of inputs('score')) one.addEventListener('input', () => { state.score = Number(one.value); drawAll(); });
    addEventListener('resize', fit);
    bar.hidden = false;
    // A browser restores the values of inputs when a page is loaded again.
    drawAll();
    filter();
  }
}
`;
