/** Pages of a model registry in a folder and in a bucket. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { localStore } from '../../../activities/shared/store/local-store.ts';
import type { ArtifactStore } from '../../../activities/shared/store/artifact-store.ts';
import { createModelReader, type ModelDetails } from '../../../activities/pages/models/read-models.ts';
import { renderModel } from '../../../activities/pages/models/render-model.ts';
import { replaceControlCharacters } from '../../../activities/report/components/markup.ts';
import { changeRegistry } from '../../../activities/registry/registry-state.ts';
import type { LoopbackServer } from '../../../infra/pages/serve-on-loopback.ts';
import { modelKeys } from '../../../configs/names.ts';
import { homeFolders, runFolder } from '../../../configs/paths.ts';
import { startPageServer } from '../../../infra/pages/page-server.ts';
import { findTagErrors } from '../../activities/report/tag-errors.ts';
import { hostileTexts } from '../../fixtures/hostile-texts.ts';
import { fillRegistry, type SampleRegistry } from '../../fixtures/sample-registry.ts';
import { axeFile, saveScreenshot, listenForErrors, browserSkipReason, openBrowser } from '../../helpers/browser.ts';
import { storeKinds, useBothStores } from '../../helpers/both-stores.ts';

const stores = useBothStores();

/** Serves the pages while `use` runs. */
async function serve<T>(home: string, store: ArtifactStore, use: (server: LoopbackServer) => Promise<T>): Promise<T> {
  const server = await startPageServer({ home, store, port: 0 });
  try {
    return await use(server);
  } finally {
    await server.close();
  }
}

let home: string;
beforeAll(async () => {
  home = await mkdtemp(`${tmpdir()}/everswin-models-`);
});
afterAll(() => rm(home, { recursive: true }));

const textOf = (html: string): string =>
  html
    .replace(/<wbr>/g, '')
    .replace(/<style>.*?<\/style>|<script>.*?<\/script>/gs, '')
    .replace(/<[^>]+>/g, ' ');
/** Returns the table cells of a section, row by row. */
const rowsOf = (page: string, section: string): string[][] => {
  const [, body = ''] = new RegExp(`<section id="${section}">(.*?)</section>`, 's').exec(page) ?? [];
  return [...body.matchAll(/<tr>(.*?)<\/tr>/gs)].map(([, row = '']) =>
    [...row.matchAll(/<t[hd][^>]*>(.*?)<\/t[hd]>/gs)].map(([, cell = '']) => textOf(cell).trim()),
  );
};

