// The formats of JSON Schema that generation knows, as patterns of texts that certainly have them.

const DATE = String.raw`\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2[0-8]))`;
const TIME = String.raw`(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?(?:Z|[+-](?:0\d|1[0-4]):[0-5]\d)`;
const BYTE = String.raw`(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)`;
const LABEL = `[a-z0-9](?:[a-z0-9-]{0,20}[a-z0-9])?`;
const HOST = String.raw`(?:${LABEL}\.){1,3}[a-z]{2,6}`;

/** Pattern by format. RFC 3339 (dates without 29 February), RFC 4122, RFC 5321 without quotes, RFC 3986 with http and https. */
export const FORMATS: Readonly<Record<string, string>> = {
  date: `^${DATE}$`,
  time: `^${TIME}$`,
  "date-time": `^${DATE}T${TIME}$`,
  uuid: "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
  ipv4: String.raw`^${BYTE}(?:\.${BYTE}){3}$`,
  hostname: `^${HOST}$`,
  email: `^[a-z0-9]+(?:[._+-][a-z0-9]+){0,4}@${HOST}$`,
  uri: String.raw`^https?://${HOST}(?:/[A-Za-z0-9._~-]{0,40}){0,8}(?:\?[A-Za-z0-9=&._~-]{1,80})?$`,
};
