// The page with an editor for queries, GraphiQL, out of the installed package: nothing of it comes from elsewhere. It is
// open to all, as it holds nothing but the editor; what it sends needs a token, which is entered under "Headers".
import { gzipSync } from 'node:zlib';

const PATH = '/graphiql/';
const JAVASCRIPT = 'text/javascript; charset=utf-8';

// Styles are put in by the editor's own scripts as it draws; scripts are these files only.
const SECURITY = [
  "default-src 'none'",
  "script-src 'self'",
  "worker-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "font-src 'self' data:",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const HINT = `# A token goes under "Headers", below;
# "make -s token TENANT=demo" prints one.
# Then fetch the schema, by the circular
# arrow on the left.

{
  customers(first: 5) {
    nodes { name health { score band } }
  }
}
`;

const start = (endpoint) => `
self.MonacoEnvironment = {
  globalAPI: false,
  getWorkerUrl: (module, label) => '${PATH}' + label + '.js',
};
addEventListener('DOMContentLoaded', () =>
  YogaGraphiQL.renderYogaGraphiQL(document.querySelector('#root'), {
    title: 'Kith',
    endpoint: ${JSON.stringify(endpoint)},
    defaultQuery: ${JSON.stringify(HINT)},
    headers: '{"Authorization": "Bearer "}',
    defaultEditorToolsVisibility: 'headers',
    shouldPersistHeaders: false,
  }),
);
`;

const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <title>Kith</title>
    <link rel="icon" href="data:," />
    <link rel="stylesheet" href="${PATH}graphiql.css" />
    <script src="${PATH}start.js"></script>
    <script src="${PATH}graphiql.js"></script>
  </head>
  <body id="body" class="no-focus-outline">
    <noscript>The editor needs JavaScript. Queries are sent to this address by POST.</noscript>
    <div id="root"></div>
  </body>
</html>
`;

/** Returns the page, its files, or nothing if the path is neither. `endpoint` is where queries go. */
export async function editorFile(path, endpoint) {
  if (path === endpoint) return { type: 'text/html; charset=utf-8', body: PAGE, headers: { 'content-security-policy': SECURITY } };
  if (!path.startsWith(PATH)) return undefined;
  loading ??= load(endpoint);
  return (await loading).get(path);
}

let loading;

/** With the first visit: it is 9 MB, 2 when compressed. */
async function load(endpoint) {
  const editor = await import('@graphql-yoga/render-graphiql/graphiql');
  const files = {
    'start.js': [JAVASCRIPT, start(endpoint)],
    'graphiql.js': [JAVASCRIPT, editor.js],
    'graphiql.css': ['text/css; charset=utf-8', editor.css],
    'editorWorkerService.js': [JAVASCRIPT, editor.editorWorkerService],
    'json.js': [JAVASCRIPT, editor.jsonWorker],
    'graphql.js': [JAVASCRIPT, editor.graphqlWorker],
  };
  const headers = { 'content-encoding': 'gzip', 'cache-control': 'public, max-age=3600' };
  const packed = Object.entries(files).map(([name, [type, text]]) => [PATH + name, { type, body: gzipSync(text), headers }]);
  return new Map(packed);
}