describe.each(storeKinds)('pages of a registry in %s', (kind) => {
  let filled: SampleRegistry;
  let store: ArtifactStore;
  beforeAll(async () => {
    store = stores.open(kind, `pages-${storeKinds.indexOf(kind)}`);
    filled = await fillRegistry(store, { folder: `${stores.folder()}/scratch` });
    await mkdir(runFolder(home, filled.runIds[2]).root, { recursive: true });
  });

  test('list each model with champion, scores and last change', () =>
    serve(home, store, async ({ url }) => {
      const page = await (await fetch(`${url}/models`)).text();
      expect(rowsOf(page, 'models')).toEqual([
        ['Model', 'Box AP', 'Mask AP', 'Champion', 'Candidate', 'Versions', 'Last change'],
        ['shapes', '51.1', '45.1', filled.versions[2], '–', '3', '2026-11-15 07:48 UTC  promoted'],
      ]);
      expect([...page.matchAll(/href="(\/[^"]*)"/g)].map(([, link]) => link)).toEqual([
        '/',
        '/models',
        '/models/shapes',
      ]);
    }));

  test('show versions, history and verdicts of a model', () =>
    serve(home, store, async ({ url }) => {
      const page = await (await fetch(`${url}/models/shapes`)).text();
      const [first, second, third] = filled.versions;
      expect(rowsOf(page, 'versions').slice(1)).toEqual([
        [third, 'champion', '51.1', '45.1', 'cascade-mask-rcnn_swin-s_blog', '2026-11-15 03:00 UTC'],
        [second, 'rejected', '47.1', '41.1', expect.any(String), '2026-11-08 03:00 UTC'],
        [first, 'former champion', '49.8', '43.8', expect.any(String), '2026-11-01 03:00 UTC'],
      ]);
      const history = rowsOf(page, 'history').slice(1);
      expect(history.map(([, what, version, who]) => [what, version, who])).toEqual([
        ['Promoted', third, 'kim'],
        ['Candidate', third, 'retrainDetector'],
        ['Rejected', second, 'the gate'],
        ['Candidate', second, 'retrainDetector'],
        ['Promoted', first, 'the gate'],
        ['Candidate', first, 'retrainDetector'],
      ]);
      expect(history[2]?.[4]).toContain('box AP does not fall: −2.7 [−3.6, −1.9]');
      expect(rowsOf(page, 'verdicts').filter(([rule]) => rule === 'box AP does not fall')).toEqual([
        ['box AP does not fall', 'passed', '+1.3 [+0.4, +2.1]'],
        ['box AP does not fall', 'failed', '−2.7 [−3.6, −1.9]'],
      ]);
      const anchors = [...page.matchAll(/href="#(verdict-[^"]*)"/g)].map(([, anchor]) => anchor ?? '');
      expect(anchors).toHaveLength(2);
      for (const anchor of anchors) expect(page).toContain(`<h3 id="${anchor}">`);
      expect(page).toContain(`href="/runs/${filled.runIds[2]}/"`);
      expect(findTagErrors(page)).toEqual([]);
    }));

  test('show a change at the next request', () =>
    serve(home, store, async ({ url }) => {
      const ask = async () => (await fetch(`${url}/models/shapes`)).text();
      await ask();
      const [first, , third] = filled.versions;
      const wanted = { action: 'rollback', version: first, who: 'kim', why: 'it was slower', evidence: null } as const;
      await changeRegistry(store, 'shapes', wanted, { expected: third, at: Date.UTC(2026, 10, 20) / 1000 });
      const page = await ask();
      expect(rowsOf(page, 'history')[1]?.slice(1, 4)).toEqual(['Rolled back to', first, 'kim']);
      expect(rowsOf(page, 'versions').find(([id]) => id === first)?.[1]).toBe('champion');
    }));

  test('report models that the store does not contain', () =>
    serve(home, store, async ({ url }) => {
      const answer = await fetch(`${url}/models/ships`);
      expect(answer.status).toBe(404);
      expect(await answer.text()).toContain(`${store.address} contains no model ships.`);
      const empty = stores.open(kind, 'empty');
      await serve(home, empty, async (other) => {
        expect(await (await fetch(`${other.url}/models`)).text()).toContain('No models yet');
      });
    }));
});

test('model pages do not change the store', async () => {
  const folder = `${home}/read-only`;
  await fillRegistry(localStore(folder), { folder: `${home}/scratch` });
  const list = async () => (await readdir(folder, { recursive: true })).sort();
  const before = await list();
  await serve(home, localStore(folder), async ({ url }) => {
    for (const path of ['/models', '/models/shapes', '/models/ships']) await fetch(`${url}${path}`);
    expect((await fetch(`${url}/models/shapes`, { method: 'POST' })).status).toBe(405);
  });
  expect(await list()).toEqual(before);
});

test.each(['/models/shapes/x', '/models/..%2fshapes', '/models/SHAPES', '/models/a%00', '/modelsx', '/models//'])(
  'model pages return 404 at %s',
  async (path) => {
    await serve(home, localStore(`${home}/nothing`), async ({ url }) => {
      const answer = await fetch(`${url}${path}`, { redirect: 'manual' });
      expect(answer.status).toBe(404);
    });
  },
);

test('model pages redirect a trailing slash', async () => {
  await serve(home, localStore(`${home}/nothing`), async ({ url }) => {
    const moved = async (path: string) =>
      (await fetch(`${url}${path}`, { redirect: 'manual' })).headers.get('location');
    expect([await moved('/models/'), await moved('/models/shapes/')]).toEqual(['/models', '/models/shapes']);
  });
});

