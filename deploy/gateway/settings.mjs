// Settings come from the environment. Each has one spelling, that of the services (docs/scalars.md): what a parser would
// have to guess is refused by name.
const MOST_COUNT = 2 ** 31 - 1;
const MOST_SECONDS = 86_400;
const ORIGIN = /^https?:\/\/([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?$/;

/** Each raises an Error that names the setting, and its rule. An empty one is as if it were not there. */
export const count = (environment, name, usual) =>
  number(environment, name, usual, /^[1-9][0-9]*$/, (given) => given <= MOST_COUNT);
export const seconds = (environment, name, usual) =>
  number(environment, name, usual, /^(0|[1-9][0-9]*)(\.[0-9]+)?$/, (given) => given > 0 && given <= MOST_SECONDS);

export function port(environment, name, usual) {
  return read(environment, name, usual, Number, 'port', (given) => /^(0|[1-9][0-9]{0,4})$/.test(given) && given < 65_536);
}

export function oneOf(environment, name, usual, words) {
  return read(environment, name, usual, String, `word of ${words.join(', ')}`, (given) => words.includes(given));
}

/** Of `https://crm.example, http://localhost:3000`. */
export function origins(environment, name) {
  const split = (given) => given.split(',').map((each) => each.trim()).filter(Boolean);
  const words = 'list of origins: scheme, host in lower case, and port, as in https://crm.example';
  return new Set(read(environment, name, [], split, words, (given) => split(given).every((each) => ORIGIN.test(each))));
}

function number(environment, name, usual, spelling, fits) {
  return read(environment, name, usual, Number, 'positive number', (given) => spelling.test(given) && fits(Number(given)));
}

function read(environment, name, usual, parse, words, fits) {
  const given = environment[name];
  if (!given) return usual;
  if (!fits(given)) throw new Error(`${name}=${given}: that is no ${words}.`);
  return parse(given);
}
