/** Without query and credentials: messages stay in the history for ever, signed addresses should not. */
export const showUrl = (url: string): string => {
  if (!URL.canParse(url)) return url;
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
};
