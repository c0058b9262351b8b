// The way in over HTTP. In this order: where to, from which origin, by which method; who sends it; how large; and only
// then the document. Nothing of a body is read before the token is checked.
import { wrongIn } from './connections.mjs';
import { badRequest, checked } from './documents.mjs';
import { editorFile } from './editor.mjs';
import { limits } from './limits.mjs';
import { log, traceOf } from './log.mjs';
import { requests, seconds } from './metrics.mjs';
import { parseJson, RepeatedKey } from './json.mjs';
import { faultOf, refuse, Refusal } from './problems.mjs';

const LINGER_MILLISECONDS = 200;
const ALLOW = 'GET, HEAD, POST, OPTIONS';
const COMMON = { 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer', 'cache-control': 'no-store' };
const UTF_8 = new Set(['', 'charset=utf-8', 'charset="utf-8"']);
const SHARED_HEADERS = 'Kith-Query-Cost, Kith-Position, Kith-Reached, Retry-After, WWW-Authenticate';
const SENT_HEADERS = 'Authorization, Content-Type, Accept, Kith-Wait-For, Traceparent';

/** Pages of `origins` may ask, besides our own. `graphql` takes the request once it may be read, with its body, read, in `request.body`. */
export function door({ path, origins, tokens, graphql, isStopping }) {
  return async (request, response) => {
    watch(request, response);
    try {
      for (const [name, value] of Object.entries(COMMON)) response.setHeader(name, value);
      share(request, response, origins);
      await enter(request, response);
    } catch (error) {
      answerFor(error, request, response);
    }
  };

  async function enter(request, response) {
    if (request.rawHeaders.length > 2 * limits.headers) {
      throw new Refusal(431, 'headers-too-large', `A request has at most ${limits.headers} headers.`);
    }
    const wrong = wrongIn(request);
    if (wrong !== undefined) throw badRequest(wrong);
    const url = urlOf(request);
    if (url.pathname === '/livez' || url.pathname === '/readyz') return probe(request, response, url.pathname === '/readyz' && isStopping());
    const isEndpoint = url.pathname === path;
    const wantsPage = isEndpoint && isReading(request) && (request.headers.accept ?? '').includes('text/html');
    if (!isEndpoint || (wantsPage && !url.searchParams.has('query'))) return page(request, response, url.pathname);
    if (request.method === 'OPTIONS') return response.writeHead(204, { allow: ALLOW }).end();
    if (!isReading(request) && request.method !== 'POST') throw notAllowed(ALLOW);
    await tokens.check(request.headers.authorization);
    if (request.method === 'POST') {
      request.body = await bodyOf(request, response);
    } else {
      checkParameters(url.searchParams);
    }
    // What a caller says of our name is nobody's business further on.
    request.headers.host = 'gateway';
    if (request.method === 'HEAD') request.method = 'GET';
    return graphql(request, response);
  }

  async function page(request, response, pathname) {
    const file = await editorFile(pathname, path);
    if (file === undefined) throw new Refusal(404, 'not-found', 'There is nothing here.');
    if (request.method === 'OPTIONS') return response.writeHead(204, { allow: 'GET, HEAD, OPTIONS' }).end();
    if (!isReading(request)) throw notAllowed('GET, HEAD, OPTIONS');
    response.writeHead(200, { 'content-type': file.type, ...file.headers, vary: 'Accept, Accept-Encoding, Origin' });
    return response.end(file.body);
  }
}

const isReading = ({ method }) => method === 'GET' || method === 'HEAD';

const notAllowed = (allow) => new Refusal(405, 'method-not-allowed', `Send one of ${allow}.`, { headers: { allow } });

/** Of the request's own path. An absolute one is read as what it asks for here. */
function urlOf(request) {
  try {
    return new URL(request.url, 'http://gateway');
  } catch {
    throw badRequest('The path is not one.');
  }
}

function probe(request, response, stops) {
  if (!isReading(request)) throw notAllowed('GET, HEAD');
  response.writeHead(stops ? 503 : 200, { 'content-type': 'text/plain' }).end(stops ? 'stopping' : 'ok');
}

/** What a browser may read from another origin: CORS, without credentials. Others learn nothing. */
function share(request, response, origins) {
  response.setHeader('vary', 'Origin');
  const { origin } = request.headers;
  if (!origins.has(origin)) return;
  response.setHeader('access-control-allow-origin', origin);
  if (request.method !== 'OPTIONS') {
    response.setHeader('access-control-expose-headers', SHARED_HEADERS);
  } else if (request.headers['access-control-request-method']) {
    response.setHeader('access-control-allow-methods', 'GET, POST');
    response.setHeader('access-control-allow-headers', SENT_HEADERS);
    response.setHeader('access-control-max-age', '600');
  }
}

/** JSON only: a page elsewhere can have a browser send forms and plain text without asking us first. */
async function bodyOf(request, response) {
  const [type, ...parameters] = (request.headers['content-type'] ?? '').toLowerCase().split(';').map((each) => each.trim());
  if (type !== 'application/json' || !parameters.every((each) => UTF_8.has(each))) {
    throw new Refusal(415, 'unsupported-media-type', 'Send a body as application/json, in UTF-8.');
  }
  if ((request.headers['content-encoding'] ?? 'identity').toLowerCase() !== 'identity') {
    throw new Refusal(415, 'unsupported-media-type', 'Send the body as it is, without a Content-Encoding.');
  }
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared > limits.bodyBytes) throw tooLarge();
  if (request.headers.expect !== undefined) response.writeContinue();
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > limits.bodyBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return checked(jsonOf(textOf(Buffer.concat(chunks)), 'The body'));
}

