/**
 * Webpack loader that freezes the exports object of a module. The Temporal SDK freezes what preloaded modules export,
 * down to the last object, but not below an object that is frozen already. zod fills in its schemas when they are first
 * used, which a frozen schema refuses.
 * @this {{ resourcePath: string }}
 * @param {string} source
 */
export default function freezeExports(source) {
  const own = JSON.stringify(this.resourcePath);
  return `${source}\nimport * as ownExports from ${own};\nObject.freeze(ownExports);\n`;
}
