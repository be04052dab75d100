/** Removes query and credentials from a URL, because messages are stored in the history. */
export const redactUrl = (url: string): string => {
  // An invalid URL may contain secrets anywhere, so most of it is removed.
  if (!URL.canParse(url))
    return `"${url
      .replace(/[?#].*$/s, '')
      .replace(/\/\/[^/]*@/, '//')
      .slice(0, 200)}"`;
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
};
