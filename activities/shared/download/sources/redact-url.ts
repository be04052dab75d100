/** Without query and credentials: messages stay in the history for ever, signed addresses should not. */
export const redactUrl = (url: string): string => {
  // Nobody knows what is a secret in something that is no address.
  if (!URL.canParse(url))
    return `"${url
      .replace(/[?#].*$/s, '')
      .replace(/\/\/[^/]*@/, '//')
      .slice(0, 200)}"`;
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
};