test('model pages show the other documents when one is damaged', async () => {
  const folder = `${home}/damaged`;
  const store = localStore(folder);
  const { versions, evidence } = await fillRegistry(store, { folder: `${home}/scratch` });
  await fillRegistry(store, { folder: `${home}/scratch`, model: 'valid' });
  await writeFile(`${folder}/${modelKeys('shapes').version(versions[2])}`, '{"v":1}');
  await writeFile(`${folder}/${modelKeys('shapes').verdict(evidence[0] ?? '')}`, 'other bytes');
  await store.replace(modelKeys('torn').state, '{"v":1', { ifMatch: null });
  await writeFile(`${home}/scratch/version`, '{}');
  await store.put(modelKeys('torn').version(versions[0]), `${home}/scratch/version`);
  await serve(home, store, async ({ url }) => {
    const list = rowsOf(await (await fetch(`${url}/models`)).text(), 'models');
    expect(list.map(([name]) => name)).toEqual(['Model', 'shapes', 'torn', 'valid']);
    expect(list[1]?.slice(1, 4)).toEqual(['–', '–', versions[2]]);
    expect(list[2]?.[1]).toContain('is not a valid model state');
    const page = await (await fetch(`${url}/models/shapes`)).text();
    expect(rowsOf(page, 'versions').map(([, role]) => role)).toContain('rejected');
    expect(textOf(page).match(/Expected file:\S+ to have the sha256/g)).toHaveLength(2);
    const torn = await fetch(`${url}/models/torn`);
    expect([torn.status, await torn.text()]).toEqual([503, expect.stringContaining('is not a valid model state')]);
  });
});

test('model pages escape texts that people wrote', async () => {
  const folder = `${home}/hostile`;
  await fillRegistry(localStore(folder), { folder: `${home}/scratch`, text: 'benign' });
  const details = await createModelReader(home, localStore(folder)).read('shapes');
  const pageWith = (text: string): string => {
    const written = JSON.stringify(details).replaceAll('"benign"', () => JSON.stringify(text));
    return renderModel(JSON.parse(written) as ModelDetails, 'file:///store'); // unchanged except for that text
  };
  const tags = (page: string) => [...page.matchAll(/<\/?[a-zA-Z][^\s>]*/g)].map(String);
  const benign = tags(pageWith('benign'));
  for (const text of hostileTexts) {
    const page = pageWith(text);
    expect(tags(page), text).toEqual(benign);
    expect(findTagErrors(page), text).toEqual([]);
    const [, who, why] = rowsOf(page, 'history')[1]?.slice(2) ?? [];
    expect([who, why?.replace(/\s*verdict$/, '')], text).toEqual([escaped(text).trim(), escaped(text).trim()]);
    const cells = [...rowsOf(page, 'verdicts'), ...rowsOf(page, 'versions')].flat();
    expect(cells.filter((cell) => cell === escaped(text).trim()).length, text).toBeGreaterThanOrEqual(9);
  }
});

const entities = [
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['"', '&quot;'],
  ["'", '&#39;'],
  ['`', '&#96;'],
] as const;
/** Escapes a text as the page source does. */
const escaped = (text: string): string =>
  entities.reduce((all, [character, entity]) => all.replaceAll(character, entity), replaceControlCharacters(text));

test('model pages fit the viewport, log no errors and pass axe', async (context) => {
  if (browserSkipReason !== undefined) return context.skip(browserSkipReason);
  const store = localStore(homeFolders(home).store);
  const { model } = await fillRegistry(store, { folder: `${home}/scratch` });
  await fillRegistry(store, { folder: `${home}/scratch`, model: 'w'.repeat(22), text: 'W'.repeat(199) + '<' });
  const browser = await openBrowser();
  try {
    await serve(home, store, async ({ url }) => {
      for (const [name, path] of [
        ['runs', '/'],
        ['models', '/models'],
        ['model', `/models/${model}`],
        ['model-hostile', `/models/${'w'.repeat(22)}`],
      ] as const)
        for (const width of [1280, 390]) {
          const page = await browser.newPage({ viewport: { width, height: 900 } });
          const errors = listenForErrors(page);
          await page.goto(`${url}${path}`);
          await saveScreenshot(page, `${name}-${width}`);
          expect([name, await page.evaluate('document.documentElement.scrollWidth')]).toEqual([name, width]);
          if (axeFile !== undefined) {
            await page.evaluate(await readFile(axeFile, 'utf8'));
            const found: { id: string; impact: string }[] = await page.evaluate(
              'axe.run().then(({ violations }) => violations)',
            );
            const serious = found.filter(({ impact }) => ['serious', 'critical'].includes(impact));
            expect([name, serious.map(({ id }) => id)]).toEqual([name, []]);
          }
          expect(errors).toEqual([]);
          await page.close();
        }
    });
  } finally {
    await browser.close();
  }
});