function textOf(bytes) {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw badRequest('The body is not UTF-8.');
  }
}

function jsonOf(text, what, field) {
  try {
    return parseJson(text);
  } catch (error) {
    throw badRequest(error instanceof RepeatedKey ? `${what} has a key twice.` : `${what} is not JSON.`, field);
  }
}

const tooLarge = () =>
  new Refusal(413, 'content-too-large', `A body has at most ${limits.bodyBytes} bytes.`);

/** As a body has them; objects are JSON. */
function checkParameters(parameters) {
  const params = {};
  for (const [name, value] of parameters) {
    if (name in params) throw badRequest(`${name} is there twice.`, name);
    params[name] = name === 'variables' || name === 'extensions' ? jsonOf(value, name, name) : value;
  }
  checked(params);
}

function answerFor(error, request, response) {
  // A client that has hung up gets no answer, and that is no internal error.
  if (response.destroyed || response.headersSent || error.code === 'ECONNRESET' || request.errored) {
    response.destroy();
    return;
  }
  if (!(error instanceof Refusal)) {
    error = faultOf(error, 'request', traceOf(request.headers.traceparent));
  }
  const unread = !request.complete;
  // The rest of a small body is let in, so that the connection can be used again; that of a large one is not.
  const drains = unread && Number(request.headers['content-length'] ?? Infinity) <= limits.bodyBytes;
  if (unread && !drains) {
    response.setHeader('connection', 'close');
    response.once('finish', () => setTimeout(() => request.socket?.destroySoon(), LINGER_MILLISECONDS).unref());
  }
  if (drains) request.resume();
  refuse(request, response, error);
}

function watch(request, response) {
  const began = performance.now();
  const looking = setInterval(() => letGoIfNotRead(response), 1000 * limits.idleSeconds).unref();
  response.once('close', () => {
    clearInterval(looking);
    const status = response.writableFinished ? response.statusCode : 499;
    requests.inc({ status });
    seconds.observe((performance.now() - began) / 1000);
    log.debug('request', { status, trace_id: traceOf(request.headers.traceparent) });
  });
}

/** An answer that lies unread from one look to the next is given up. (The server's own timeout is off for streams.) */
function letGoIfNotRead(response) {
  const written = response.socket?.bytesWritten;
  if (response.writableNeedDrain && response.writtenAtLastLook === written) response.destroy();
  response.writtenAtLastLook = written;
}
