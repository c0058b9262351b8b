// Logs are JSON lines like the services'. They hold no query, variable, header, token or message of a caller:
// what is logged is named here and there, one by one, and never an object of a request.
import { settings } from './settings.mjs';

const LEVELS = { DEBUG: 10, INFO: 20, WARNING: 30, ERROR: 40, CRITICAL: 50 };
const least = LEVELS[settings.KITH_LOG_LEVEL];
const asJson = settings.KITH_LOG_JSON === 'true';

function write(level, event, fields) {
  if (LEVELS[level] < least) return;
  const line = { event, level: level.toLowerCase(), timestamp: new Date().toISOString(), ...fields };
  const shown = Object.entries(fields).map(([name, value]) => ` ${name}=${value}`);
  process.stdout.write(asJson ? `${JSON.stringify(line)}\n` : `${line.timestamp} ${line.level} ${event}${shown.join('')}\n`);
}

export const log = {
  debug: (event, fields = {}) => write('DEBUG', event, fields),
  info: (event, fields = {}) => write('INFO', event, fields),
  warning: (event, fields = {}) => write('WARNING', event, fields),
  error: (event, fields = {}) => write('ERROR', event, fields),
};

/** What may be logged of an error: its kind and where in our code it came up. Its message may quote a caller. */
export function described(error) {
  const frames = String(error?.stack ?? '').split('\n').filter((line) => /^\s+at .*\.m?js:\d+/.test(line));
  const code = typeof error?.code === 'string' && /^[A-Z][A-Z0-9_]+$/.test(error.code) ? { code: error.code } : {};
  return { error: error?.constructor?.name ?? typeof error, ...code, at: frames.slice(0, 8).map((line) => line.trim()) };
}

/** The trace that a request belongs to, if its header says one. */
export const traceOf = (traceparent) => /^[0-9a-f]{2}-([0-9a-f]{32})-/.exec(traceparent ?? '')?.[1];

/** Libraries log what they were given. Of that, too, only the kind of an error is kept. */
export function keepLibrariesQuiet() {
  for (const level of ['log', 'info', 'debug', 'trace', 'warn', 'error']) {
    console[level] = (...words) => {
      const error = words.find((each) => each instanceof Error);
      if (level === 'error' && error) log.error('library', described(error));
    };
  }
}
